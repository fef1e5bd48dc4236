"""Analytics Engine: one point a request."""

from __future__ import annotations

from lumigate.telemetry.schema import PointColumn

DATA_POINT: tuple[PointColumn, ...] = (
    PointColumn(column="index1", name="tenant", description="Who pays; also what sampling is fair to."),
    PointColumn(column="blob1", name="route", description="The route's template."),
    PointColumn(column="blob2", name="method", description="The request method."),
    PointColumn(column="blob3", name="outcome", description="How the answer ended."),
    PointColumn(column="blob4", name="error_code", description="The error's stable code."),
    PointColumn(column="blob5", name="provider", description="Who answered."),
    PointColumn(column="blob6", name="model", description="The model asked of the provider."),
    PointColumn(column="blob7", name="cache", description="What the cache said."),
    PointColumn(column="blob8", name="auth_reason", description="ok, or why the caller was refused."),
    PointColumn(column="blob9", name="country", description="The caller's country."),
    PointColumn(column="blob10", name="colo", description="The data centre."),
    PointColumn(column="blob11", name="environment", description="deployment.environment.name."),
    PointColumn(column="blob12", name="version", description="service.version."),
    PointColumn(column="blob13", name="trace_id", description="The trace, kept or not."),
    PointColumn(column="blob14", name="model_alias", description="The model name the caller used."),
    PointColumn(column="double1", name="status", description="The status answered."),
    PointColumn(column="double2", name="duration_ms", description="Arrival to last byte.", unit="ms"),
    PointColumn(column="double3", name="upstream_ms", description="Waiting for providers.", unit="ms"),
    PointColumn(column="double4", name="ttfc_ms", description="Provider call to first event.", unit="ms"),
    PointColumn(column="double5", name="input_tokens", description="Tokens in the prompt.", unit="{token}"),
    PointColumn(column="double6", name="output_tokens", description="Tokens in the answer.", unit="{token}"),
    PointColumn(column="double7", name="cost_usd", description="What the request cost.", unit="{USD}"),
    PointColumn(column="double8", name="attempts", description="Model calls made."),
    PointColumn(column="double9", name="request_bytes", description="Size of the request's body.", unit="By"),
    PointColumn(
        column="double10", name="response_bytes", description="Size of the answer's body.", unit="By"
    ),
    PointColumn(column="double11", name="stream", description="1 if the answer was a stream."),
    PointColumn(column="double12", name="auth_ms", description="Checking the token or key.", unit="ms"),
    PointColumn(column="double13", name="l1_ms", description="Finding a hit in memory.", unit="ms"),
    PointColumn(column="double14", name="route_ms", description="Choosing a provider.", unit="ms"),
)
