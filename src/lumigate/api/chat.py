"""A request for an answer of a model, in whichever words: the way that all front doors share.

`POST /v1/chat/completions` is OpenAI's; `messages` and `embeddings` are the others.
"""

from __future__ import annotations

from typing import Any

from lumigate.api.cached import KEY_HEADER, CachedAnswers
from lumigate.auth.policy import ModelPolicy
from lumigate.cache.asked import Asked
from lumigate.cache.entry import EVENT_STREAM
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.errors import LumigateError
from lumigate.http.body import read_json_object
from lumigate.http.types import Response
from lumigate.ledger.admission import Admission
from lumigate.llm.call import ModelCall
from lumigate.llm.chat import CHAT, ChatRequest
from lumigate.llm.dialects import Dialect, Writer
from lumigate.llm.dialects.openai import OPENAI_DIALECT
from lumigate.llm.dispatch import Dispatcher
from lumigate.llm.relay import StreamRelay
from lumigate.llm.router import Router
from lumigate.privacy.guard import PrivacyGuard
from lumigate.scope import Scope


class ChatCompletions:
    """Steps 3 to 6 of a request's life: parse, look in the cache, choose, call, answer."""

    def __init__(
        self, settings: Settings, cache: TieredCache, router: Router, dialect: Dialect = OPENAI_DIALECT
    ) -> None:
        self._dialect = dialect
        self._settings = settings
        self._cached = CachedAnswers(cache)
        self._router = router
        self._dispatcher = Dispatcher(settings, router)
        self._admission = Admission(settings)
        self._guard = PrivacyGuard(settings.privacy_policy, settings.privacy_answers)
        self._models = ModelPolicy(settings.auth.policy, settings.models)

    async def __call__(self, scope: Scope) -> Response:
        body = await read_json_object(scope, self._settings.max_body_bytes)
        return await self.answer(scope, body, cached=True)

    async def answer(self, scope: Scope, body: dict[str, Any], *, cached: bool) -> Response:
        """What comes of a body that has been read, whoever made it: everything from the parsing on."""
        chat = self._dialect.parse(body, scope.headers)
        scope.facts.stream = chat.stream

        scope.facts.model_alias = chat.model
        policy = self._router.policy(chat.model, scope.facts.country, scope.facts.region)
        self._models.check(scope, chat.model)
        self._router.admit(scope)

        answered_by = f"{chat.operation} {chat.dialect} {policy} {self._guard.policy}"
        chat, tokens = self._guard.check(scope, chat)
        writer = self._guard.writer(scope, chat, self._dialect, tokens)

        any_form = chat.operation == CHAT  # vectors have one form
        asked = self._cached.ask(scope, chat, body, answered_by, any_form=any_form) if cached else None
        if asked is not None:

            async def ask_anew(own: Scope, again: Asked) -> None:
                await self._ask_anew(own, chat, again, writer)

            response = await self._cached.find(scope, asked, ask_anew)
            if response is not None:
                await self._admission.admit_hit(scope)
                return response

        try:
            return await self._ask(scope, chat, asked, writer)
        except LumigateError as error:
            stale = self._cached.after(scope, asked, error)
            if stale is None:
                raise
            return stale

    async def _ask(self, scope: Scope, chat: ChatRequest, asked: Asked | None, writer: Writer) -> Response:
        """Ask a model."""
        make = self._stream if chat.stream else self._complete
        response = await make(scope, chat, asked, writer)
        if asked is not None:
            response.headers[KEY_HEADER] = asked.key
        return response

    async def _ask_anew(self, scope: Scope, chat: ChatRequest, asked: Asked, writer: Writer) -> None:
        """Ask a model for nobody but the cache."""
        response = await self._ask(scope, chat, asked, writer)
        if not isinstance(response.body, bytes):
            async for _ in response.body:
                pass

    async def _complete(
        self, scope: Scope, chat: ChatRequest, asked: Asked | None, writer: Writer
    ) -> Response:
        idle_seconds, limit_bytes = self._settings.stream_idle_seconds, self._settings.max_answer_bytes

        async def attempt(call: ModelCall, seconds: float) -> bytes:
            await call.send(seconds, idle_seconds)
            body = await call.read(
                limit_bytes, idle_seconds, lambda answer, native: writer.write_answer(answer, native=native)
            )
            self._cached.keep(scope, asked, call, body)
            return body

        body = await self._dispatcher.run(scope, chat, attempt)
        return Response(status=200, headers={"content-type": "application/json"}, body=body)

    async def _stream(self, scope: Scope, chat: ChatRequest, asked: Asked | None, writer: Writer) -> Response:
        settings = self._settings

        async def attempt(call: ModelCall, seconds: float) -> StreamRelay:
            response = await call.send(seconds, settings.stream_idle_seconds)
            relay = StreamRelay(
                call,
                response,
                strip_usage=not chat.wants_usage,
                keep_bytes=settings.max_answer_bytes if asked is not None and asked.ruling.writes else 0,
                idle_timeout_seconds=settings.stream_idle_seconds,
                outlet=writer.outlet(native=call.native),
                on_complete=lambda body: self._cached.keep(scope, asked, call, body),
            )
            await relay.begin()
            return relay

        relay = await self._dispatcher.run(scope, chat, attempt)
        scope.facts.status = 200
        return Response(
            status=200,
            headers={"content-type": EVENT_STREAM, "cache-control": "no-cache"},
            body=relay.events(),
        )
