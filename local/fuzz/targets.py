"""What is fuzzed, and what must hold of every case.

- `requests`: anything a caller can send on any route; the provider behaves. No 5xx, and an error is a JSON object
  with a code.
- `tokens`: a good token, changed. Nothing but the token itself is let in.
- `headers`: the headers that are read: trace context, cache control, content negotiation. No 5xx.
- `answers`, `streams`: a provider that says anything, in any pieces. Never a defect of ours (`internal_error`); what
  went out of a stream is whole events.
- `keys`: what an issuer publishes. Taken or refused, and the gateway's own keys stay in force.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

from local.fuzz.mutation import mutate_bytes, mutate_document, mutate_json
from local.fuzz.rig import COMPLETION, SAID, STREAM, Answer, Rig, UpstreamAnswer
from local.mocks.other_shapes import ANTHROPIC, COHERE, GOOGLE, Said, Shape
from lumigate.auth.algorithms import ALGORITHMS
from lumigate.auth.key_document import KeySetError, read_key_set


class Violation(Exception):
    """What must hold did not."""


type Target = Callable[[Rig, Random], Awaitable[str]]
"""Makes one case and judges it. Returns what came of it, in a word, for the summary; raises `Violation`."""

_TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
_TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Mail ann@example.com, 東京"}]},
    {"role": "assistant", "content": "Sure."},
    {"role": "user", "content": "Go on."},
]
_CHAT = {"model": "fast", "messages": _TURNS, "temperature": 0.2, "max_tokens": 50, "stream": False}
_ROUTES: Sequence[tuple[str, str, Any]] = (
    ("POST", "/v1/chat/completions", _CHAT),
    ("POST", "/v1/chat/completions", {**_CHAT, "model": "claude", "tools": _TOOLS, "tool_choice": "auto"}),
    ("POST", "/v1/chat/completions", {**_CHAT, "stream": True, "stream_options": {"include_usage": True}}),
    (
        "POST",
        "/v1/chat/completions",
        {**_CHAT, "model": "gemini", "response_format": {"type": "json_object"}},
    ),
    ("POST", "/v1/messages", {"model": "fast", "max_tokens": 9, "system": "s", "messages": _TURNS[1:]}),
    ("POST", "/v1/messages", {"model": "claude", "max_tokens": 9, "stream": True, "messages": _TURNS[1:]}),
    ("POST", "/v1/embeddings", {"model": "fast", "input": ["a", "b"], "encoding_format": "float"}),
    ("POST", "/sessions", {"model": "fast", "system": "s"}),
    ("POST", "/sessions/{session}/messages", {"message": "m", "code": "print(1)"}),
    ("GET", "/sessions/{session}/code", None),
    ("GET", "/sessions/{session}", None),
    ("POST", "/admin/revocations", {"jti": "x", "expires_at": 1}),
    ("POST", "/admin/cache/purge", {"model": "fast"}),
    ("GET", "/v1/models", None),
    ("GET", "/v1/usage", None),
    ("GET", "/metrics", None),
    ("GET", "/health", None),
)
_HEADERS: Mapping[str, bytes] = {
    "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": b"vendor=value,other@x=y",
    "baggage": b"a=b;c=d,e=%20f",
    "cache-control": b"max-age=5, no-store",
    "x-lumigate-cache-ttl": b"60",
    "x-lumigate-cache-tag": b"tag",
    "x-conversation-id": b"c-1",
    "idempotency-key": b"k-1",
    "content-type": b"application/json; charset=utf-8",
    "content-length": b"10",
    "accept": b"application/openmetrics-text; version=1.0.0; q=0.5",
    "authorization": b"Bearer lmg_abcdefgh_0123456789",
    "x-api-key": b"sk-1",
    "origin": b"https://app.example",
    "user-agent": b"openai-python/1",
}


async def requests(rig: Rig, random: Random) -> str:
    """A route, its body or query changed."""
    method, path, document = random.choice(_ROUTES)
    path = path.replace("{session}", rig.session)
    body = b"" if document is None else mutate_json(random, document)
    if random.random() < 0.2:
        path = mutate_bytes(random, path.encode()).decode("latin-1")
    if random.random() < 0.1:
        method = random.choice(("PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "post", "\u00ff"))
    query = mutate_bytes(random, b"version=2&cursor=abc").decode("latin-1") if random.random() < 0.2 else ""
    answer = await rig.send(method, path, query=query, body=body)
    return _judged(answer)


async def tokens(rig: Rig, random: Random) -> str:
    """A good token, changed as text or inside one of its parts."""
    parts = rig.token.split(".")
    if random.random() < 0.5:
        mutant = mutate_bytes(random, rig.token.encode()).decode("latin-1")
    else:
        number = random.randrange(3)
        parts[number] = mutate_bytes(random, parts[number].encode()).decode("latin-1")
        mutant = ".".join(parts)
    answer = await rig.send("GET", "/v1/models", headers={"authorization": f"Bearer {mutant}"})
    if answer.status == 200 and mutant.strip() != rig.token:
        raise Violation("a changed token was let in")
    return _judged(answer)


async def headers(rig: Rig, random: Random) -> str:
    """Some of the headers that are read, changed."""
    chosen = random.sample(sorted(_HEADERS), random.randint(1, 4))
    given = {name: mutate_bytes(random, _HEADERS[name]).decode("latin-1") for name in chosen}
    if random.random() < 0.5:
        return _judged(await rig.send("GET", "/v1/models", headers=given))
    return _judged(
        await rig.send("POST", "/v1/chat/completions", headers=given, body=json.dumps(_CHAT).encode())
    )


def _shapes() -> Sequence[tuple[str, Any, Sequence[bytes]]]:
    calls = Said(model="m", prompt_tokens=3, pieces=(), tool="get_weather")
    shapes: list[tuple[str, Any, Sequence[bytes]]] = [("fast", COMPLETION, STREAM)]
    others: Mapping[str, Shape] = {"claude": ANTHROPIC, "gemini": GOOGLE, "command": COHERE}
    for alias, shape in others.items():
        shapes.extend((alias, shape.whole(words), shape.events(words)) for words in (SAID, calls))
    return shapes


_SHAPES = _shapes()
_ENDS_OF_EVENTS = (b"\n\n", b"\r\n\r\n", b"\r\r")
"""https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream: a blank line, of any kind."""
_CONTENT_TYPES = (
    "application/json",
    "text/event-stream",
    "text/html",
    "",
    "application/json; charset=latin-1",
)


async def answers(rig: Rig, random: Random) -> str:
    """A whole answer of one provider, changed."""
    alias, document, _ = random.choice(_SHAPES)
    kind = _CONTENT_TYPES[0] if random.random() < 0.9 else random.choice(_CONTENT_TYPES)
    status = 200 if random.random() < 0.8 else random.choice((201, 204, 301, 400, 404, 429, 500, 529, 999))
    rig.fetch.answer = UpstreamAnswer(
        status=status,
        headers={"content-type": kind, "retry-after": random.choice(("99", "soon", "-1", "1e999"))},
        pieces=[mutate_json(random, document)],
        interrupted=random.random() < 0.05,
    )
    return await _ask_the_provider(rig, random, alias, stream=False)


async def streams(rig: Rig, random: Random) -> str:
    """A stream of one provider, changed and cut into pieces anywhere."""
    alias, _, events = random.choice(_SHAPES)
    whole = b"".join(events)
    if random.random() < 0.5:
        changed = [_changed_event(random, event) if random.random() < 0.3 else event for event in events]
        if random.random() < 0.2:
            random.shuffle(changed)
        whole = b"".join(changed)
    else:
        whole = mutate_bytes(random, whole, [b"".join(other) for _, _, other in _SHAPES])
    cuts = sorted(random.randint(0, len(whole)) for _ in range(random.choice((0, 1, 3, 20))))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    rig.fetch.answer = UpstreamAnswer(
        headers={"content-type": "text/event-stream"}, pieces=pieces, interrupted=random.random() < 0.1
    )
    return await _ask_the_provider(rig, random, alias, stream=True)


def _changed_event(random: Random, event: bytes) -> bytes:
    """An event whose data is another document."""
    head, _, data = event.partition(b"data: ")
    try:
        document = json.loads(data)
    except ValueError:
        return mutate_bytes(random, event)
    return head + b"data: " + json.dumps(mutate_document(random, document)).encode() + b"\n\n"


async def _ask_the_provider(rig: Rig, random: Random, alias: str, *, stream: bool) -> str:
    anthropic = random.random() < 0.3
    body = {
        "model": alias,
        "max_tokens": 50,
        "stream": stream,
        "messages": [{"role": "user", "content": "x"}],
    }
    path = "/v1/messages" if anthropic else "/v1/chat/completions"
    try:
        answer = await rig.send(
            "POST", path, headers={"cache-control": "no-store"}, body=json.dumps(body).encode()
        )
    finally:
        rig.fetch.answer = None
    if b"internal_error" in answer.body:
        raise Violation("a defect of ours showed")
    if answer.status == 200 and stream and not answer.body.endswith(_ENDS_OF_EVENTS):
        raise Violation(f"the stream ends in the middle of an event: {answer.body[-80:]!r}")
    if answer.status == 200:
        return "200"
    return _judged(answer, most=599)


async def keys(rig: Rig, random: Random) -> str:
    """A key set, changed: read, or refused in so many words."""
    body = mutate_json(random, {"keys": [rig.key.jwk, {**rig.key.jwk, "kid": "2"}]})
    try:
        found = read_key_set(body, tuple(ALGORITHMS))
    except KeySetError as error:
        return error.result
    for published in found:
        try:
            await rig.local.crypto.import_key(published.jwk, published.algorithm)
        except ValueError:
            return "no key"
    return f"{min(len(found), 3)} keys"


def _judged(answer: Answer, most: int = 499) -> str:
    """The status, once the answer has been found to be a good one."""
    if not 200 <= answer.status <= most:
        raise Violation(f"status {answer.status}: {answer.body[:200]!r}")
    if answer.status >= 400 and answer.body:
        error = json.loads(answer.body).get("error")
        if not isinstance(error, dict) or not (error.get("code") or error.get("type")):
            raise Violation(f"an error without a code: {answer.body[:200]!r}")
    for name in ("x-request-id", "traceresponse"):
        if not answer.headers.get(name, "").isascii() or not answer.headers.get(name):
            raise Violation(f"no {name}")
    return str(answer.status)


TARGETS: Mapping[str, tuple[int, Target]] = {
    "requests": (35, requests),
    "tokens": (20, tokens),
    "headers": (10, headers),
    "answers": (12, answers),
    "streams": (15, streams),
    "keys": (8, keys),
}
"""Name: its share of the cases, in per cent, and the target."""
