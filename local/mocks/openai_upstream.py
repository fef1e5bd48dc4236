"""A model provider with OpenAI's API that answers at once, or fails in the way a test asks for.

`POST /v1/chat/completions` (streaming or not), `POST /v1/embeddings`, `GET /v1/models`; and, so that one mock stands
for every provider, Anthropic's `/v1/messages`, Gemini's `/v1beta/models/…` and Cohere's `/v2/chat`. The faults and how
to ask for them are in `directives`. Runs alone with `python -m local.mocks.openai_upstream --port 9000`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from local.mocks.answers import answer_pieces, count_tokens, embedding, embedding_base64
from local.mocks.directives import Directive, DirectiveError, find_directive, parse_directive
from local.mocks.faults import break_answer, break_stream, error_body
from local.mocks.other_shapes import ANTHROPIC, COHERE, GOOGLE, Said, Shape
from local.mocks.wire import Exchange, WireRequest, WireServer
from local.runtime.event_loop import run_event_loop

MODELS = ("gpt-5", "gpt-5-mini", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "text-embedding-3-large")
_CREATED = 1_760_000_000
_DIMENSIONS = {"text-embedding-3-large": 3072}


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """How the upstream answers where a request asks for nothing special. May be changed while it runs."""

    first_byte_ms: float = 0.0
    chunk_ms: float = 0.0
    completion_tokens: int = 24
    failure_rate: float = 0.0
    failure: str = "fault=status-500"
    seed: int | None = None
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)


class OpenAIUpstream:
    """The mock, listening. An async context manager; `requests` are the last thousand it received."""

    def __init__(self, behaviour: Behaviour | None = None, *, port: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.requests: deque[WireRequest] = deque(maxlen=1000)
        self.received: Counter[str] = Counter()
        self.held: set[str] = set()
        """Names of `hold=NAME` whose answers are kept back; whoever put one in takes it out."""
        self._uses: Counter[str] = Counter()
        self._ids = itertools.count(1)
        self._server = WireServer(self._handle, port=port)

    @property
    def url(self) -> str:
        """The address of the server; the API's base URL is this plus `/v1`."""
        return self._server.url

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def left_early(self) -> int:
        """How many clients closed their connection before their answer was complete."""
        return self._server.counts.left_early

    @property
    def connections(self) -> int:
        return self._server.counts.connections

    @property
    def open_requests(self) -> int:
        """How many answers are being given right now."""
        return self._server.counts.open_requests

    def clear(self) -> None:
        """Forget what was received so far, and start `times=` anew."""
        self.requests.clear()
        self.received.clear()
        self._uses.clear()
        self._server.counts.left_early = 0

    async def __aenter__(self) -> OpenAIUpstream:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._server.__aexit__(*details)

    async def _handle(self, request: WireRequest, exchange: Exchange) -> None:
        path = request.path.partition("?")[0]
        self.requests.append(request)
        self.received[path] += 1
        try:
            directive = self._directive(request)
        except DirectiveError as error:
            exchange.respond(400, error_body(400, f"mock: {error}"))
            return
        if directive.first_byte_ms:
            await asyncio.sleep(directive.first_byte_ms / 1000)
        while directive.hold in self.held:  # noqa: ASYNC110 - it is changed in another thread
            await asyncio.sleep(0.01)
        if await break_answer(directive, exchange):
            return
        match request.method, path:
            case "GET", "/v1/models":
                entry = {"object": "model", "created": _CREATED, "owned_by": "mock"}
                exchange.respond(200, _json({"object": "list", "data": [{"id": n, **entry} for n in MODELS]}))
            case "POST", "/v1/chat/completions" | "/v1/embeddings":
                try:
                    body = json.loads(request.body)
                    answer = self._chat if path.endswith("completions") else self._embeddings
                    await answer(body, directive, exchange)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    exchange.respond(400, error_body(400, f"mock: bad request: {error!r}"))
            case "POST", _ if (shape := _shape_of(path)) is not None:
                try:
                    await self._other(shape, path, json.loads(request.body), directive, exchange)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    exchange.respond(400, error_body(400, f"mock: bad request: {error!r}"))
            case _:
                exchange.respond(404, error_body(404, f"mock: no route {request.method} {path}"))

    def _directive(self, request: WireRequest) -> Directive:
        behaviour = self.behaviour
        defaults = Directive(
            tokens=behaviour.completion_tokens,
            first_byte_ms=behaviour.first_byte_ms,
            chunk_ms=behaviour.chunk_ms,
        )
        if text := find_directive(request.headers, request.body):
            directive = parse_directive(text, defaults)
            self._uses[text] += 1
            return defaults if 0 < directive.times < self._uses[text] else directive
        if behaviour.failure_rate and behaviour.random.random() < behaviour.failure_rate:
            return parse_directive(behaviour.failure, defaults)
        return defaults

    async def _chat(self, body: dict[str, Any], directive: Directive, exchange: Exchange) -> None:
        prompt = "\n".join(_text_of(message.get("content")) for message in body["messages"])
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        pieces = answer_pieces(prompt, directive.tokens)
        if directive.fault == "huge":
            pieces = _huge(directive.bytes or 8 * 1024 * 1024)
        finish = "stop"
        if limit is not None and int(limit) < len(pieces):
            pieces, finish = pieces[: max(int(limit), 1)], "length"
        usage: dict[str, Any] | None = {
            "prompt_tokens": (prompt_tokens := count_tokens(prompt)),
            "completion_tokens": len(pieces),
            "total_tokens": prompt_tokens + len(pieces),
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
        if directive.fault == "no-usage":
            usage = None
        identity = {"id": f"chatcmpl-mock{next(self._ids):08d}", "created": _CREATED, "model": body["model"]}
        tool = body["tools"][0]["function"]["name"] if body.get("tool_choice") in ("required", "any") else ""
        if body.get("stream"):
            # Mistral sends usage without being asked.
            asked = (body.get("stream_options") or {}).get("include_usage") or "mistral" in body["model"]
            events = _stream_events(identity, pieces, finish, usage if asked else None, tool)
            await break_stream(directive, exchange, events)
            return
        message = {"role": "assistant", "content": "".join(pieces), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        if tool:
            choice |= {"message": _tool_message(tool), "finish_reason": "tool_calls"}
        answer = {**identity, "object": "chat.completion", "choices": [choice]}
        if directive.chunk_ms:
            await asyncio.sleep(directive.chunk_ms * len(pieces) / 1000)
        exchange.respond(200, _json(answer if usage is None else {**answer, "usage": usage}))

    async def _other(
        self, shape: Shape, path: str, body: dict[str, Any], directive: Directive, exchange: Exchange
    ) -> None:
        """An answer in the shape of another provider."""
        prompt, limit, tool = shape.prompt(body), shape.limit(body), shape.tool(body)
        pieces = answer_pieces(prompt, directive.tokens)
        cut = limit is not None and int(limit) < len(pieces)
        said = Said(
            model=str(body.get("model") or path.rpartition("/")[2].partition(":")[0]),
            prompt_tokens=count_tokens(prompt),
            pieces=pieces[: max(int(limit), 1)] if limit is not None and cut else pieces,
            cut=cut,
            tool=tool,
        )
        if body.get("stream") or path.endswith(":streamGenerateContent"):
            await break_stream(directive, exchange, shape.events(said))
            return
        exchange.respond(200, _json(shape.whole(said)))

    async def _embeddings(self, body: dict[str, Any], directive: Directive, exchange: Exchange) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else [str(item) for item in body["input"]]
        dimensions = int(body.get("dimensions") or _DIMENSIONS.get(body["model"], 1536))
        make = embedding_base64 if body.get("encoding_format") == "base64" else embedding
        data = [
            {"object": "embedding", "index": index, "embedding": make(text, dimensions)}
            for index, text in enumerate(texts)
        ]
        tokens = sum(count_tokens(text) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        exchange.respond(200, _json({"object": "list", "data": data, "model": body["model"], "usage": usage}))


def _shape_of(path: str) -> Shape | None:
    if path == "/v1/messages":
        return ANTHROPIC
    if path == "/v2/chat":
        return COHERE
    return GOOGLE if path.startswith("/v1beta/models/") and ":" in path else None


def _tool_message(name: str) -> dict[str, Any]:
    call = {"id": "call_mock", "type": "function", "function": {"name": name, "arguments": '{"city":"Köln"}'}}
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}


def _stream_events(
    identity: dict[str, Any],
    pieces: tuple[str, ...],
    finish: str,
    usage: dict[str, Any] | None,
    tool: str = "",
) -> list[bytes]:
    """The events of a streamed answer, `[DONE]` last, each a whole `data:` block."""
    base = {**identity, "object": "chat.completion.chunk"}
    extra = {} if usage is None else {"usage": None}

    def event(choices: list[dict[str, Any]], more: dict[str, Any]) -> bytes:
        return b"data: " + _json({**base, "choices": choices, **more}) + b"\n\n"

    def choice(delta: dict[str, Any], reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    # Written by hand for the many middle events: encoding each from scratch is what makes a mock slow.
    before, after = event(choice({"content": "\0"}), extra).split(b'"\\u0000"')
    events = [event(choice({"role": "assistant", "content": ""}), extra)]
    if tool:
        (call,) = _tool_message(tool)["tool_calls"]
        events.append(event(choice({"tool_calls": [{"index": 0, **call}]}), extra))
    else:
        events.extend(before + _json(piece) + after for piece in pieces)
    events.append(event(choice({}, "tool_calls" if tool else finish), extra))
    if usage is not None:
        events.append(event([], {"usage": usage}))
    events.append(b"data: [DONE]\n\n")
    return events


def _huge(size: int) -> tuple[str, ...]:
    piece = "huge answer " * 85 + "four"  # 1,024 bytes
    return (piece,) * max(1, size // len(piece))


def _text_of(content: Any) -> str:
    """The text of a message's content, which may be a string, a list of parts, or null."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


async def _serve(port: int, behaviour: Behaviour) -> None:
    async with OpenAIUpstream(behaviour, port=port) as upstream:
        print(upstream.base_url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Run the mock by itself until it is stopped; prints its base URL."""
    parser = argparse.ArgumentParser(description="A mock of OpenAI's API.")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: a free one)")
    parser.add_argument("--first-byte-ms", type=float, default=0.0, help="wait before each answer")
    parser.add_argument("--chunk-ms", type=float, default=0.0, help="wait after each chunk of a stream")
    parser.add_argument("--tokens", type=int, default=24, help="tokens in an answer")
    parser.add_argument("--failure-rate", type=float, default=0.0, help="share of requests that fail, 0 to 1")
    arguments = parser.parse_args()
    behaviour = Behaviour(
        first_byte_ms=arguments.first_byte_ms,
        chunk_ms=arguments.chunk_ms,
        completion_tokens=arguments.tokens,
        failure_rate=arguments.failure_rate,
    )
    with contextlib.suppress(KeyboardInterrupt):
        run_event_loop(_serve(arguments.port, behaviour))


if __name__ == "__main__":
    main()
