"""Settings: the standard's names, their per-signal forms, and one clear line where they are malformed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.telemetry import ConfigurationError, TelemetryConfig
from lumigate.telemetry.records import CUMULATIVE, DELTA

read = TelemetryConfig.from_environ


def test_without_settings_nothing_is_exported() -> None:
    """A Worker has no localhost: no endpoint means no destination, not a failing one."""
    config = read({})
    assert config.destinations == ()
    assert (config.sampler, config.temporality, config.flush.mode) == (
        "parentbased_always_on",
        DELTA,
        "window",
    )
    assert config == TelemetryConfig()


def test_one_endpoint_serves_the_three_signals() -> None:
    (destination,) = read({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example/otlp/"}).destinations
    assert {signal: endpoint.url for signal, endpoint in destination.endpoints.items()} == {
        "traces": "https://c.example/otlp/v1/traces",
        "metrics": "https://c.example/otlp/v1/metrics",
        "logs": "https://c.example/otlp/v1/logs",
    }
    endpoint = destination.endpoints["traces"]
    assert (endpoint.protocol, endpoint.gzip, endpoint.timeout_seconds) == ("http/json", True, 10.0)


def test_a_signals_own_settings_win() -> None:
    """Its endpoint is used as it is, without a path added."""
    (destination,) = read(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318",
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20abc%3D, x-a=1",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/custom",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-a=2",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1000",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none",
            "OTEL_LOGS_EXPORTER": "none",
        }
    ).destinations
    traces, metrics = destination.endpoints["traces"], destination.endpoints["metrics"]
    assert "logs" not in destination.endpoints
    assert (traces.url, traces.protocol, traces.gzip, traces.timeout_seconds) == (
        "http://b/custom",
        "http/protobuf",
        False,
        1.0,
    )
    assert traces.headers == {"authorization": "Basic abc=", "x-a": "2"}
    assert (metrics.headers["x-a"], metrics.timeout_seconds) == ("1", 5.0)


def test_asking_for_otlp_by_name_takes_the_standards_default_endpoint() -> None:
    (destination,) = read({"OTEL_TRACES_EXPORTER": "otlp"}).destinations
    assert [(s, e.url) for s, e in destination.endpoints.items()] == [
        ("traces", "http://localhost:4318/v1/traces")
    ]


def test_several_destinations_have_their_own_settings() -> None:
    grafana, langfuse = read(
        {
            "LUMIGATE_OTLP_DESTINATIONS": "grafana, langfuse",
            "LUMIGATE_OTLP_GRAFANA_ENDPOINT": "https://g",
            "LUMIGATE_OTLP_GRAFANA_HEADERS": "authorization=g-secret",
            "LUMIGATE_OTLP_LANGFUSE_ENDPOINT": "https://l",
            "LUMIGATE_OTLP_LANGFUSE_SIGNALS": "traces",
            "LUMIGATE_OTLP_LANGFUSE_PROTOCOL": "http/protobuf",
        }
    ).destinations
    assert (grafana.name, set(grafana.endpoints)) == ("grafana", {"traces", "metrics", "logs"})
    assert (langfuse.name, set(langfuse.endpoints)) == ("langfuse", {"traces"})
    assert langfuse.endpoints["traces"].headers == {}
    assert "g-secret" not in repr(grafana)


def test_sampling_limits_and_buffers_are_read() -> None:
    config = read(
        {
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.5",
            "OTEL_ATTRIBUTE_COUNT_LIMIT": "10",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "100",
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "20",
            "OTEL_BSP_MAX_QUEUE_SIZE": "100",
            "OTEL_BSP_SCHEDULE_DELAY": "250",
            "OTEL_SERVICE_NAME": "gateway",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=loses,team=a%20b",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "CUMULATIVE",
            "LUMIGATE_TELEMETRY_FLUSH": "request",
        }
    )
    assert (config.sampler, config.sampler_ratio) == ("traceidratio", 0.5)
    limits = config.limits
    assert (limits.span_attributes, limits.event_attributes, limits.span_value_length) == (20, 10, 100)
    assert (config.spans.max_items, config.spans.batch_items, config.flush.linger_ms) == (100, 100, 250)
    assert (config.service_name, config.resource_attributes["team"]) == ("gateway", "a b")
    assert (config.temporality, config.flush.mode) == (CUMULATIVE, "request")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_SDK_DISABLED", "yes"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[bad"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:99999"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "nowhere"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no-equals-sign"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "bad name=1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=line%0Abreak"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000"),
        ("OTEL_RESOURCE_ATTRIBUTES", "noequals"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ("LUMIGATE_TELEMETRY_FLUSH", "never"),
        ("LUMIGATE_TELEMETRY_LINGER_MS", "60000"),
        ("LUMIGATE_TRACES_SHARE", "2"),
        ("LUMIGATE_TRACES_SLOW_MS", "/route=fast"),
        ("LUMIGATE_OTLP_DESTINATIONS", "Bad Name"),
        ("LUMIGATE_OTLP_DESTINATIONS", "a,a"),
    ],
)
def test_a_malformed_setting_is_one_line_that_names_it(variable: str, value: str) -> None:
    base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "LUMIGATE_OTLP_A_ENDPOINT": "http://a"}
    with pytest.raises(ConfigurationError) as caught:
        read({**base, variable: value})
    assert caught.value.variable == variable
    assert str(caught.value).startswith(f"{variable}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["s3cret", "authorization s3cret", "a b=s3cret", "a=s3cret%0A"])
def test_an_error_about_headers_never_quotes_a_secret(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_HEADERS": value})
    assert "s3cret" not in str(caught.value)


def test_a_destination_without_an_endpoint_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="LUMIGATE_OTLP_GRAFANA_ENDPOINT: missing"):
        read({"LUMIGATE_OTLP_DESTINATIONS": "grafana"})


NAMES = [
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "LUMIGATE_TRACES_SLOW_MS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_PROPAGATORS",
]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30)))
def test_any_setting_is_read_or_refused_by_name(environ: dict[str, str]) -> None:
    """Property: no other exception, whatever is in the environment."""
    with suppress(ConfigurationError):
        assert read(environ).spans.max_items > 0
