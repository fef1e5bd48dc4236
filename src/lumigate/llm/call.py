"""One attempt at one provider: its span, its metrics, and the answers that are not answers.

`ModelCall` is opened before the request is sent and finished once, with the true result, by whoever sees the end: the
reader of the answer, the relay of the stream, or the disconnect of the client.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import SpanKind

from lumigate.errors import (
    ClientGone,
    InternalError,
    LumigateError,
    UpstreamBadAnswer,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from lumigate.llm.call_attributes import answer_attributes, request_attributes
from lumigate.llm.capture import Capture
from lumigate.llm.captured import Captured
from lumigate.llm.chat import CHAT, EMBEDDINGS, ChatRequest
from lumigate.llm.health import BreakerState, Health
from lumigate.llm.own_secrets import masked
from lumigate.llm.provider import Answer, BadAnswer, Call
from lumigate.llm.providers import NATIVE
from lumigate.llm.router import Target
from lumigate.ports import FetchError, FetchResponse
from lumigate.scope import Scope, fail_span

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id", "cf-ray")
"""Where providers put their id of a request: OpenAI and Mistral, Anthropic, OpenRouter, Workers AI."""
BYTES_A_TOKEN = 4
MAX_ERROR_BYTES = 64 * 1024
_OUR_BUSINESS = frozenset({401, 402, 403, 407})
"""Statuses by which a provider refuses *our* credentials or our money: not the caller's to see."""

_SAYS_NOTHING = frozenset({"client_abort", "hedge_lost"})
"""Results that are neither the provider's fault nor its merit."""


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
            self._count_transition(health.breaker(target.route.provider).begin(self._started_ns))

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
                raise await self._refusal(response)
            if content_type != expected:
                raise UpstreamBadAnswer(target.access.name, f"its content type is not {expected}")
        except FetchError as error:
            raise self.fail(self._fetch_error(error, timeout_seconds)) from None
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
            self.answer.model = self.answer.model or self.target.route.model
            if self.answer.output_tokens is None and self._chat.operation != EMBEDDINGS:
                self.output_tokens_estimate = len(body) // BYTES_A_TOKEN
            if self.captured:
                self.captured.answered(body)
            if write is not None:
                body = write(body, self.native)
        except FetchError as error:
            raise self.fail(self._fetch_error(error, idle_timeout_seconds)) from None
        except BadAnswer as error:
            raise self.fail(UpstreamBadAnswer(name, str(error))) from None
        except LumigateError as error:
            raise self.fail(error) from None
        except Exception as error:
            self.defect(error)
            raise
        self.finish("ok")
        return body

    def clean(self, data: bytes) -> bytes:
        """What the provider said, without its own credentials."""
        cleaned = masked(data, self.target.secrets)
        if cleaned is not data:
            self.span.set_attribute("lumigate.llm.secret_masked", True)
        return cleaned

    async def _refusal(self, response: FetchResponse) -> LumigateError:
        """What an answer other than 200 means for the caller."""
        name, status = self.target.access.name, response.status
        if status == 429:
            return UpstreamRateLimited(name, response.headers.get("retry-after"))
        if status not in range(400, 500) or status in _OUR_BUSINESS:
            return UpstreamFailed(name, status)
        body = await response.read(MAX_ERROR_BYTES)
        # Providers quote the key that they refuse, and what else they were sent.
        clean = self.target.access.without_secrets
        message, param = self.provider.error_message(clean((body or b"").decode("utf-8", "replace")).encode())
        refused = UpstreamRefused(name, status, clean(message), param and clean(param))
        refused.is_told = not self.scope.facts.region
        return refused

    def _fetch_error(self, error: FetchError, seconds: float) -> LumigateError:
        name = self.target.access.name
        return UpstreamTimeout(name, seconds) if error.reason == "timeout" else UpstreamUnreachable(name)

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
        elapsed_ns = scope.clock.now_ns() - self._started_ns
        scope.facts.upstream_ns += elapsed_ns
        cost_usd, source = self._price(result)
        input_tokens, output_tokens = answer.input_tokens or 0, answer.output_tokens or 0
        scope.facts.input_tokens += input_tokens
        scope.facts.output_tokens += output_tokens
        scope.facts.cache_read_tokens += answer.cache_read_tokens
        scope.facts.reasoning_tokens += answer.reasoning_tokens
        scope.facts.cost_usd += cost_usd
        scope.facts.cost_estimated = scope.facts.cost_estimated or source == "estimated"

        self._tell_health(result, error, elapsed_ns)
        labels, instruments, span = self._labels, scope.instruments, self.span
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
        timed = labels if result == "ok" else {**labels, "error.type": result}
        instruments.llm_duration.record(elapsed_ns / 1e9, timed, span=span)
        instruments.llm_attempts.add(1, {**self._model_labels, "lumigate.llm.result": result})
        for instrument, tokens in (
            (instruments.llm_input_tokens, input_tokens),
            (instruments.llm_output_tokens, output_tokens),
            (instruments.llm_cache_read_tokens, answer.cache_read_tokens),
            (instruments.llm_cache_write_tokens, answer.cache_write_tokens),
            (instruments.llm_reasoning_tokens, answer.reasoning_tokens),
        ):
            if tokens:
                instrument.add(tokens, labels)
        if cost_usd:
            money_labels = {
                "lumigate.llm.cost.source": source,
                "lumigate.tenant.class": scope.facts.tenant_class,
            }
            instruments.llm_cost.add(cost_usd, self._model_labels | money_labels)

    def _price(self, result: str) -> tuple[float, str]:
        """What the call cost, and how we know: from `usage`, the `provider`'s own word, or `estimated`.

        Nothing where no answer began, or where nobody knows a price, which is counted by the model's name.
        """
        answer, prices = self.answer, self.target.prices
        if answer.cost_usd is not None:
            return answer.cost_usd, "provider"
        source = "usage"
        if answer.input_tokens is None and answer.output_tokens is None:
            if result != "ok" and not self.output_tokens_estimate:
                return 0.0, ""
            answer.input_tokens = self._chat.prompt_tokens_estimate
            answer.output_tokens = self.output_tokens_estimate
            source = "estimated"
        if prices is None:
            self.scope.instruments.llm_unpriced.add(1, self._model_labels)
            return 0.0, ""
        self.scope.instruments.llm_priced.add(1, {"lumigate.llm.price.source": prices.source})
        return prices.cost_usd(answer), source

    def _tell_health(self, result: str, error: LumigateError | None, elapsed_ns: int) -> None:
        """A provider is failing when it fails us, and well when it refuses a request for good reasons."""
        if self._health is None or result in _SAYS_NOTHING:
            return
        breaker, now_ns = self._health.breaker(self.target.route.provider), self.scope.clock.now_ns()
        if result == "ok" or isinstance(error, UpstreamRefused):
            self._count_transition(breaker.succeeded())
            if result == "ok" and not self.stream:
                self._health.measured(self.target.name, elapsed_ns / 1e6, stream=False)
        elif not isinstance(error, InternalError):
            self._count_transition(breaker.failed(now_ns))

    def _count_transition(self, state: BreakerState | None) -> None:
        if state is not None:
            labels = {
                "gen_ai.provider.name": self._model_labels["gen_ai.provider.name"],
                "lumigate.llm.breaker.state": state,
            }
            self.scope.instruments.llm_breaker_transitions.add(1, labels)
