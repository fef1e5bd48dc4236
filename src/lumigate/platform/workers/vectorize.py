"""Vectorize. https://developers.cloudflare.com/vectorize/reference/client-api/

What is written is seen by queries after seconds: a mutation is put into a log and answered with an id, and applied
later. `returnValues` asks for the vectors themselves; with them, or with all metadata, `topK` is at most 20. A filter
works on properties that have a metadata index, and on vectors that were written after it was made. A vector is at most
1,536 numbers, an id and a namespace 64 bytes (https://developers.cloudflare.com/vectorize/platform/limits/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import js
from pyodide.ffi import to_js

from lumigate.ports import VectorMatch


class WorkersVectorIndex:
    """The `VectorIndex` port."""

    def __init__(self, binding: Any) -> None:
        self._binding = binding

    async def nearest(
        self, values: Sequence[float], *, namespace: str, where: Mapping[str, str], limit: int
    ) -> Sequence[VectorMatch]:
        options = {
            "topK": limit,
            "namespace": namespace,
            "filter": dict(where),
            "returnValues": True,
            "returnMetadata": "all",
        }
        answer = await self._binding.query(_js(list(values)), _js(options))
        return [
            VectorMatch(
                id=str(match["id"]),
                values=[float(value) for value in match.get("values") or ()],
                metadata=match.get("metadata") or {},
            )
            for match in answer["matches"]
        ]

    async def put(
        self, id: str, values: Sequence[float], *, namespace: str, metadata: Mapping[str, str | int]
    ) -> None:
        vector = {"id": id, "values": list(values), "namespace": namespace, "metadata": dict(metadata)}
        await self._binding.upsert(_js([vector]))

    async def delete(self, ids: Sequence[str]) -> None:
        await self._binding.deleteByIds(_js(list(ids)))


def _js(value: Any) -> Any:
    """Converted here and in one go: the SDK looks at each of a vector's numbers."""
    return to_js(value, dict_converter=js.Object.fromEntries)
