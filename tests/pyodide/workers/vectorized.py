"""Passes calls on to a Vectorize binding, as a test says them."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import json
from typing import Any

import js
from pyodide.ffi import to_js
from router import Routed  # type: ignore[import-not-found]
from workers import Response


class Default(Routed):
    async def _call(self, request: Any, _: Any) -> Any:
        asked = json.loads(await request.text())
        converter = js.Map.new if asked.get("as_map") else js.Object.fromEntries
        arguments = [to_js(argument, dict_converter=converter) for argument in asked["args"]]
        answer = await getattr(self.env.VECTORS, asked["method"])(*arguments)
        return Response(json.dumps(answer), headers={"content-type": "application/json"})
