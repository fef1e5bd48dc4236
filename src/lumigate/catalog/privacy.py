"""Personal data: what was found in requests and answers, and what finding it took."""

from __future__ import annotations

from lumigate.catalog.http import ERROR_TYPE
from lumigate.catalog.scales import STEP_SECONDS
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

PERSONAL_DATA_KIND = Attribute(
    key="lumigate.privacy.kind",
    description="What was found.",
    values=frozenset(
        {
            *("private_key", "jwt", "api_key", "secret", "email", "iban", "card"),
            *("my_number", "ssn", "ip", "phone"),
        }
    ),
)
PRIVACY_POLICY = Attribute(
    key="lumigate.privacy.policy",
    description="What is done about it.",
    values=frozenset({"mask", "tokens", "block"}),
)
PERSONAL_DATA_DURATION = Metric(
    name="lumigate.privacy.check.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time it took to look for personal data in a request.",
    buckets=STEP_SECONDS,
)
PERSONAL_DATA_FINDINGS = Metric(
    name="lumigate.privacy.findings",
    unit="{finding}",
    kind=InstrumentKind.COUNTER,
    description="Personal data found in requests, and in answers where they are masked, by kind.",
    attributes=(PERSONAL_DATA_KIND,),
)
PRIVACY_SPAN = SpanType(
    name="privacy.check",
    kind="internal",
    description="Looking for personal data in a request; only where a policy asks for it.",
    attributes=(
        PRIVACY_POLICY,
        ERROR_TYPE,
        Attribute(key="lumigate.privacy.findings", description="How much was found.", type=int),
    ),
)
