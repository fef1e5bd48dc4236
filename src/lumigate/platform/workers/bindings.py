"""KV, R2, Analytics Engine, the rate limiter and the counter shard, over the bindings of `wrangler.toml`.

The bindings come wrapped by the SDK, which converts arguments and results; each class here adds the port's promise and
little else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import js
from pyodide.ffi import to_js


class WorkersKeyValue:
    """Workers KV. https://developers.cloudflare.com/kv/api/"""

    def __init__(self, namespace: Any) -> None:
        self._namespace = namespace

    async def get(self, key: str) -> bytes | None:
        value = await self._namespace.get(key, "arrayBuffer")
        return None if value is None else bytes(value)

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        await self._namespace.put(key, value, {"expirationTtl": ttl_seconds})

    async def delete(self, key: str) -> None:
        await self._namespace.delete(key)

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        options = {"prefix": prefix, "limit": limit} | ({"cursor": cursor} if cursor else {})
        page = await self._namespace.list(options)
        following = None if page["list_complete"] else str(page["cursor"])
        return [str(entry["name"]) for entry in page["keys"]], following


class WorkersBlobStore:
    """R2. https://developers.cloudflare.com/r2/api/workers/workers-api-reference/"""

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    async def get(self, key: str) -> bytes | None:
        stored = await self._bucket.get(key)
        return None if stored is None else bytes(await stored.arrayBuffer())

    async def put(self, key: str, value: bytes) -> None:
        await self._bucket.put(key, value)

    async def delete(self, key: str) -> None:
        await self._bucket.delete(key)

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        options = {"prefix": prefix, "limit": limit} | ({"cursor": cursor} if cursor else {})
        page = await self._bucket.list(options)
        following = str(page["cursor"]) if page["truncated"] else None
        return [str(stored.key) for stored in page["objects"]], following


class WorkersDataPoints:
    """Analytics Engine. https://developers.cloudflare.com/analytics/analytics-engine/"""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def write(self, *, index: str, blobs: Sequence[str], doubles: Sequence[float]) -> None:
        # Converted here and in one go: the SDK looks at each of the forty values, which took a tenth of a request.
        point = {"indexes": [index], "blobs": list(blobs), "doubles": list(doubles)}
        self._dataset.writeDataPoint(to_js(point, dict_converter=js.Object.fromEntries))


class WorkersRateLimit:
    """The rate-limit binding. https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/"""

    def __init__(self, limiter: Any) -> None:
        self._limiter = limiter

    async def allow(self, key: str) -> bool:
        outcome = await self._limiter.limit({"key": key})
        return bool(outcome["success"])


class WorkersCounterShard:
    """A stub of the Durable Object `MetricsShard`, made anew for each use: a stub belongs to its request."""

    def __init__(self, namespace: Any, name: str) -> None:
        self._namespace = namespace
        self._name = name

    async def push(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self._namespace.getByName(self._name).push(dict(batch))
        return answer

    async def scrape(self, form: Mapping[str, Any]) -> str:
        return str(await self._namespace.getByName(self._name).scrape(dict(form)))
