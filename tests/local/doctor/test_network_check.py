"""What stands around a deployment is asked for real: an empty export, the keys, the time."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from local.doctor.finding import Finding, Level
from local.doctor.network_check import check_network
from local.mocks.issuer import SigningKey
from tests.collector import running_collector
from tests.local.doctor.checkout import environment
from tests.local.doctor.conftest import Neighbour
from tests.ports import free_port

KEY = SigningKey.generate().jwk


def examined(root: Path, name: str = "staging", **values: Any) -> list[Finding]:
    if "JWKS_URL" in values:
        values = {"JWT_ISSUER": "https://i", "JWT_AUDIENCE": "a"} | values
    return list(check_network(environment(root, name), values))


def about(found: list[Finding], check: str) -> Finding:
    (one,) = [each for each in found if each.check == check]
    return one


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
def test_a_real_collector_takes_an_empty_export_of_each_signal_in_both_encodings(
    root: Path, protocol: str
) -> None:
    with running_collector() as collector:
        found = examined(
            root,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_HEADERS="x-key=hidden",
        )
        assert [each.level for each in found if each.check == "otlp"] == [Level.OK] * 3
        sent = [(path, headers["content-type"], headers["x-key"]) for path, headers, _ in collector.requests]
        assert sorted(sent) == sorted(
            (f"/v1/{signal}", kind, "hidden")
            for signal in ("traces", "metrics", "logs")
            for kind in ("application/json", "application/x-protobuf")
        )
        assert collector.refused == []
        assert collector.spans() == []
    assert "hidden" not in str(found)


def test_every_destination_is_asked(root: Path, neighbour: Neighbour) -> None:
    found = examined(
        root,
        LUMIGATE_OTLP_DESTINATIONS="grafana",
        LUMIGATE_OTLP_GRAFANA_ENDPOINT=neighbour.url,
        LUMIGATE_OTLP_GRAFANA_SIGNALS="logs",
    )
    (finding,) = [each for each in found if each.check == "otlp"]
    assert finding.what.startswith("grafana logs: ")


def test_a_collector_that_takes_one_encoding_only_is_named(root: Path, neighbour: Neighbour) -> None:
    neighbour.answer = lambda _m, _p, headers, _b: (
        (200, {}) if headers["content-type"] == "application/x-protobuf" else (415, {})
    )
    only = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{neighbour.url}/v1/traces"}
    wrong = about(examined(root, **only), "otlp")
    assert wrong.level is Level.ERROR
    assert "refuses http/json (415) and takes http/protobuf" in wrong.what
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" in wrong.next_step
    right = about(examined(root, **only, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"), "otlp")
    assert right.level is Level.OK
    assert "it refuses http/json (415)" in right.what


@pytest.mark.parametrize(
    ("status", "headers", "level", "words"),
    [
        (401, "x-key=hidden", Level.ERROR, "refuses the headers"),
        (403, "", Level.WARNING, "wants headers"),
        (404, "", Level.ERROR, "answers 404"),
        (500, "", Level.ERROR, "answers 500"),
    ],
)
def test_each_refusal_of_a_collector_is_named(
    root: Path, neighbour: Neighbour, status: int, headers: str, level: Level, words: str
) -> None:
    neighbour.answer = lambda *_: (status, {})
    found = examined(
        root,
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=f"{neighbour.url}/v1/logs",
        OTEL_EXPORTER_OTLP_HEADERS=headers,
    )
    finding = about(found, "otlp")
    assert (finding.level, words in finding.what) == (level, True)
    assert finding.next_step
    assert "hidden" not in str(found)


def test_a_collector_and_an_issuer_that_are_not_there_are_named(root: Path) -> None:
    address = f"http://user:hidden@127.0.0.1:{free_port()}"
    values = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": address,
        "JWKS_URL": f"http://127.0.0.1:{free_port()}/keys",
    }
    found = examined(root, **values)
    assert [each.level for each in found] == [Level.ERROR, Level.ERROR]
    assert all("cannot be reached" in each.what for each in found)
    assert "hidden" not in str(found)
    assert [each.level for each in examined(root, "development", **values)] == [Level.SKIPPED, Level.SKIPPED]


def test_placeholders_are_not_asked(root: Path) -> None:
    found = examined(
        root, JWKS_URL="https://issuer.example.com/k", OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="https://example.com/"
    )
    assert [each.level for each in found] == [Level.SKIPPED, Level.SKIPPED]


def test_telemetry_that_goes_nowhere_is_named_where_it_matters(root: Path) -> None:
    assert about(examined(root), "otlp").level is Level.WARNING
    assert examined(root, "development") == []
    assert examined(root, OTEL_EXPORTER_OTLP_ENDPOINT=None) == []  # a secret of which only the name is known


@pytest.mark.parametrize(
    ("document", "level", "words"),
    [
        ({"keys": [KEY]}, Level.OK, "1 usable key"),
        ({"keys": [KEY, {**KEY, "kid": "b"}, {"kty": "EC"}]}, Level.OK, "2 usable keys"),
        ({"keys": []}, Level.ERROR, "no_usable_key"),
        ({"keys": [{**KEY, "use": "enc"}]}, Level.ERROR, "no_usable_key"),
        ({"keys": [{**KEY, "alg": "ES256"}]}, Level.ERROR, "no_usable_key"),
        ({"keys": [{**KEY, "n": "AQAB"}]}, Level.ERROR, "no_usable_key"),
        (
            {"keys": [{name: value for name, value in KEY.items() if name != "kid"}]},
            Level.ERROR,
            "no_usable_key",
        ),
        ({"keys": {}}, Level.ERROR, "bad_content"),
        ({"keys": [KEY, KEY]}, Level.ERROR, "duplicate_key"),
        (b"<html>", Level.ERROR, "bad_content"),
        (b" " * 300_000, Level.ERROR, "too_large"),
    ],
)
def test_a_key_set_is_judged_as_the_gateway_judges_it(
    root: Path, neighbour: Neighbour, document: Any, level: Level, words: str
) -> None:
    neighbour.answer = lambda *_: (200, document)
    finding = about(examined(root, JWKS_URL=f"{neighbour.url}/keys"), "keys")
    assert (finding.level, words in finding.what) == (level, True), finding.what


def test_every_issuer_is_asked_for_keys_of_its_own_algorithms(root: Path, neighbour: Neighbour) -> None:
    neighbour.answer = lambda *_: (200, {"keys": [KEY]})
    entry = {
        "issuer": "https://other",
        "audience": "a",
        "jwks_url": f"{neighbour.url}/b",
        "algorithms": "EdDSA",
    }
    found = examined(root, JWKS_URL=f"{neighbour.url}/a", JWT_ISSUERS=json.dumps([entry]))
    told = [(each.level, each.what.split(" ")[0]) for each in found if each.check == "keys"]
    assert told == [(Level.OK, f"{neighbour.url}/a"), (Level.ERROR, f"{neighbour.url}/b")]


def test_a_key_set_behind_an_error_is_named(root: Path, neighbour: Neighbour) -> None:
    neighbour.answer = lambda *_: (302, {})
    assert "answers 302" in about(examined(root, JWKS_URL=neighbour.url), "keys").what


@pytest.mark.parametrize(
    ("ahead_seconds", "age", "level", "words"),
    [
        (0, 0, Level.OK, "agrees with"),
        (12, 0, Level.WARNING, "behind"),
        (-300, 0, Level.ERROR, "ahead of"),
        (300, 0, Level.ERROR, "more than the leeway of 60 s"),
        (-300, 300, Level.OK, "agrees with"),
    ],
)
def test_a_clock_that_is_off_is_named(
    root: Path, neighbour: Neighbour, ahead_seconds: int, age: int, level: Level, words: str
) -> None:
    neighbour.answer = lambda *_: (200, {"keys": [KEY]})
    neighbour.headers = {"Date": formatdate(time.time() + ahead_seconds, usegmt=True), "Age": str(age)}
    finding = about(examined(root, JWKS_URL=neighbour.url, JWT_LEEWAY_SECONDS="60"), "clock")
    assert (finding.level, words in finding.what) == (level, True), finding.what


def test_an_answer_without_a_date_tells_nothing(root: Path, neighbour: Neighbour) -> None:
    neighbour.answer = lambda *_: (200, {"keys": [KEY]})
    neighbour.headers = {"Date": "yesterday"}
    assert [each for each in examined(root, JWKS_URL=neighbour.url) if each.check == "clock"] == []
