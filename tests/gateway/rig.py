"""A gateway over fakes of the ports and the real telemetry engine, with a provider behind it."""

from __future__ import annotations

from typing import Any

from tests.fakes import (
    CHAT_BODY,
    JWKS_URL,
    UPSTREAM_URL,
    WITH_KEY,
    FakeAnswer,
    GatewayUnderTest,
    completion,
    json_answer,
    key_set,
    make_gateway,
    make_token,
)

STREAMED = {**CHAT_BODY, "stream": True}
FRESH = {**WITH_KEY, "cache-control": "no-store"}
EXPORT: dict[str, Any] = {"METRICS_VIA": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example"}
BEARER = {"authorization": f"Bearer {make_token()}"}


def with_upstream(*answers: FakeAnswer | Exception, **options: Any) -> GatewayUnderTest:
    """Its provider gives these answers in turn, or one good answer; its issuer publishes its keys."""
    rig = make_gateway(**options)
    rig.ports.fetch.script(UPSTREAM_URL, *(answers or (json_answer(completion()),)))
    rig.ports.fetch.script(JWKS_URL, key_set("k1"))
    return rig


def nothing_was_misused(rig: GatewayUnderTest) -> None:
    stats = rig.gateway.telemetry.stats()
    assert (dict(stats.misuse), dict(stats.errors), dict(stats.dropped)) == ({}, {}, {})
