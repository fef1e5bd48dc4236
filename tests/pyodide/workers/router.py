"""Base of the sample Workers: the first path segment names a method, an exception becomes a 599 that shows it."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

from typing import Any

import js
from js import Object
from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint


def js_object(value: dict[str, Any]) -> Any:
    return to_js(value, dict_converter=Object.fromEntries)


def encoded(text: str) -> Any:
    return to_js(text.encode())


class Routed(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        url = js.URL.new(request.url)
        name = url.pathname.strip("/").split("/")[0]
        try:
            return await getattr(self, f"_{name}")(request, url.searchParams)
        except Exception as error:
            if url.searchParams.has("uncaught"):
                raise
            return Response(f"{type(error).__name__}: {error}", status=599)
