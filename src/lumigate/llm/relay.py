"""A stream on its way from a provider to a client: whole events, as they come, in constant memory.

The relay tells the truth about how it ended: `complete` (the provider said so), `truncated` (it stopped without saying
so), `upstream_error` (it failed or fell silent) or `client_abort`. A failure after the first byte cannot become a
status any more, so the client gets an error event. Only a complete stream is handed to `on_complete`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from lumigate.errors import InternalError, LumigateError, UpstreamBadAnswer, UpstreamTimeout, UpstreamUnreachable
from lumigate.http.sse import EventSplitter, EventTooLarge
from lumigate.llm.call import ModelCall
from lumigate.ports import FetchError, FetchResponse

_DONE_EVENT = b"data: [DONE]\n\n"


async def relay(
    call: ModelCall,
    response: FetchResponse,
    *,
    strip_usage: bool,
    keep_bytes: int,
    idle_timeout_seconds: float,
    on_complete: Callable[[bytes], None],
) -> AsyncIterator[bytes]:
    """Pass the stream on. `keep_bytes` bounds what is remembered of it for `on_complete`; a longer one is not kept."""
    scope = call.scope
    provider_name = call.target.access.name
    splitter = EventSplitter()
    kept: list[bytes] = []
    kept_bytes = 0
    done = False
    failure: LumigateError | None = None
    try:
        async for chunk in response.chunks():
            block = splitter.feed(chunk)
            if done or not block:
                continue
            if not scope.facts.first_chunk_ns:
                call.first_chunk()
            scope.facts.last_active_ns = scope.clock.now_ns()
            passed, done = call.target.provider.read_events(block, call.answer, strip_usage=strip_usage)
            if not passed:
                continue
            kept_bytes += len(passed)
            scope.facts.response_bytes += len(passed)
            if kept_bytes <= keep_bytes:
                kept.append(passed)
            elif kept:
                kept.clear()
            yield passed
        if not done and not splitter.rest and call.answer.finish_reasons and not call.answer.failed:
            # The answer is whole and only the closing mark is missing, as with some compatible servers.
            done = True
            kept.append(_DONE_EVENT)
            yield _DONE_EVENT
    except EventTooLarge:
        failure = UpstreamBadAnswer(provider_name, "an event is too large")
    except FetchError as error:
        if not done:
            failure = (
                UpstreamTimeout(provider_name, idle_timeout_seconds)
                if error.reason == "timeout"
                else UpstreamUnreachable(provider_name)
            )
    except (GeneratorExit, asyncio.CancelledError):
        # The platform closes or cancels us: the client has gone.
        scope.abort()
        raise
    except Exception as error:  # a defect of ours: the client is told, the trace has the details
        call.span.record_exception(error)
        failure = InternalError()

    if failure is not None:
        call.fail(failure)
        yield _error_event(failure, scope.trace_id)
        scope.finish(200, "error" if isinstance(failure, InternalError) else "upstream_error", failure.code)
    elif call.answer.failed:
        call.finish("upstream_failed")
        scope.finish(200, "upstream_error", "upstream_failed")
    elif not done:
        call.finish("truncated")
        cut = UpstreamBadAnswer(provider_name, "the stream ended before the answer did")
        yield _error_event(cut, scope.trace_id)
        scope.finish(200, "truncated", "truncated")
    else:
        call.finish("ok")
        if kept_bytes <= keep_bytes:
            on_complete(b"".join(kept))
        scope.finish(200, "complete")


def _error_event(error: LumigateError, trace_id: str) -> bytes:
    return b"data: " + json.dumps(error.to_body(trace_id), separators=(",", ":")).encode("ascii") + b"\n\n"
