"""What stands between a request and a model call: the cache's part of the way that all front doors share.

Look for an answer, give it in the form that is asked for, ask anew in the background for one that is stale, keep what
a model said, and fall back to a stale answer where no model says anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.trace import Link

from lumigate.cache.asked import Asked, Found
from lumigate.cache.flight import Flights
from lumigate.cache.forms import body_for
from lumigate.cache.policy import rule
from lumigate.cache.recording import count_savings
from lumigate.cache.tiers import TieredCache
from lumigate.errors import LumigateError, UpstreamError, UpstreamRefused
from lumigate.http.types import Response
from lumigate.ledger.settlement import settle
from lumigate.llm.call import ModelCall
from lumigate.llm.chat import ChatRequest
from lumigate.ports import Ports
from lumigate.scope import Facts, Recorder, Scope, fail_span

type AskAnew = Callable[[Scope, Asked], Awaitable[None]]
"""Asks a model, and keeps what it says."""

KEY_HEADER = "x-lumigate-cache-key"
"""Names an answer to whoever wants it purged; a hash, which tells nothing."""
_REVALIDATION_SECONDS = 60.0
"""After so long a revalidation that has said nothing no longer keeps others from trying."""
_TOOL_CALL = re.compile(rb'"(?:tool_calls|function_call)"\s*:\s*[\[{]\s*[^\s\]}]|"type"\s*:\s*"tool_use"')
"""A call in an answer; in its text the quotes would be escaped. Some servers send an empty list where there is none."""


class CachedAnswers:
    """One for each front door; the cache behind it is one an isolate."""

    def __init__(self, cache: TieredCache) -> None:
        self._cache = cache
        self._revalidating = Flights(_REVALIDATION_SECONDS)

    def ask(
        self, scope: Scope, chat: ChatRequest, body: Mapping[str, Any], policy: str, *, any_form: bool
    ) -> Asked | None:
        """The request as the cache sees it; None where the cache has no part in it. Raises `InvalidRequest`.

        `policy` is all that changes the answer beside the body: who may answer, and what is done to the prompt. With
        `any_form` a stream may be told as a whole answer, and the other way round.
        """
        rules = self._cache.settings.rules_of(chat.model)
        longest_seconds = self._cache.longest_seconds(rules, scope.ports)
        ruling = rule(rules, chat, scope.headers, longest_seconds=longest_seconds)
        if not ruling.reads:
            nowhere = {"lumigate.cache.tier": "none", "lumigate.cache.result": "bypass"}
            scope.instruments.cache_lookups.add(1, nowhere)
            scope.instruments.cache_bypasses.add(1, {"lumigate.cache.bypass": ruling.reason})
            if not ruling.writes:
                return None
        return Asked.of(
            chat,
            body,
            tenant=scope.facts.tenant,
            policy=f"{policy} {chat.native_features}",
            rules=rules,
            ruling=ruling,
            now_ns=scope.clock.now_ns(),
            any_form=any_form,
        )

    async def find(self, scope: Scope, asked: Asked, ask_anew: AskAnew) -> Response | None:
        """The answer, if a tier has it. Raises what a provider has just refused it with."""
        if not asked.ruling.reads:
            return None
        found = await self._cache.lookup(scope, asked)
        response = None if found is None else _replay(scope, asked, found)
        if found is None or response is None:
            scope.facts.cache = "miss"
            return None
        if found.kind == "stale":
            self._revalidate(scope, asked, ask_anew)
        return response

    def after(self, scope: Scope, asked: Asked | None, error: LumigateError) -> Response | None:
        """What can still be answered when no model has: a stale answer, unless the request itself is at fault."""
        if asked is None:
            return None
        if isinstance(error, UpstreamRefused):
            self._cache.refuse(scope, asked, error)
            return None
        found = asked.fallback
        response = None if found is None else _replay(scope, asked, found)
        if found is None or response is None or not isinstance(error, UpstreamError):
            return None
        scope.facts.cache = found.outcome
        count_savings(scope, found.entry)
        return response

    def keep(self, scope: Scope, asked: Asked | None, call: ModelCall, body: bytes) -> None:
        """Keep a complete answer, where the rules allow it."""
        if asked is None or not asked.ruling.writes:
            return
        if not asked.ruling.keeps_tool_calls and _TOOL_CALL.search(body):
            return
        answer, target = call.answer, call.target
        entry = asked.entry(
            body,
            provider=target.route.provider,
            model=target.route.model,
            input_tokens=answer.input_tokens or 0,
            output_tokens=answer.output_tokens or 0,
            cost_usd=0.0 if target.prices is None else target.prices.cost_usd(answer),
            now_ns=scope.clock.now_ns(),
        )
        self._cache.store(scope, asked, entry)

    # --- asking anew ------------------------------------------------------------------------------------------------

    def _revalidate(self, scope: Scope, asked: Asked, ask_anew: AskAnew) -> None:
        """Ask anew beside the response; one at a time for each key of an isolate."""
        now_ns = scope.clock.now_ns()
        facts = replace(
            scope.facts,
            # What it spends is reserved and settled under a name of its own: the request's is the hit's.
            request_id=f"{scope.facts.request_id}.{scope.ports.entropy.random_bytes(4).hex()}",
            started_ns=now_ns,
            last_active_ns=now_ns,
            attempts=0,
            fallbacks=0,
            input_tokens=0,
            output_tokens=0,
            cost_usd=0.0,
            settled_usd=0.0,
        )
        if self._revalidating.take(asked.key, facts, now_ns):
            again = replace(asked, asked_ns=now_ns, fallback=None)
            scope.background(self._ask_anew, scope, facts, again, ask_anew)

    async def _ask_anew(self, scope: Scope, facts: Facts, asked: Asked, ask_anew: AskAnew) -> None:
        span = scope.tracer.start_span(
            "cache.revalidate",
            attributes={"lumigate.cache.key": asked.key[:16]},
            links=[Link(scope.span.get_span_context())],
            parent=None,
        )
        # A scope of its own: what becomes of this is no part of how the request ended.
        own = replace(
            scope,
            span=span,
            facts=facts,
            recorder=_Silent(scope.recorder),
            open_call=None,
            reservation=None,
            limit_headers={},
        )
        result = "failed"
        try:
            with own.step("cache.lookup") as lookup:
                found = await self._cache.look_below(own, asked, lookup, fresh_only=True)
                lookup.span.set_attribute(
                    "lumigate.cache.outcome", "miss" if found is None else found.outcome
                )
            if found is not None:
                result = "found"
            else:
                await ask_anew(own, asked)
                result = "refreshed"
        except Exception as error:  # the caller has an answer already
            fail_span(span, error)
        finally:
            facts.finished = True
            self._revalidating.release(asked.key, facts)
            scope.instruments.cache_revalidations.add(1, {"lumigate.cache.revalidation": result})
            span.set_attribute("lumigate.cache.revalidation", result)
            span.end()
        if own.reservation is not None:
            await settle(own, own.ports, own.reservation)


class _Silent:
    """Nobody is told how a revalidation ended but its own span and counter."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def finish(self, scope: Scope, ports: Ports, status: int, outcome: str, error_code: str) -> None:
        scope.facts.finished = True

    def background[**P](
        self, ports: Ports, work: Callable[P, Coroutine[Any, Any, object]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self._recorder.background(ports, work, *args, **kwargs)


def _replay(scope: Scope, asked: Asked, found: Found) -> Response | None:
    """The answer as it was sent the first time, or in the other form; a stream goes out in one piece.

    None where it cannot be told in the form that is asked for.
    """
    entry = found.entry
    body = body_for(entry, stream=asked.stream, wants_usage=asked.wants_usage)
    if body is None:
        return None
    scope.facts.provider = entry.provider
    scope.facts.model = entry.model
    content_type = entry.content_type if entry.is_stream == asked.stream else asked.content_type
    age_seconds = entry.age_seconds(scope.clock.now_ns())
    headers = {"content-type": content_type, "age": str(age_seconds), KEY_HEADER: asked.key}
    if asked.stream:
        headers["cache-control"] = "no-cache"
    return Response(status=200, headers=headers, body=body)
