"""Data marked EU stays with providers and stores of the EU, or is refused; on both runtimes."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from local.runtime.development import development_settings
from tests.blackbox.conftest import PATIENCE, _mocks
from tests.blackbox.kept import RUNTIMES, Watched
from tests.pyodide.production import production_host

CHAT = "/v1/chat/completions"
EVERYWHERE, EU_ONLY, US_ONLY, VECTORS = "gpt-5", "gpt-eu", "gpt-us", "vectors"


def candidate(model: str, region: str) -> dict[str, Any]:
    return {"provider": "openai", "model": model, "region": region, "output_usd_per_mtok": 1}


SETTINGS: dict[str, Any] = {
    "ENVIRONMENT": "test",
    "SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
    "TENANT_REGIONS": json.dumps({"berlin": "eu"}),
    "TENANT_LIMITS": json.dumps({"*": {"usd_per_day": 10, "requests_per_minute": 1000}}),
    "JWT_REGION_CLAIM": "data_region",
    "LEDGER_TIMEOUT_MS": "20000",
    "CACHE_L3_BUDGET_MS": "10000",
    "CACHE_L2_BUDGET_MS": "10000",
    "CACHE_NEAR_THRESHOLD": "0.8",
    "MODELS": json.dumps(
        {
            EVERYWHERE: [candidate("us-model", "us"), candidate("eu-model", "eu")],
            EU_ONLY: candidate("eu-model", "eu"),
            US_ONLY: [candidate("us-model", "us"), candidate("nowhere-model", "")],
            VECTORS: [candidate("us-vectors", "us"), candidate("eu-vectors", "eu")],
        }
    ),
}


@pytest.fixture(scope="module", params=RUNTIMES)
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with RUNTIMES[request.param](SETTINGS, tmp_path_factory.mktemp("region")) as running:
        yield running


@pytest.fixture
def http(watched: Watched) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=watched.url, timeout=PATIENCE) as client:
        yield client


def asked(model: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def models_asked(watched: Watched, text: str) -> set[str]:
    """The models that were sent a prompt with this text."""
    bodies = [r.body for r in list(watched.upstream.requests) if text.encode() in r.body]
    return {str(json.loads(body)["model"]) for body in bodies}


def marked(watched: Watched, how: str) -> dict[str, str]:
    if how == "tenant":
        return watched.headers("berlin")
    if how == "claim":
        token = watched.issuer.valid(sub="u", tenant="acme", data_region="EU")
        return {"authorization": f"Bearer {token}"}
    return watched.headers("acme", x_lumigate_region="eu")


@pytest.mark.parametrize("how", ["tenant", "claim", "header"])
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_of_a_marked_request_leaves_the_region(
    watched: Watched, http: httpx.Client, how: str, stream: bool
) -> None:
    secret = f"prompt-{uuid.uuid4().hex}"
    before = watched.settled()
    headers = marked(watched, how)
    answer = http.post(CHAT, json=asked(EVERYWHERE, secret, stream=stream), headers=headers)
    assert answer.status_code == 200, answer.text
    assert models_asked(watched, secret) == {"eu-model"}
    watched.wait_until(lambda: len(watched.places()["r2-eu"]) > len(before["r2-eu"]))
    after = watched.settled()
    for place in ("kv", "r2"):
        assert after[place] == before[place], place
    assert watched.event(answer.headers["x-request-id"])["region"] == "eu"
    watched.wait_until(lambda: answer.headers["traceresponse"].split("-")[1] in _trace_ids(watched))
    assert secret not in watched.exported()
    assert secret not in "\n".join(watched.lines())
    assert all(secret.encode() not in kept for kept in watched.places().values())


def test_what_is_not_marked_goes_everywhere(watched: Watched, http: httpx.Client) -> None:
    """So that the test above could fail."""
    secret = f"prompt-{uuid.uuid4().hex}"
    before = watched.settled()
    answer = http.post(CHAT, json=asked(US_ONLY, secret), headers=watched.headers())
    assert answer.status_code == 200, answer.text
    after = watched.settled()
    assert len(after["kv"]) > len(before["kv"])
    assert len(after["r2"]) > len(before["r2"])
    assert after["r2-eu"] == before["r2-eu"]
    watched.wait_until(lambda: secret in watched.exported())
    assert watched.event(answer.headers["x-request-id"])["region"] == ""


def _trace_ids(watched: Watched) -> set[str]:
    return {span.trace_id.hex() for span in watched.collector.spans()}


def test_an_answer_of_the_region_is_found_there_and_by_nobody_outside(
    watched: Watched, http: httpx.Client
) -> None:
    text = f"once {uuid.uuid4().hex}"
    inside, outside = watched.headers(x_lumigate_region="eu"), watched.headers()
    assert http.post(CHAT, json=asked(EU_ONLY, text), headers=inside).headers["x-lumigate-cache"] == "miss"
    assert http.post(CHAT, json=asked(EU_ONLY, text), headers=inside).headers["x-lumigate-cache"] == "hit-l1"
    assert http.post(CHAT, json=asked(EU_ONLY, text), headers=outside).headers["x-lumigate-cache"] == "miss"


def test_embeddings_stay_too(watched: Watched, http: httpx.Client) -> None:
    text = f"vector of {uuid.uuid4().hex}"
    body = {"model": VECTORS, "input": text}
    answer = http.post("/v1/embeddings", json=body, headers=marked(watched, "header"))
    assert answer.status_code == 200, answer.text
    assert models_asked(watched, text) == {"eu-vectors"}


@pytest.mark.parametrize("how", ["tenant", "claim", "header"])
def test_what_nobody_in_the_region_can_answer_is_refused(
    watched: Watched, http: httpx.Client, how: str
) -> None:
    secret = f"prompt-{uuid.uuid4().hex}"
    answer = http.post(CHAT, json=asked(US_ONLY, secret), headers=marked(watched, how))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "region_unavailable")
    assert models_asked(watched, secret) == set()
    assert secret not in answer.text


def test_a_region_that_nobody_knows_is_refused_and_not_passed_over(
    watched: Watched, http: httpx.Client
) -> None:
    for value in ("mars", "us", "", "eu, us"):
        answer = http.post(
            CHAT, json=asked(EVERYWHERE, "x"), headers=watched.headers(x_lumigate_region=value)
        )
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "x-lumigate-region"), value


def test_a_session_of_the_region_lives_in_its_jurisdiction(watched: Watched, http: httpx.Client) -> None:
    inside = watched.headers("acme", x_lumigate_region="eu")
    before = watched.settled()
    made = http.post("/sessions", json={"model": EVERYWHERE}, headers=inside)
    assert made.status_code == 201, made.text
    path = f"/sessions/{made.json()['id']}"
    secret = f"prompt-{uuid.uuid4().hex}"
    said = http.post(f"{path}/messages", json={"content": secret}, headers=inside)
    assert said.status_code == 200, said.text
    assert models_asked(watched, secret) == {"eu-model"}
    after = watched.settled()
    assert len(after["objects-eu"]) > len(before["objects-eu"])
    assert (after["kv"], after["r2"]) == (before["kv"], before["r2"])
    # The same id outside is another object, which has never been.
    assert http.get(path, headers=watched.headers("acme")).status_code == 404
    assert http.get(path, headers=inside).status_code == 200
    cached = http.post(CHAT, json=asked(EVERYWHERE, f"once {uuid.uuid4().hex}"), headers=inside)
    assert cached.status_code == 200, cached.text
    watched.settled()  # what is kept of it below the isolate's memory is written in the background
    operator = watched.issuer.valid(sub="op", tenant="ops", scope="admin")
    forgotten = http.delete(
        "/admin/subjects/user-of-acme",
        params={"tenant": "acme"},
        headers={"authorization": f"Bearer {operator}"},
    )
    assert forgotten.status_code == 200, forgotten.text
    assert forgotten.json()["removed"]["sessions"] == 1
    assert forgotten.json()["removed"]["cache_entries"] >= 1
    assert http.get(path, headers=inside).status_code == 404


def test_a_tenant_of_the_region_has_its_budget_there(watched: Watched, http: httpx.Client) -> None:
    headers = watched.headers("berlin")
    answer = http.post(CHAT, json=asked(EVERYWHERE, f"x {uuid.uuid4()}"), headers=headers)
    assert answer.status_code == 200
    used = http.get("/v1/usage", headers=headers).json()["limits"]["requests_per_minute"]["used"]
    assert used >= 1
    # A header binds a request, and not the budget: a tenant has one.
    for more in ({}, {"x_lumigate_region": "eu"}):
        body = asked(EVERYWHERE, f"y {uuid.uuid4()}")
        assert http.post(CHAT, json=body, headers=watched.headers("split", **more)).status_code == 200
    told = http.get("/v1/usage", headers=watched.headers("split")).json()["limits"]
    assert told["requests_per_minute"]["used"] == 2


def test_a_purge_reaches_the_region(watched: Watched, http: httpx.Client) -> None:
    text, headers = f"purged {uuid.uuid4().hex}", watched.headers("purging", x_lumigate_region="eu")
    body = asked(EU_ONLY, text)
    assert http.post(CHAT, json=body, headers=headers).headers["x-lumigate-cache"] == "miss"
    assert http.post(CHAT, json=body, headers=headers).headers["x-lumigate-cache"] == "hit-l1"
    operator = watched.issuer.valid(sub="op", tenant="ops", scope="admin")
    purged = http.post(
        "/admin/cache/purge",
        json={"tenant": "purging"},
        headers={"authorization": f"Bearer {operator}"},
    )
    assert purged.status_code == 200, purged.text
    assert b"purge/" in watched.settled()["r2-eu"]
    assert http.post(CHAT, json=body, headers=headers).headers["x-lumigate-cache"] == "miss"


def test_telemetry_tells_what_was_decided(watched: Watched, http: httpx.Client) -> None:
    for model in (EVERYWHERE, US_ONLY):
        http.post(CHAT, json=asked(model, f"z {uuid.uuid4()}"), headers=marked(watched, "header"))

    def told() -> bool:
        text = http.get("/metrics", headers={"authorization": "Bearer local-metrics"}).text
        lines = [line for line in text.splitlines() if line.startswith("lumigate_region_decisions_total{")]
        return all(
            any(f'lumigate_region_result="{result}"' in line and 'source="header"' in line for line in lines)
            for result in ("confined", "refused")
        )

    watched.wait_until(told)


def test_a_runtime_without_jurisdictions_refuses_rather_than_keeps_elsewhere() -> None:
    """As `wrangler dev` is."""
    with ExitStack() as stack:
        upstream, issuer = stack.enter_context(_mocks())
        variables = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        host = stack.enter_context(production_host(variables | SETTINGS, flags={"jurisdictions": False}))
        http = stack.enter_context(httpx.Client(base_url=host.url, timeout=PATIENCE))
        bearer = {"authorization": f"Bearer {issuer.valid()}"}
        refused = http.post(
            "/sessions", json={"model": EVERYWHERE}, headers=bearer | {"x-lumigate-region": "eu"}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "sessions_unavailable")
        assert http.post("/sessions", json={"model": EVERYWHERE}, headers=bearer).status_code == 201
        operator = {"authorization": f"Bearer {issuer.valid(sub='op', scope='admin')}"}
        forgotten = http.delete("/admin/subjects/developer", params={"tenant": "acme"}, headers=operator)
        assert forgotten.json()["removed"]["sessions"] == 1
