"""Contexts around the import of packages that need care while a Worker starts.

Rules: a registered context is entered around `create_module` or `exec_module` of the package it names;
`block_calls` puts a proxy into `sys.modules` whose functions raise until the first request; before the first request
the finder goes away and the handlers of the packages that were imported run.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial, wraps
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@dataclass(slots=True)
class _Patch:
    create: Callable[[Any], AbstractContextManager[Any]] = nullcontext
    execute: Callable[[Any], AbstractContextManager[Any]] = nullcontext
    after_snapshot: Callable[[ModuleType], None] | None = None
    before_first_request: Callable[[ModuleType], None] | None = None


_patches: dict[str, _Patch] = {}
_blocked: dict[str, ModuleType] = {}
_after_snapshot: list[Callable[[], None]] = []
_before_first_request: list[Callable[[], None]] = []
_serving = False


def _register(field: str, name: str, function: Any = None) -> Any:
    if function is None:
        return partial(_register, field, name)
    setattr(_patches.setdefault(name, _Patch()), field, function)
    return function


def register_create_patch(name: str, context_manager: Any = None) -> Any:
    return _register("create", name, context_manager)


def register_exec_patch(name: str, context_manager: Any = None) -> Any:
    return _register("execute", name, context_manager)


def register_after_snapshot(name: str, handler: Any = None) -> Any:
    return _register("after_snapshot", name, handler)


def register_before_first_request(name: str, handler: Any = None) -> Any:
    return _register("before_first_request", name, handler)


class _Loader:
    def __init__(self, loader: Any, patch: _Patch) -> None:
        self._loader = loader
        self._patch = patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        with self._patch.create(spec):
            module: ModuleType | None = self._loader.create_module(spec)
            return module

    def exec_module(self, module: ModuleType) -> None:
        if self._patch.after_snapshot is not None:
            _after_snapshot.append(partial(self._patch.after_snapshot, module))
        if self._patch.before_first_request is not None:
            _before_first_request.append(partial(self._patch.before_first_request, module))
        with self._patch.execute(module):
            self._loader.exec_module(module)


class PatchFinder:
    def invalidate_caches(self) -> None:
        pass

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        patch = _patches.get(fullname)
        if patch is None:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, PatchFinder):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader, patch)  # type: ignore[assignment]
                return spec
        return None


class BlockedModule(ModuleType):
    """Stands in for a module whose functions would use a bad seed; behaves like it once requests are served."""

    def __init__(self, module: ModuleType, allowlist: Iterable[str]) -> None:
        object.__setattr__(self, "_blocked", (module, frozenset(allowlist)))

    def __getattribute__(self, name: str) -> Any:
        module, allowed = object.__getattribute__(self, "_blocked")
        value = getattr(module, name)
        if _serving or name in allowed or not callable(value):
            return value

        @wraps(value)
        def refuse(*args: Any, **kwargs: Any) -> Any:
            if not _serving:
                raise RuntimeError(f"Cannot use {module.__name__}.{name}() outside of request context")
            return value(*args, **kwargs)

        return refuse

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_blocked")[0], name, value)

    def __dir__(self) -> list[str]:
        return dir(object.__getattribute__(self, "_blocked")[0])


def block_calls(module: ModuleType, *, allowlist: Iterable[str] = ()) -> None:
    """Make top-level calls of the module's functions raise until the first request."""
    sys.modules[module.__name__] = BlockedModule(module, allowlist)
    _blocked[module.__name__] = module


def install() -> None:
    sys.meta_path.insert(0, PatchFinder())


def finish() -> None:
    """Requests are served from now on: blocked modules are themselves again, and generators get true seeds."""
    global _serving  # noqa: PLW0603 - the one moment the interpreter passes once
    _serving = True
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PatchFinder)]
    sys.modules.update(_blocked)
    for handler in (*_after_snapshot, *_before_first_request):
        handler()
