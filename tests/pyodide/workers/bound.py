"""One route a rule of the bindings, and a Durable Object that counts."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import asyncio
from typing import Any

import js
from pyodide.ffi import create_proxy, to_js
from router import Routed  # type: ignore[import-not-found]
from workers import DurableObject, Response


class Counter(DurableObject):
    def __init__(self, ctx: Any, env: Any) -> None:
        self.ctx = ctx
        self.env = env
        self.calls = 0
        self.lock = asyncio.Lock()

    async def add(self, change: dict[str, Any]) -> dict[str, Any]:
        """Read, wait, write: the lock keeps other calls from coming in between."""
        self.calls += 1
        async with self.lock:
            total = (await self.ctx.storage.get("total") or 0) + change["by"]
            await self.ctx.storage.put("total", total)
        return {"total": total, "calls": self.calls, "labels": [*change.get("labels", []), None]}

    async def fail(self) -> None:
        raise ValueError("inside the object")

    async def store(self, size: int) -> None:
        await self.ctx.storage.put("large", "x" * size)

    async def wake(self, in_ms: int) -> Any:
        await self.ctx.storage.setAlarm(js.Date.now() + in_ms)
        return await self.ctx.storage.getAlarm()

    async def alarm(self) -> None:
        alarms = (await self.ctx.storage.get("alarms") or 0) + 1
        await self.ctx.storage.put("alarms", alarms)
        await self.env.KV.put("alarm", str(alarms))
        await self.env.KV.put("name in alarm", str(self.ctx.id.name))
        if alarms == 1:
            raise RuntimeError("the first alarm fails")

    async def keep(self) -> str:
        entries = {f"k{i}": {"n": i} for i in range(5)}
        await self.ctx.storage.put(entries)
        some = await self.ctx.storage.get(["k1", "k3", "none"])
        listed = await self.ctx.storage.list(prefix="k", limit=2, reverse=True)
        await self.ctx.storage.delete("k1")
        return f"{dict(some)} {list(listed)} {await self.ctx.storage.get('k1')}"

    async def sql(self) -> Any:
        sql = self.ctx.storage.sql
        sql.exec("CREATE TABLE t (n INTEGER); CREATE TABLE u (n INTEGER)")
        sql.exec("INSERT INTO t VALUES (?)", 7)
        return sql.exec("SELECT n FROM t").toArray()

    async def sql_all_or_nothing(self) -> Any:
        """What a transaction wrote is undone when it raises; and storage can be emptied, tables and all."""
        sql = self.ctx.storage.sql
        sql.exec("CREATE TABLE t (n INTEGER)")

        def write(*, fails: bool) -> None:
            sql.exec("INSERT INTO t VALUES (?)", 1)
            if fails:
                raise ValueError("in the middle")

        for fails in (False, True):
            proxy = create_proxy(lambda fails=fails: write(fails=fails))
            try:
                self.ctx.storage.transactionSync(proxy)
            except ValueError:
                sql.exec("INSERT INTO t VALUES (?)", 2)
            finally:
                proxy.destroy()
        rows = [list(row) for row in sql.exec("SELECT n FROM t ORDER BY n").raw()]
        await self.ctx.storage.deleteAll()
        tables = [list(row) for row in sql.exec("SELECT name FROM sqlite_master").raw()]
        return {"rows": rows, "tables": tables}

    async def empty(self) -> Any:
        """Emptied at once: what comes while the end of it is awaited is not lost."""
        storage = self.ctx.storage
        await storage.setAlarm(js.Date.now() + 3_600_000)
        await storage.put("old", 1)
        emptied = storage.deleteAll()
        storage.sql.exec("CREATE TABLE new (n INTEGER)")
        await emptied
        tables = [list(row) for row in storage.sql.exec("SELECT name FROM sqlite_master").raw()]
        return [await storage.getAlarm(), await storage.get("old"), tables]

    async def sql_wrongly(self, what: int) -> None:
        sql, storage = self.ctx.storage.sql, self.ctx.storage
        match what:
            case 0:
                sql.exec("SELECT ?", True)
            case 1:
                sql.exec("SELECT ?", 2**60)
            case 2:
                sql.exec(f"SELECT {','.join('?' * 101)}", *range(101))
            case 3:
                sql.exec("SELECT ?", "x" * 2_000_001)
            case 4:
                sql.exec(f"SELECT '{'x' * 100_000}'")
            case 5:
                sql.exec("BEGIN TRANSACTION")
            case 6:
                sql.exec("PRAGMA user_version")
            case 7:
                sql.exec("CREATE TABLE _cf_mine (n INTEGER)")
            case _:
                proxy = create_proxy(storage.deleteAll)
                try:
                    storage.transactionSync(proxy)
                finally:
                    proxy.destroy()

    async def sql_at_the_limits(self) -> Any:
        sql = self.ctx.storage.sql
        row = list(next(iter(sql.exec(f"SELECT {','.join('?' * 100)}", *range(100)).raw())))
        sql.exec("CREATE TABLE large (body TEXT)")
        sql.exec("INSERT INTO large VALUES (?)", "x" * 1_999_000)
        return [row[99], [list(found) for found in sql.exec("SELECT length(body), ? FROM large", None).raw()]]

    async def told_name(self) -> Any:
        return self.ctx.id.name

    async def background(self) -> None:
        async def work() -> None:
            await self.env.KV.put("background", "done")

        self.ctx.waitUntil(work())

    async def _hidden(self) -> str:
        return "hidden"

    async def fetch(self, request: Any) -> Any:
        return Response(f"object saw {request.method} {await request.text()}")


class Default(Routed):
    # KV

    async def _kv(self, request: Any, query: Any) -> Any:
        kv = self.env.KV
        await kv.put("greeting", "hällo", expirationTtl=60, metadata={"lang": "de"})
        await kv.put("bytes", b"\x00\xff")
        await kv.put("json", '{"a": [1, null]}')
        return Response.json(
            {
                "text": await kv.get("greeting"),
                "bytes": list(bytes(await kv.get("bytes", "arrayBuffer"))),
                "json": await kv.get("json", "json"),
                "stream": await Response(await kv.get("greeting", type="stream")).text(),
                "missing": await kv.get("missing"),
                "metadata": (await kv.getWithMetadata("greeting"))["metadata"],
                "many": dict(await kv.get(["greeting", "missing"])),
            }
        )

    async def _kv_put(self, request: Any, query: Any) -> Any:
        options = {"expirationTtl": int(query.get("ttl"))} if query.has("ttl") else {}
        key = "k" * int(query.get("key") or 1) if query.has("key") else "key"
        value = "v" * int(query.get("value") or 1)
        await self.env.KV.put(key, value, **options)
        return Response("put")

    async def _kv_list(self, request: Any, query: Any) -> Any:
        for i in range(5):
            await self.env.KV.put(f"list/{i}", "x")
        first = await self.env.KV.list(prefix="list/", limit=3)
        second = await self.env.KV.list(prefix="list/", cursor=first["cursor"])
        await self.env.KV.delete("list/0")
        third = await self.env.KV.list(prefix="list/")
        return Response.json([[key["name"] for key in page["keys"]] for page in (first, second, third)])

    async def _kv_object(self, request: Any, query: Any) -> Any:
        await self.env.KV.put("key", {"not": "a value"})
        return Response("put")

    # R2

    async def _r2(self, request: Any, query: Any) -> Any:
        bucket = self.env.BUCKET
        await bucket.put("a/b", b"content", httpMetadata={"contentType": "text/x"}, customMetadata={"k": "v"})
        found = await bucket.get("a/b")
        text = await found.text()
        head = await bucket.head("a/b")
        listed = await bucket.list(prefix="a/")
        await bucket.delete("a/b")
        return Response.json(
            {
                "text": text,
                "size": head.size,
                "type": head.httpMetadata["contentType"],
                "custom": head.customMetadata["k"],
                "listed": [entry.key for entry in listed["objects"]],
                "gone": await bucket.get("a/b"),
            }
        )

    async def _r2_stream(self, request: Any, query: Any) -> Any:
        if query.has("length"):
            ends = js.FixedLengthStream.new(3)
            writer = ends.writable.getWriter()
            self.ctx.waitUntil(asyncio.gather(writer.write(to_js(b"abc")), writer.close()))
        else:
            ends = js.TransformStream.new()
        await self.env.BUCKET.put("s", ends.readable)
        return Response(await (await self.env.BUCKET.get("s")).text())

    # Analytics Engine and the rate limit

    async def _point(self, request: Any, query: Any) -> Any:
        point = await request.json()
        for _ in range(int(query.get("times") or 1)):
            self.env.POINTS.writeDataPoint(point)
        return Response("written")

    async def _big_integer(self, request: Any, query: Any) -> Any:
        self.env.POINTS.writeDataPoint({"doubles": [2**60]})
        return Response("written")

    async def _limit(self, request: Any, query: Any) -> Any:
        outcome = await self.env.LIMITER.limit({"key": query.get("key")})
        return Response.json(outcome["success"])

    async def _limit_wrongly(self, request: Any, query: Any) -> Any:
        return Response.json(await self.env.LIMITER.limit({"name": "x"}))

    # Durable Objects

    def _counter(self, query: Any) -> Any:
        return self.env.COUNTER.getByName(query.get("name") or "one")

    async def _add(self, request: Any, query: Any) -> Any:
        return Response.json(await self._counter(query).add({"by": 1, "labels": ["a"]}))

    async def _object(self, request: Any, query: Any) -> Any:
        result = await getattr(self._counter(query), query.get("call"))(*map(int, query.getAll("arg")))
        return Response.json(result)

    async def _object_fetch(self, request: Any, query: Any) -> Any:
        return await self._counter(query).fetch("http://object/", method="POST", body="hello")

    async def _send(self, request: Any, query: Any) -> Any:
        values = {
            "tuple": (1, 2),
            "bytearray": bytearray(b"x"),
            "proxy": to_js(print),
            "nested tuple": {"a": [(1,)]},
            "bytes": {"by": 1, "labels": [b"x".hex()]},
        }
        return Response.json(await self._counter(query).add(values[query.get("what")]))

    async def _jurisdiction(self, request: Any, query: Any) -> Any:
        everywhere, eu = self.env.COUNTER, self.env.COUNTER.jurisdiction("eu")
        for _ in range(2):
            await eu.getByName("placed").add({"by": 1, "labels": ["a"]})
        outside, inside = everywhere.idFromName("placed"), eu.idFromName("placed")
        return Response.json(
            {
                "equal": outside.equals(inside),
                "outside": await everywhere.getByName("placed").add({"by": 1, "labels": ["a"]}),
                "by id": await everywhere.get(inside).add({"by": 1, "labels": ["a"]}),
            }
        )

    async def _jurisdiction_wrongly(self, request: Any, query: Any) -> Any:
        everywhere, eu = self.env.COUNTER, self.env.COUNTER.jurisdiction("eu")
        outside = everywhere.idFromName("placed")
        match query.get("what"):
            case "get":
                eu.get(outside)
            case "parse":
                eu.idFromString(outside.toString())
            case other:
                everywhere.jurisdiction(other)
        return Response("accepted")

    async def _id(self, request: Any, query: Any) -> Any:
        namespace = self.env.COUNTER
        first, again = namespace.idFromName("x"), namespace.idFromName("x")
        parsed = namespace.idFromString(first.toString())
        return Response.json(
            [first.equals(again), first.equals(parsed), namespace.newUniqueId().equals(first)]
        )

    async def _vars(self, request: Any, query: Any) -> Any:
        return Response.json([self.env.GREETING, self.env.TABLE.to_py(), hasattr(self.env, "MISSING")])
