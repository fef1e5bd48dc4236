"""A stream on its way from a provider to a client: whole events, as they come, in constant memory.

The relay tells the truth about how it ended: `complete` (the provider said so), `truncated` (it stopped without saying
so), `upstream_error` (it failed or fell silent) or `client_abort`. A failure after the first byte cannot become a
status any more, so the client gets an error event. Only a complete stream is handed to `on_complete`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from lumigate import strict_json
from lumigate.errors import (
    InternalError,
    LumigateError,
    UpstreamBadAnswer,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from lumigate.http.sse import EventSplitter, EventTooLarge, event_data, split_events
from lumigate.llm.call import ModelCall
from lumigate.llm.dialects import Outlet
from lumigate.llm.dialects.openai import OpenAIOutlet
from lumigate.llm.provider import BadAnswer
from lumigate.ports import FetchError, FetchResponse

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_CAPTURED_BYTES = 64 * 1024
_DRAIN_SECONDS = 1.0


class StreamRelay:
    """One stream. `keep_bytes` bounds what is remembered of it for `on_complete`; a longer one is not kept."""

    def __init__(
        self,
        call: ModelCall,
        response: FetchResponse,
        *,
        strip_usage: bool,
        keep_bytes: int,
        idle_timeout_seconds: float,
        on_complete: Callable[[bytes], None],
        outlet: Outlet | None = None,
    ) -> None:
        self._call = call
        self._scope = call.scope
        self._response = response
        self._reader = call.provider.reader(call.answer, strip_usage=strip_usage)
        self._idle_timeout_seconds = idle_timeout_seconds
        self._on_complete = on_complete
        self._outlet: Outlet = outlet or OpenAIOutlet()
        self._splitter = EventSplitter()
        self._kept: list[bytes] = []
        self._room = keep_bytes
        self._done = False
        self._ended = False
        self._chunks = response.chunks()
        self._first = b""
        self._begun = False
        self._captured = b""

    async def begin(self) -> None:
        """Wait for the first events, so that a stream that fails before them can still be asked of someone else.

        Whatever else comes, they must have come by the request's deadline. Raises an `UpstreamError` with the call
        finished.
        """
        name = self._call.target.access.name
        try:
            while not self._first and not self._done:
                chunk = await anext(self._chunks, None)
                if chunk is None and not (chunk := self._missing_end()):
                    break
                self._first = self._pass_on(chunk)
                if not self._first and self._call.is_late():
                    raise FetchError("timeout", "bytes, and no event")
        except (FetchError, EventTooLarge, BadAnswer) as error:
            raise self._call.fail(self._failure(error)) from None
        except Exception as error:
            self._call.defect(error)
            raise
        if self._call.answer.failed and self._first.count(b"\n\n") <= 1:  # nothing came before the error
            raise self._call.fail(UpstreamFailed(name, 200))
        if not self._first:
            raise self._call.fail(UpstreamBadAnswer(name, "the stream ended before the answer began"))

    async def events(self) -> AsyncIterator[bytes]:
        """What goes out to the client. Every way out of here finishes the call and the scope."""
        chunks = self._chunks
        try:
            if self._first:
                yield self._sent(self._first)
            if self._done:
                self._scope.ports.background(self._drain(chunks))
            while not self._done:
                chunk = await anext(chunks, None)
                if chunk is None and not (chunk := self._missing_end()):
                    break
                if passed := self._pass_on(chunk):
                    yield self._sent(passed)
                if self._done:
                    # A provider that is slow to hang up must not keep the client; one that is not keeps its connection.
                    self._scope.ports.background(self._drain(chunks))
        except (GeneratorExit, asyncio.CancelledError):
            # The platform closes or cancels us: the client has gone.
            self._scope.abort()
            raise
        except Exception as error:
            yield self._fail(error)
            return
        if last := self._end():
            yield last

    async def _drain(self, chunks: AsyncIterator[bytes]) -> None:
        """Read what comes after the end of the answer, for a moment; then hang up ourselves."""
        try:
            async with self._scope.ports.timeout(_DRAIN_SECONDS):
                async for _ in chunks:
                    pass
        except (TimeoutError, FetchError):
            self._response.cancel()

    def _pass_on(self, chunk: bytes) -> bytes:
        """The events that a chunk completes, ready to be sent on; b"" if there is none."""
        block = self._splitter.feed(chunk)
        if not block:
            return b""
        if not self._begun and not (block := _from_the_first_event(block)):
            return b""
        block = self._call.clean(block)
        facts = self._scope.facts
        if not self._begun:
            self._begun = True
            self._call.first_chunk()
            facts.last_active_ns = self._scope.clock.now_ns()
        else:
            now_ns = self._scope.clock.now_ns()
            self._call.next_chunk((now_ns - facts.last_active_ns) / 1e9)
            facts.last_active_ns = now_ns
        passed, self._done = self._reader.read_events(block)
        # An event carries a token with most providers; that is all that is known where none sends usage.
        self._call.output_tokens_estimate += passed.count(b"\n\n") or passed.count(b"\r\n\r\n")
        if self._call.captured and len(self._captured) < MAX_CAPTURED_BYTES:
            self._captured += passed
        passed = self._outlet.pass_on(passed)
        facts.response_bytes += len(passed)
        self._keep(passed)
        return passed

    def _sent(self, passed: bytes) -> bytes:
        """What goes out now; with the end of the answer in it, a hang-up is no abort any more."""
        if self._done:
            self._scope.open_call = self
        return passed

    def abort(self) -> None:
        """The client left when the end was on its way to it. Some leave as soon as they read the closing mark.

        So it had all of the answer: OpenAI's own client closes its connection there, which may be heard before the last
        write is known to have been taken.
        """
        self._end()
        self._call.cancel()

    def finish(self, result: str) -> None:
        """Finish the call without touching the connection."""
        self._call.finish(result)

    def _missing_end(self) -> bytes:
        """The blank line that a closed stream has left out after its last event, if that is whole without it."""
        data = event_data(self._splitter.rest)
        return b"\n\n" if data.strip() == b"[DONE]" or strict_json.load_object(data) is not None else b""

    def _keep(self, passed: bytes) -> None:
        self._room -= len(passed)
        if self._room >= 0:
            self._kept.append(passed)
        else:
            self._kept.clear()

    def _end(self) -> bytes:
        """The provider has closed the stream: judge how it ended; the last thing to send, if any."""
        if self._ended:
            return b""
        self._ended = True
        call, answer = self._call, self._call.answer
        if self._scope.open_call is self:  # nor does it hold its request any longer
            self._scope.open_call = call
        if call.captured:
            call.captured.answered(self._captured)
        if answer.failed:
            # The provider's own error event has gone out already.
            call.finish("upstream_failed")
            self._scope.finish(200, "upstream_error", UpstreamFailed.code)
            return b""
        last = b""
        if not self._done:
            if self._splitter.rest or not answer.finish_reasons:
                call.finish("truncated")
                cut = UpstreamBadAnswer(call.target.access.name, "the stream ended before the answer did")
                event = self._error_event(cut)
                self._scope.finish(200, "truncated", "truncated")
                return event
            # The answer is whole and only the closing mark is missing, as with some compatible servers.
            last = self._outlet.pass_on(self._reader.end())
            self._keep(last)
            self._scope.facts.response_bytes += len(last)
        call.finish("ok")
        if self._room >= 0:
            self._on_complete(b"".join(self._kept))
        self._scope.finish(200, "complete")
        return last

    def _fail(self, error: Exception) -> bytes:
        """Finish as failed; the event that tells the client."""
        failure = self._failure(error)
        self._call.fail(failure)
        event = self._error_event(failure)
        outcome = "error" if isinstance(failure, InternalError) else "upstream_error"
        self._scope.finish(200, outcome, failure.code)
        return event

    def _failure(self, error: Exception) -> LumigateError:
        name = self._call.target.access.name
        if isinstance(error, EventTooLarge):
            return UpstreamBadAnswer(name, "an event is too large")
        if isinstance(error, BadAnswer):
            return UpstreamBadAnswer(name, str(error))
        if isinstance(error, FetchError):
            timed_out = error.reason == "timeout"
            return (
                UpstreamTimeout(name, self._idle_timeout_seconds) if timed_out else UpstreamUnreachable(name)
            )
        return self._call.defect(error)

    def _error_event(self, error: LumigateError) -> bytes:
        event = self._outlet.error(error, self._scope.trace_id)
        self._scope.facts.response_bytes += len(event)
        return event


def _from_the_first_event(block: bytes) -> bytes:
    """The block from its first event with data on: what keeps the line open until then is no part of an answer."""
    block = block.removeprefix(_BYTE_ORDER_MARK)
    at = 0
    for event in split_events(block):
        if event_data(event):
            break
        at += len(event)
    return block[at:]
