"""The embedding of a prompt, from a model of the routing table: what confirms and finds near matches of the cache.

On Cloudflare that may be Workers AI, elsewhere any provider that has embeddings. It goes the way of every model call,
privacy policy included, under a trace of its own; it never fails the request that it is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from opentelemetry.trace import Link

from lumigate import strict_json
from lumigate.config import Settings
from lumigate.ledger.settlement import settle
from lumigate.llm.call import ModelCall
from lumigate.llm.dialects.openai import EMBEDDINGS_DIALECT
from lumigate.llm.dispatch import Dispatcher
from lumigate.llm.provider import mapping, sequence
from lumigate.llm.router import Router
from lumigate.ports import Ports
from lumigate.privacy.guard import PrivacyGuard
from lumigate.scope import Recorder, Scope, fail_span


class PromptEmbedder:
    """The `Confirm` of near matching. One an isolate."""

    def __init__(self, settings: Settings, router: Router) -> None:
        self._settings = settings
        self._dispatcher = Dispatcher(settings, router)
        self._guard = PrivacyGuard(settings.privacy_policy)

    async def __call__(self, scope: Scope, text: str) -> tuple[float, ...] | None:
        span = scope.tracer.start_span(
            "cache.embed", links=[Link(scope.span.get_span_context())], parent=None
        )
        facts = replace(
            scope.facts,
            # What it spends is reserved and settled under a name of its own: the request's call is judged by itself.
            request_id=f"{scope.facts.request_id}.{scope.ports.entropy.random_bytes(4).hex()}",
            attempts=0,
            fallbacks=0,
            input_tokens=0,
            output_tokens=0,
            cost_usd=0.0,
            settled_usd=0.0,
            finished=False,
        )
        own = replace(
            scope,
            span=span,
            facts=facts,
            recorder=_Silent(scope.recorder),
            open_call=None,
            reservation=None,
            limit_headers={},
        )
        try:
            return await self._embedding(own, text)
        except Exception as error:  # a second opinion that nobody gives
            fail_span(span, error)
            return None
        except asyncio.CancelledError:  # it takes longer than whoever asked can wait
            if own.open_call is not None:
                own.open_call.abort()
            raise
        finally:
            scope.facts.cost_usd += facts.cost_usd
            scope.facts.upstream_ns = facts.upstream_ns
            span.end()
            if own.reservation is not None:
                scope.facts.settled_usd += facts.cost_usd
                scope.background(settle, own, own.ports, own.reservation)

    async def _embedding(self, own: Scope, text: str) -> tuple[float, ...] | None:
        settings = self._settings
        body = {"model": settings.cache.near_embedding_model, "input": text, "encoding_format": "float"}
        chat, _ = self._guard.check(own, EMBEDDINGS_DIALECT.parse(body, {}))

        async def attempt(call: ModelCall, seconds: float) -> bytes:
            await call.send(seconds, settings.stream_idle_seconds)
            return await call.read(settings.max_answer_bytes, settings.stream_idle_seconds)

        document = strict_json.load_object(await self._dispatcher.run(own, chat, attempt)) or {}
        first = mapping(next(iter(sequence(document.get("data"))), None))
        vector = sequence(first.get("embedding"))
        return tuple(float(value) for value in vector) or None


class _Silent:
    """How the call ended is told by its own span."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def finish(self, scope: Scope, ports: Ports, status: int, outcome: str, error_code: str) -> None:
        scope.facts.finished = True

    def background[**P](
        self, ports: Ports, work: Callable[P, Coroutine[Any, Any, object]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self._recorder.background(ports, work, *args, **kwargs)
