"""GET /metrics: what the counter shards hold, for Prometheus, behind a token of its own."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest

from tests.blackbox.conftest import SETTINGS, Stage, eventually

TOKEN = SETTINGS["METRICS_TOKEN"]
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def scrape(http: httpx.Client, **headers: str) -> httpx.Response:
    return http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}", **headers})


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of that name that carry these labels."""
    total = 0.0
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)(?: .*)?", line.partition(" # ")[0])
        if found and all(f'{key}="{wanted}"' in (found[1] or "") for key, wanted in labels.items()):
            total += float(found[2])
    return total


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Basic YTpi"])
def test_without_its_token_there_is_nothing_to_see(
    staged: Stage, http: httpx.Client, header: str | None
) -> None:
    answer = http.get("/metrics", headers={} if header is None else {"authorization": header})
    assert answer.status_code == 401
    assert "lumigate_" not in answer.text


def test_a_callers_token_does_not_open_it(staged: Stage, http: httpx.Client) -> None:
    assert http.get("/metrics", headers=staged.headers()).status_code == 401


def test_the_format_is_what_the_scraper_asks_for(staged: Stage, http: httpx.Client) -> None:
    http.get("/health")
    text = scrape(http)
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    openmetrics = scrape(http, accept=OPEN_METRICS)
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")


def test_it_is_compressed_where_that_is_accepted(staged: Stage, http: httpx.Client) -> None:
    with (
        httpx.Client(base_url=staged.url, headers={"accept-encoding": "gzip"}) as client,
        client.stream("GET", "/metrics", headers={"authorization": f"Bearer {TOKEN}"}) as answer,
    ):
        assert answer.headers["content-encoding"] == "gzip"
        assert b"target_info" in gzip.decompress(b"".join(answer.iter_raw()))


def test_every_request_is_counted_once(staged: Stage, http: httpx.Client) -> None:
    """By the shard, as often as by the wide events; those of other tests included, which may still be on their way."""
    name = "http_server_request_duration_seconds_count"
    labels = {"http_route": "/v1/models", "http_response_status_code": "401"}

    def told() -> int:
        return sum(
            (event["route"], event["status"]) == ("/v1/models", 401)
            for event in staged.events()
            if event.get("event") == "request"
        )

    def counted() -> float:
        return value(scrape(http).text, name, **labels)

    last = [http.get("/v1/models") for _ in range(20)][-1]
    staged.event(last.headers["x-request-id"])
    assert told() >= 20
    assert eventually(lambda: counted() == told())


def test_requests_are_counted_by_the_version_that_served_them(staged: Stage, http: httpx.Client) -> None:
    """What a gradual rollout is judged by; probes and scrapes are no part of it."""

    def told() -> tuple[int, int]:
        """Those that were refused, and all."""
        events = [event for event in staged.events() if event.get("event") == "request"]
        judged = [event for event in events if event["route"] not in ("/health", "/metrics")]
        return sum(event["outcome"] == "refused" for event in judged), len(judged)

    def counted() -> tuple[float, float]:
        text = scrape(http).text
        versions = set(re.findall(r'lumigate_version_outcomes_total\{[^}]*faas_version="([^"]+)"', text))
        assert len(versions) <= 1
        found = {"faas_version": versions.pop()} if versions else {}
        return (
            value(text, "lumigate_version_outcomes_total", lumigate_outcome="refused", **found),
            value(text, "lumigate_version_overhead_seconds_count", **found),
        )

    for _ in range(9):
        http.get("/v1/models")
        http.get("/health")
    staged.event(http.get("/v1/models").headers["x-request-id"])
    assert told() >= (10, 10)
    assert eventually(lambda: counted() == told())


def test_exemplars_lead_to_traces(staged: Stage, http: httpx.Client) -> None:
    """Of the newest request of its kind, so any of several: another test's may have come later than the first."""
    asked: list[str] = []

    def shown() -> bool:
        asked.append(http.get("/v1/models").headers["traceresponse"].split("-")[1])
        text = scrape(http, accept=OPEN_METRICS).text
        return any(f'trace_id="{trace_id}"' in text for trace_id in asked)

    assert eventually(shown)
