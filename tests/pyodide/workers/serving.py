# ruff: noqa: T201 (what a Worker prints is what the test reads)
"""One route a rule of serving: the clock, requests apart, background work, streams, what may be answered."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import asyncio
import time
from typing import Any

import js
from pyodide.ffi import create_proxy, to_js
from router import encoded, js_object  # type: ignore[import-not-found]
from streams import SHARED, StreamRoutes, released  # type: ignore[import-not-found]
from workers import Response

LONG = 30
"""Seconds: a limit for the case that a rule does not hold."""


def count(n: int) -> int:
    total = 0
    for i in range(n):
        total += i
    return total


class Default(StreamRoutes):
    # the request and the response

    async def _describe(self, request: Any, query: Any) -> Any:
        body = await request.text() if request.body else None
        return Response.json(
            {
                "method": str(request.method),
                "url": request.url,
                "headers": dict(request.headers.items()),
                "has_body": bool(request.js_object.body),  # JavaScript's null is falsy, and is not None
                "body": body,
                "country": request.cf.country,
                "colo": request.cf.colo,
                "context": str(js.Object.prototype.toString.call(self.ctx)),
            }
        )

    async def _instance(self, request: Any, query: Any) -> Any:
        await asyncio.sleep(0.2)
        return Response(str(id(self)))

    async def _status(self, request: Any, query: Any) -> Any:
        return Response(query.get("body") or None, status=int(query.get("code")))

    async def _cookies(self, request: Any, query: Any) -> Any:
        return Response(
            "ok", headers=[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("X-Mixed-Case", "Kept")]
        )

    async def _echo_stream(self, request: Any, query: Any) -> Any:
        return Response(request.js_object.body)

    async def _length(self, request: Any, query: Any) -> Any:
        return Response(str(len(await request.bytes())))

    async def _big(self, request: Any, query: Any) -> Any:
        return Response(b"x" * int(query.get("bytes")))

    async def _gzip(self, request: Any, query: Any) -> Any:
        return Response("squeeze " * 100, headers={"content-encoding": "gzip"})

    async def _immutable(self, request: Any, query: Any) -> Any:
        request.js_object.headers.set("x", "y")

    async def _read_twice(self, request: Any, query: Any) -> Any:
        await request.text()
        return Response(await request.js_object.text())

    async def _nothing(self, request: Any, query: Any) -> Any:
        return None

    async def _string(self, request: Any, query: Any) -> Any:
        return "not a response"

    async def _sdk_generator(self, request: Any, query: Any) -> Any:
        return Response(part for part in [b"a"])

    async def _js_generator(self, request: Any, query: Any) -> Any:
        return js.Response.new(part for part in [b"a"])

    async def _python_chunk(self, request: Any, query: Any) -> Any:
        ends = js.IdentityTransformStream.new()
        self.ctx.waitUntil(ends.writable.getWriter().write(b"bytes that were not converted"))
        return Response(ends.readable)

    async def _raises(self, request: Any, query: Any) -> Any:
        raise ValueError("a secret")

    async def _print(self, request: Any, query: Any) -> Any:
        print("printed")
        js.console.warn("warned", 2)
        return Response("ok")

    # the clock

    async def _clock(self, request: Any, query: Any) -> Any:
        start, python_start = js.Date.now(), time.time()
        count(1_500_000)
        worked, python_worked = js.Date.now(), time.time()
        await asyncio.sleep(0)
        yielded = js.Date.now()
        await asyncio.sleep(0.06)
        slept = js.Date.now()
        return Response.json(
            {
                "cpu": worked - start,
                "python_cpu_ms": round((python_worked - python_start) * 1000),
                "yield": yielded - worked,
                "timer": slept - yielded,
                "performance": js.performance.now() - slept,
                "new_date": js.Date.new().getTime() - slept,
            }
        )

    async def _block(self, request: Any, query: Any) -> Any:
        time.sleep(0.01)  # noqa: ASYNC251 - what this route is for
        return Response("slept")

    async def _clock_io(self, request: Any, query: Any) -> Any:
        start = js.Date.now()
        answer = await js.fetch(query.get("url"))
        headers = js.Date.now()
        await answer.text()
        return Response.json({"fetch": headers - start, "body": js.Date.now() - headers})

    # requests apart

    async def _wait_event(self, request: Any, query: Any) -> Any:
        event = SHARED["event"] = asyncio.Event()
        await (asyncio.wait_for(event.wait(), LONG) if query.has("timer") else event.wait())
        return Response("woken by another request")

    async def _set_event(self, request: Any, query: Any) -> Any:
        """Once there is one."""
        while "event" not in SHARED:  # noqa: ASYNC110 - what is shared may be plain data only
            await asyncio.sleep(0.01)
        SHARED.pop("event").set()
        await asyncio.sleep(0.3)
        return Response("set")

    async def _wait_and_work(self, request: Any, query: Any) -> Any:
        event = SHARED["event"] = asyncio.Event()
        await asyncio.wait_for(event.wait(), LONG)
        self.ctx.waitUntil(asyncio.sleep(0))
        return Response("worked")

    async def _forget_event(self, request: Any, query: Any) -> Any:
        del SHARED["event"]
        return Response("forgotten")

    async def _hold(self, request: Any, query: Any) -> Any:
        """Leave what is this request's own where others find it, until `then` is answered."""
        ends = js.TransformStream.new()
        SHARED.update(
            request=request.js_object,
            fetched=await js.fetch(query.get("url")),
            promise=js.fetch(query.get("then")),
            stream=ends.readable,
            writer=ends.writable.getWriter(),
            context=self.ctx,
            response=js.Response.new("mine"),
        )
        print("holding")
        await (await SHARED["promise"]).text()
        return Response("held")

    async def _touch(self, request: Any, query: Any) -> Any:
        print("touching")
        match query.get("what"):
            case "request body":
                await SHARED["request"].text()
            case "fetched body":
                await SHARED["fetched"].text()
            case "promise":
                await asyncio.wait_for(SHARED["promise"], LONG)
            case "stream":
                SHARED["stream"].getReader()
            case "writer":
                await SHARED["writer"].write(encoded("x"))
            case "context":
                SHARED["context"].waitUntil(asyncio.sleep(0))
            case "response":
                return SHARED["response"]
        return Response("touched")

    async def _share_data(self, request: Any, query: Any) -> Any:
        lines = SHARED.setdefault("lines", [])
        lines.append(query.get("line"))
        await asyncio.sleep(0.05)
        return Response.json({"lines": len(lines)})

    async def _forever(self, request: Any, query: Any) -> Any:
        await asyncio.Event().wait()

    # background work

    async def _release(self, request: Any, query: Any) -> Any:
        SHARED[query.get("key")] = True
        return Response("released")

    async def _background(self, request: Any, query: Any) -> Any:
        async def work() -> None:
            await (asyncio.sleep(float(query.get("s"))) if query.has("s") else released(query.get("key")))
            await self.env.KV.put(query.get("key"), "done")
            print("background done", query.get("key"))

        if query.has("abandoned"):
            asyncio.get_running_loop().create_task(work())
        else:
            self.ctx.waitUntil(work())
        return Response("answered")

    async def _late(self, request: Any, query: Any) -> Any:
        await released("late")
        await self.env.KV.put("late handler", "ran")
        return Response("late")

    async def _background_fails(self, request: Any, query: Any) -> Any:
        async def work() -> None:
            raise ValueError("in the background")

        self.ctx.waitUntil(work())
        return Response("answered")

    async def _connections(self, request: Any, query: Any) -> Any:
        pending = [js.fetch(query.get("url")) for _ in range(int(query.get("n")))]
        if query.has("busy"):
            await asyncio.sleep(0.05)
            count(10_000_000)

        async def read(promise: Any) -> str:
            answer = await promise
            return str(await answer.text()) if query.has("read") else "unread"

        texts = await asyncio.gather(*(read(p) for p in pending))
        return Response.json({"answers": len(texts)})

    # fetch

    async def _fetch(self, request: Any, query: Any) -> Any:
        init = {"method": query.get("method") or "GET", "headers": {"x-sent": "yes"}}
        if query.has("timeout"):
            init["signal"] = js.AbortSignal.timeout(int(query.get("timeout")))
        for name in ("redirect", "credentials", "body"):
            if query.has(name):
                init[name] = query.get(name)
        answer = await js.fetch(query.get("url"), js_object(init))
        if query.has("mutate"):
            answer.headers.set("x", "y")
        if query.has("through"):
            return Response(answer)
        return Response(
            await answer.text(),
            status=answer.status,
            headers={"x-location": answer.headers.get("location") or ""},
        )

    async def _cancel_upstream(self, request: Any, query: Any) -> Any:
        controller = js.AbortController.new()
        answer = await js.fetch(query.get("url"), js_object({"signal": controller.signal}))
        reader = answer.body.getReader()
        first = await reader.read()
        controller.abort()
        try:
            while not (await reader.read()).done:
                pass
        except Exception as error:
            return Response(f"{first.value.to_bytes().decode().strip()} then {error}")
        return Response("ended")

    async def _rejected_with_text(self, request: Any, query: Any) -> Any:
        try:
            await asyncio.wait_for(js.Promise.reject("only text"), 0.3)
        except TimeoutError:
            return Response("hung")
        except Exception as error:
            return Response(f"raised {error}")
        return Response("returned")

    # proxies and cryptography

    async def _leak(self, request: Any, query: Any) -> Any:
        create_proxy(SHARED)
        return Response("leaked")

    async def _tidy(self, request: Any, query: Any) -> Any:
        proxy = create_proxy(lambda: None)
        proxy.destroy()
        await self.env.KV.put("tidy", "1")
        self.ctx.waitUntil(asyncio.sleep(0.01))
        return Response("tidy")

    async def _digest(self, request: Any, query: Any) -> Any:
        before = js.Date.now()
        digest = await js.crypto.subtle.digest("SHA-256", to_js(b"abc"))
        return Response(digest.to_bytes().hex(), headers={"x-moved": str(js.Date.now() - before)})

    async def scheduled(self, controller: Any, env: Any, ctx: Any) -> None:
        await self.env.KV.put("cron", controller.cron)
        if controller.cron == "fail":
            raise ValueError("no luck")

        async def later() -> None:
            await asyncio.sleep(0.05)
            await self.env.KV.put("cron later", "done")

        self.ctx.waitUntil(later())

    async def tail(self, events: Any, env: Any, ctx: Any) -> None:
        await self.env.KV.put(
            "tail", str([(event.outcome, event.event, event.entrypoint) for event in events])
        )
