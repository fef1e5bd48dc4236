"""Tries at its top level what production allows and forbids there, and serves what came of it."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import asyncio
import hashlib
import os
import random
import secrets
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any

import js
import workers
from js import Headers, crypto, fetch
from workers import Response, WorkerEntrypoint

OUTCOMES: dict[str, str] = {}


def attempt(name: str, action: Callable[[], Any]) -> None:
    try:
        OUTCOMES[name] = f"ok {action()}"
    except Exception as error:
        OUTCOMES[name] = f"{type(error).__name__}: {error}"


async def nothing() -> None:
    pass


def make_task() -> None:
    coroutine = nothing()
    try:
        asyncio.get_event_loop().create_task(coroutine)
    finally:
        coroutine.close()


attempt("os.urandom", lambda: os.urandom(4))
attempt("uuid.uuid4", uuid.uuid4)
attempt("secrets.token_hex", secrets.token_hex)
attempt("random.random", random.random)
attempt("random.randint", lambda: random.randint(1, 6))
attempt("random.Random(1)", lambda: random.Random(1).random())
attempt("crypto.getRandomValues", lambda: crypto.getRandomValues(js.Uint8Array.new(4)))
attempt("crypto.randomUUID", crypto.randomUUID)
attempt("crypto.subtle.digest", lambda: crypto.subtle.digest("SHA-256", js.Uint8Array.new(4)))
attempt("fetch", lambda: fetch("http://127.0.0.1:9/"))
attempt("setTimeout", lambda: js.setTimeout(js.Object, 10))
attempt("AbortSignal.timeout", lambda: js.AbortSignal.timeout(10))
attempt("create_task", make_task)
attempt("env.KV.get", lambda: workers.env.KV.get("key"))
attempt("env.POINTS.writeDataPoint", lambda: workers.env.POINTS.writeDataPoint({"blobs": ["a"]}))
attempt("js.process", lambda: js.process)
attempt("js.eval", lambda: js.Function.new("return 1"))
attempt("Date.now", js.Date.now)
attempt("time.time", lambda: time.time() < 10)
attempt("hash", lambda: hash("lumigate"))
attempt("sha256", lambda: hashlib.sha256(b"x").hexdigest()[:4])
attempt("tempfile", lambda: bool(tempfile.mkstemp()[1]))
attempt("Headers", lambda: Headers is not None)


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        later = {
            "os.urandom": len(os.urandom(4)),
            "uuid4": str(uuid.uuid4()),
            "random": random.random(),
            "token": secrets.token_hex(4),
            "now": js.Date.now(),
        }
        return Response.json({"import": OUTCOMES, "request": later})
