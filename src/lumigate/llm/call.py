"""One attempt at one provider: its span, its metrics, and the answers that are not answers.

`ModelCall` is opened before the request is sent and finished once, with the true result, by whoever sees the end: the
reader of the answer, the relay of the stream, or the disconnect of the client.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import SpanKind

from lumigate.errors import ClientGone, InternalError, LumigateError, UpstreamBadAnswer, UpstreamFailed
from lumigate.llm.call_attributes import answer_attributes, request_attributes
from lumigate.llm.capture import Capture
from lumigate.llm.captured import Captured
from lumigate.llm.chat import CHAT, EMBEDDINGS, ChatRequest
from lumigate.llm.faults import fault_of, refusal_of
from lumigate.llm.health import Health
from lumigate.llm.own_secrets import masked
from lumigate.llm.provider import Answer, BadAnswer, Call
from lumigate.llm.providers import NATIVE
from lumigate.llm.reckoning import cost_of, count_call, count_transition, tell_health
from lumigate.llm.router import Target
from lumigate.ports import FetchError, FetchResponse
from lumigate.scope import Scope, fail_span

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id", "cf-ray")
"""Where providers put their id of a request: OpenAI and Mistral, Anthropic, OpenRouter, Workers AI."""
BYTES_A_TOKEN = 4


class ModelCall:
    """One attempt. Not reusable."""

    def __init__(
        self,
        scope: Scope,
        target: Target,
        chat: ChatRequest,
        health: Health | None = None,
        *,
        capture: Capture = Capture.NO_CONTENT,
        deadline_ns: int | None = None,
    ) -> None:
        """Raises `CallerError`, with nothing begun, where the request cannot be put to this provider."""
        native = NATIVE.get((target.access.api, chat.dialect))
        self.native = native is not None
        self.provider = native or target.provider
        self._chat = chat
        self._request = self._build(target, chat)
        self._health = health
        self.answer = Answer(created=scope.clock.now_ns() // 1_000_000_000)
        self.scope = scope
        self.target = target
        self.stream = chat.stream
        self._response: FetchResponse | None = None
        self._finished = False
        self._deadline_ns = deadline_ns
        self.output_tokens_estimate = 0
        """Counted by whoever reads the answer, for providers that send no usage."""
        facts = scope.facts
        facts.attempts += 1
        facts.provider, facts.model = target.route.provider, target.route.model
        model = target.route.model
        self._model_labels = target.labels
        self._labels = {"gen_ai.operation.name": chat.operation, **self._model_labels}
        self._asked = request_attributes(scope, chat, target)
        self.span = scope.tracer.start_span(
            f"{chat.operation} {model}",
            kind=SpanKind.CLIENT,
            attributes={
                **self._labels,
                **self._asked,
                "lumigate.llm.attempt": facts.attempts,
            },
            parent=scope.span,
        )
        self.captured = Captured(
            # Telemetry may go anywhere; data of a region may not.
            capture if chat.operation == CHAT and not scope.facts.region else Capture.NO_CONTENT,
            self.span,
        )
        if self.captured:
            self.captured.asked(chat.body)
        self._started_ns = scope.clock.now_ns()
        scope.open_call = self
        if health is not None:
            count_transition(scope, target, health.breaker(target.route.provider).begin(self._started_ns))

    def _build(self, target: Target, chat: ChatRequest) -> Call:
        if chat.untranslatable is not None and not self.native:
            raise chat.untranslatable
        if chat.operation == EMBEDDINGS:
            return self.provider.build_embeddings_call(target.access, target.route, chat.body)
        return self.provider.build_call(target.access, target.route, chat)

    async def send(self, timeout_seconds: float, idle_timeout_seconds: float) -> FetchResponse:
        """Send the request; return the answer once its status and headers are good.

        Raises an `UpstreamError` for everything else, with the call finished.
        """
        target = self.target
        try:
            response = await self._put(timeout_seconds, idle_timeout_seconds)
            self._response = response
            if self._finished:  # the client left meanwhile: there was no answer yet that could be stopped
                raise ClientGone
            self.span.set_attribute("http.response.status_code", response.status)
            headers = response.headers
            if request_id := next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), ""):
                self.span.set_attribute("lumigate.llm.provider_request_id", request_id)
            expected = "text/event-stream" if self.stream else "application/json"
            content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status != 200:
                told = not self.scope.facts.region
                raise await refusal_of(target, self.provider, response, is_told=told)
            if content_type != expected:
                raise UpstreamBadAnswer(target.access.name, f"its content type is not {expected}")
        except FetchError as error:
            raise self.fail(fault_of(target, error, timeout_seconds)) from None
        except LumigateError as error:
            raise self.fail(error) from None
        except Exception as error:
            self.defect(error)
            raise
        return response

    async def _put(self, timeout_seconds: float, idle_timeout_seconds: float) -> FetchResponse:
        call, ports = self._request, self.scope.ports
        if not call.binding_model:
            return await ports.fetch(
                "POST",
                call.url,
                headers=call.headers,
                body=call.body,
                timeout_seconds=timeout_seconds,
                idle_timeout_seconds=idle_timeout_seconds,
            )
        if ports.ai is None:
            raise FetchError("connection", "there is no binding for models, and no address either")
        return await ports.ai.run(
            call.binding_model,
            call.body,
            timeout_seconds=timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        )

    async def read(
        self,
        limit_bytes: int,
        idle_timeout_seconds: float,
        write: Callable[[bytes, bool], bytes] | None = None,
    ) -> bytes:
        """The whole of an answer that is not a stream, in canonical form or as `write` gives it.

        `write` is told whether the provider spoke the caller's own words. Raises an `UpstreamError` with the call
        finished.
        """
        assert self._response is not None
        name = self.target.access.name
        try:
            body = await self._response.read(limit_bytes)
            if body is None:
                raise UpstreamBadAnswer(name, f"it is larger than {limit_bytes} bytes")
            body = self.clean(body)
            if self._chat.operation == EMBEDDINGS:
                self.answer.model = self.target.route.model  # most say no name; who does is believed
                wanted = self._chat.body.get("encoding_format") == "base64"
                body = self.provider.read_embeddings(body, self.answer, base64=wanted)
            else:
                body = self.provider.read_answer(body, self.answer)
            if self.answer.failed:  # it says so in words, under a status that says all is well
                raise UpstreamFailed(name, 200)
            self.answer.model = self.answer.model or self.target.route.model
            if self.answer.output_tokens is None and self._chat.operation != EMBEDDINGS:
                self.output_tokens_estimate = len(body) // BYTES_A_TOKEN
            if self.captured:
                self.captured.answered(body)
            if write is not None:
                body = write(body, self.native)
        except FetchError as error:
            raise self.fail(fault_of(self.target, error, idle_timeout_seconds)) from None
        except BadAnswer as error:
            raise self.fail(UpstreamBadAnswer(name, str(error))) from None
        except LumigateError as error:
            raise self.fail(error) from None
        except Exception as error:
            self.defect(error)
            raise
        self.finish("ok")
        return body

    def is_late(self) -> bool:
        """Whether the request's deadline is over."""
        return self._deadline_ns is not None and self.scope.clock.now_ns() >= self._deadline_ns

    def clean(self, data: bytes) -> bytes:
        """What the provider said, without its own credentials."""
        cleaned = masked(data, self.target.secrets)
        if cleaned is not data:
            self.span.set_attribute("lumigate.llm.secret_masked", True)
        return cleaned

    def first_chunk(self) -> None:
        """Note the first event of a stream."""
        self.scope.facts.first_chunk_ns = self.scope.clock.now_ns() - self._started_ns
        seconds = self.scope.facts.first_chunk_ns / 1e9
        self.span.set_attribute("lumigate.llm.first_chunk_ms", seconds * 1e3)
        self.scope.instruments.llm_first_chunk.record(seconds, self._labels, span=self.span)
        if self._health is not None:
            self._health.measured(self.target.name, seconds * 1e3, stream=True)

    def next_chunk(self, seconds: float) -> None:
        """Note further events of a stream, and how long they were in coming."""
        self.scope.instruments.llm_chunk_time.record(seconds, self._labels)

    def fail(self, error: LumigateError) -> LumigateError:
        """Finish as failed, and give the error back to be raised."""
        self.finish(error.code, error)
        self.cancel()
        return error

    def defect(self, error: Exception) -> LumigateError:
        """Finish as failed by a defect of ours: the caller learns that there is one, the trace what it is."""
        self.span.record_exception(error)
        return self.fail(InternalError())

    def cancel(self) -> None:
        """Drop the connection to the provider, if there is one."""
        if self._response is not None:
            self._response.cancel()

    def abort(self) -> None:
        """The client has gone: stop the provider, and say so."""
        self.finish("client_abort")
        self.cancel()

    def lose(self) -> None:
        """Another candidate was faster: stop this one."""
        self.finish("hedge_lost")
        self.cancel()

    def finish(self, result: str, error: LumigateError | None = None) -> None:
        """Close the span and count, once; `result` is from the catalog's closed set."""
        if self._finished:
            return
        self._finished = True
        scope, answer = self.scope, self.answer
        if scope.open_call is self:  # nor does it hold its request any longer
            scope.open_call = None
        elapsed_ns = scope.clock.now_ns() - self._started_ns
        scope.facts.upstream_ns += elapsed_ns
        cost_usd, source = cost_of(
            scope, self.target, self._chat, answer, result, output_tokens_estimate=self.output_tokens_estimate
        )
        scope.facts.input_tokens += answer.input_tokens or 0
        scope.facts.output_tokens += answer.output_tokens or 0
        scope.facts.cache_read_tokens += answer.cache_read_tokens
        scope.facts.reasoning_tokens += answer.reasoning_tokens
        scope.facts.cost_usd += cost_usd
        scope.facts.cost_estimated = scope.facts.cost_estimated or source == "estimated"

        if self._health is not None:
            tell_health(scope, self._health, self.target, result, error, elapsed_ns, stream=self.stream)
        span = self.span
        told = answer_attributes(answer)
        if self.captured:
            self.captured.tell(scope.logger, self._labels | self._asked | told)
        if answer.finish_reasons:  # a list by itself: it would make all of them take the long way
            span.set_attribute("gen_ai.response.finish_reasons", told.pop("gen_ai.response.finish_reasons"))
        if source:
            # The second name is where Langfuse looks.
            told["lumigate.llm.cost"] = told["gen_ai.usage.cost"] = cost_usd
            told["lumigate.llm.cost.source"] = source
        span.set_attributes(told)
        if error is not None:
            fail_span(span, error)
        elif result != "ok":
            span.set_attribute("error.type", result)
        span.end()
        count_call(
            scope,
            answer,
            result,
            elapsed_ns,
            labels=self._labels,
            model_labels=self._model_labels,
            span=span,
            cost_usd=cost_usd,
            source=source,
        )
