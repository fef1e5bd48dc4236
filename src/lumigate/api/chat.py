"""A request for an answer of a model, in whichever words: the way that all front doors share.

`POST /v1/chat/completions` is OpenAI's; `messages` and `embeddings` are the others.
"""

from __future__ import annotations

from lumigate.cache.entry import Entry
from lumigate.cache.key import cache_key
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.http.body import read_json_object
from lumigate.http.types import Response
from lumigate.llm.call import ModelCall
from lumigate.llm.chat import ChatRequest
from lumigate.llm.dialects import Dialect, Writer
from lumigate.llm.dialects.openai import OPENAI_DIALECT
from lumigate.llm.dispatch import Dispatcher
from lumigate.llm.relay import StreamRelay
from lumigate.llm.router import Router
from lumigate.privacy.guard import PrivacyGuard, RestoringDialect
from lumigate.scope import Scope

_EVENT_STREAM = "text/event-stream; charset=utf-8"
_BYPASS = frozenset({"no-store", "no-cache"})


class ChatCompletions:
    """Steps 3 to 6 of a request's life: parse, look in the cache, choose, call, answer."""

    def __init__(
        self, settings: Settings, cache: TieredCache, router: Router, dialect: Dialect = OPENAI_DIALECT
    ) -> None:
        self._dialect = dialect
        self._settings = settings
        self._cache = cache
        self._router = router
        self._dispatcher = Dispatcher(settings, router)
        self._guard = PrivacyGuard(settings.privacy_policy)

    async def __call__(self, scope: Scope) -> Response:
        body = await read_json_object(scope, self._settings.max_body_bytes)
        chat = self._dialect.parse(body, scope.headers)
        scope.facts.stream = chat.stream

        scope.facts.model_alias = chat.model
        policy = self._router.policy(chat.model, scope.facts.country)
        self._router.admit(scope)

        asked = [chat.operation, chat.dialect, policy, self._guard.policy]
        chat, tokens = self._guard.check(scope, chat)
        writer = self._dialect if tokens is None else RestoringDialect(self._dialect, tokens)

        key = None
        if not _bypasses_cache(scope):
            key = cache_key(tenant=scope.facts.tenant, policy=" ".join(asked), body=body)
            entry = await self._cache.lookup(scope, key)
            if entry is not None:
                return _replay(scope, entry)

        if chat.stream:
            return await self._stream(scope, chat, key, writer)
        return await self._complete(scope, chat, key, writer)

    async def _complete(self, scope: Scope, chat: ChatRequest, key: str | None, writer: Writer) -> Response:
        idle_seconds, limit_bytes = self._settings.stream_idle_seconds, self._settings.max_answer_bytes

        async def attempt(call: ModelCall, seconds: float) -> bytes:
            await call.send(seconds, idle_seconds)
            body = await call.read(
                limit_bytes, idle_seconds, lambda answer, native: writer.write_answer(answer, native=native)
            )
            self._store(scope, call, key, "application/json", body)
            return body

        body = await self._dispatcher.run(scope, chat, attempt)
        return Response(status=200, headers={"content-type": "application/json"}, body=body)

    async def _stream(self, scope: Scope, chat: ChatRequest, key: str | None, writer: Writer) -> Response:
        settings = self._settings

        async def attempt(call: ModelCall, seconds: float) -> StreamRelay:
            response = await call.send(seconds, settings.stream_idle_seconds)
            relay = StreamRelay(
                call,
                response,
                strip_usage=not chat.wants_usage,
                keep_bytes=settings.max_answer_bytes if key else 0,
                idle_timeout_seconds=settings.stream_idle_seconds,
                outlet=writer.outlet(native=call.native),
                on_complete=lambda body: self._store(scope, call, key, _EVENT_STREAM, body),
            )
            await relay.begin()
            return relay

        relay = await self._dispatcher.run(scope, chat, attempt)
        scope.facts.status = 200
        return Response(
            status=200,
            headers={"content-type": _EVENT_STREAM, "cache-control": "no-cache"},
            body=relay.events(),
        )

    def _store(self, scope: Scope, call: ModelCall, key: str | None, content_type: str, body: bytes) -> None:
        if key is None:
            return
        answer, target = call.answer, call.target
        input_tokens, output_tokens = answer.input_tokens or 0, answer.output_tokens or 0
        entry = Entry(
            content_type=content_type,
            provider=target.route.provider,
            model=target.route.model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=0.0 if target.prices is None else target.prices.cost_usd(answer),
            expires_ns=self._cache.expires_ns(scope.clock.now_ns()),
            body=body,
        )
        self._cache.store(scope, key, entry)


def _bypasses_cache(scope: Scope) -> bool:
    """Whether the caller asks for a fresh answer (RFC 9111, section 5.2.1)."""
    directives = scope.headers.get("cache-control", "").lower().split(",")
    return any(directive.strip() in _BYPASS for directive in directives)


def _replay(scope: Scope, entry: Entry) -> Response:
    """The answer as it was sent the first time; a stream goes out as the same events, in one piece."""
    scope.facts.provider = entry.provider
    scope.facts.model = entry.model
    return Response(status=200, headers={"content-type": entry.content_type}, body=entry.body)
