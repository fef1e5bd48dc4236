"""Which spans a request leaves, and how they hang together."""

from __future__ import annotations

from lumigate.ports import FetchError
from tests.fakes import STREAM, USAGE_EVENT, stream_answer, whole_body
from tests.gateway.rig import BEARER, FRESH, STREAMED, nothing_was_misused, with_upstream


async def test_a_request_leaves_the_whole_tree_of_its_life() -> None:
    rig = with_upstream()
    response = await rig.send(headers={**BEARER, "user-agent": "test"})
    assert response.status == 200
    await rig.ports.background.run()
    assert rig.observed.tree(
        "lumigate.auth.reason",
        "lumigate.key_set.result",
        "lumigate.rate_limit.result",
        "lumigate.cache.outcome",
        "lumigate.cache.result",
        "lumigate.model.alias",
        "lumigate.outcome",
    ) == "\n".join(
        [
            "POST /v1/chat/completions [server] miss complete",
            "  auth.check ok",
            "    auth.keys.fetch [client] ok",
            "  rate_limit.check allowed",
            "  cache.lookup miss",
            "    cache.l1 miss",
            "    cache.l2 miss",
            "  llm.route fast",
            "  chat gpt-4o-mini [client]",
        ]
    )
    assert rig.observed.span("POST /v1/chat/completions").attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "https",
        "user_agent.original": "test",
        "geo.country.iso_code": "DE",
        "cloudflare.colo": "FRA",
        "lumigate.request.id": response.headers["x-request-id"],
        "lumigate.tenant": "acme",
        "lumigate.outcome": "complete",
        "lumigate.cache.outcome": "miss",
    }
    nothing_was_misused(rig)


async def test_a_hit_ends_at_the_cache() -> None:
    rig = with_upstream()
    first = await rig.send()
    rig.observed.spans.clear()
    second = await rig.send()
    assert second.body == first.body
    assert rig.observed.tree("lumigate.cache.outcome", "lumigate.cache.result") == "\n".join(
        [
            "POST /v1/chat/completions [server] hit-l1",
            "  auth.check",
            "  rate_limit.check",
            "  cache.lookup hit-l1",
            "    cache.l1 hit",
        ]
    )
    assert len(rig.ports.fetch.calls) == 1
    nothing_was_misused(rig)


async def test_a_stream_ends_its_span_when_the_last_byte_has_left() -> None:
    rig = with_upstream(stream_answer(*STREAM))
    response = await rig.send(body=STREAMED)
    assert "POST /v1/chat/completions" not in [span.name for span in rig.observed.spans]
    assert rig.events == []
    assert await whole_body(response) == b"".join(STREAM).replace(USAGE_EVENT, b"")
    assert (
        rig.observed.tree("lumigate.outcome").splitlines()[0] == "POST /v1/chat/completions [server] complete"
    )
    assert rig.observed.span("chat gpt-4o-mini").attributes["gen_ai.request.stream"] is True
    nothing_was_misused(rig)


async def test_a_refused_caller_leaves_a_short_tree() -> None:
    rig = with_upstream()
    await rig.send(headers={})
    assert rig.observed.tree("error.type") == (
        "POST /v1/chat/completions [server] token_missing\n  auth.check token_missing"
    )
    nothing_was_misused(rig)


async def test_an_upstream_that_fails_is_told_on_its_span_and_on_the_servers() -> None:
    rig = with_upstream(FetchError("timeout"))
    response = await rig.send(headers=FRESH)
    assert response.status == 504
    assert rig.observed.tree() == "\n".join(
        [
            "POST /v1/chat/completions [server] !upstream_timeout",
            "  auth.check",
            "  rate_limit.check",
            "  llm.route",
            "  chat gpt-4o-mini [client] !upstream_timeout",
        ]
    )
    nothing_was_misused(rig)
