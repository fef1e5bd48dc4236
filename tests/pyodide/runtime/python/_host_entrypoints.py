"""How the runtime finds and calls the classes of a Worker: arguments and results cross as they do over RPC."""

import asyncio
from inspect import isawaitable, isclass
from types import FunctionType
from typing import Any

import js
from pyodide.code import relaxed_call
from pyodide.ffi import to_js
from workers import DurableObject, WorkerEntrypoint, python_from_rpc, python_to_rpc


def _methods(cls: type) -> list[str]:
    """Return what other Workers can call: public functions, found without running descriptors."""
    names = []
    for name in dir(cls):
        found = next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
        if not name.startswith("_") and isinstance(found, FunctionType):
            names.append(name)
    return sorted(names)


def classes(module: Any) -> Any:
    """Return `{entrypoints: {name: [method]}, objects: {name: [method]}}` of the main module."""
    names = (
        module.__all__ if hasattr(module, "__all__") else [n for n in dir(module) if not n.startswith("_")]
    )
    values = [getattr(module, name) for name in names]

    def of(base: type) -> dict[str, list[str]]:
        found = [v for v in values if isclass(v) and issubclass(v, base) and v is not base]
        return {cls.__name__: _methods(cls) for cls in found}

    return to_js(
        {"entrypoints": of(WorkerEntrypoint), "objects": of(DurableObject)},
        dict_converter=js.Object.fromEntries,
    )


async def call(relaxed: bool, instance: Any, name: str, *args: Any) -> Any:
    """Call a method with arguments converted from JavaScript; `relaxed` drops those it does not take."""
    method = getattr(instance, name)
    converted = [python_from_rpc(arg) for arg in args]
    result = relaxed_call(method, *converted) if relaxed else method(*converted)
    return python_to_rpc(await result if isawaitable(result) else result)


async def call_special(method: Any, *args: Any) -> Any:
    """Call a handler the runtime knows by name (`alarm`) with the JavaScript values as they are."""
    result = relaxed_call(method, *args)
    return await result if isawaitable(result) else result


def unfinished() -> Any:
    """Return the names of the coroutines whose tasks have not ended: once no invocation runs, they never will."""
    tasks = asyncio.all_tasks(asyncio.get_event_loop())
    return to_js(sorted(getattr(task.get_coro(), "__qualname__", "?") for task in tasks))
