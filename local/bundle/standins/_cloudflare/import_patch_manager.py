"""Runs the import of a known package inside the context that the Workers SDK registered for it."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

type Context = Callable[[ModuleType], AbstractContextManager[Any]]
type Handler = Callable[[ModuleType], None]

_exec_contexts: dict[str, Context] = {}
_create_contexts: dict[str, Context] = {}
_after_snapshot: dict[str, Handler] = {}
_before_first_request: dict[str, Handler] = {}
_blocked: list[tuple[ModuleType, str, object]] = []
_starting = True


def register_exec_patch[C: Context](name: str) -> Callable[[C], C]:
    """Register a context for executing the module `name`."""
    return _into(_exec_contexts, name)


def register_create_patch[C: Context](name: str) -> Callable[[C], C]:
    """Register a context for creating the extension module `name`."""
    return _into(_create_contexts, name)


def register_after_snapshot[H: Handler](name: str) -> Callable[[H], H]:
    """Register what runs when all imports are done, if the module `name` is loaded."""
    return _into(_after_snapshot, name)


def register_before_first_request[H: Handler](name: str) -> Callable[[H], H]:
    """Register what runs before the first request, if the module `name` is loaded."""
    return _into(_before_first_request, name)


def block_calls(module: ModuleType, *, allowlist: Iterable[str] = ()) -> None:
    """Make the module's callables raise until the first request, except those allowed."""
    for name, value in list(vars(module).items()):
        if name.startswith("_") or name in allowlist or not callable(value) or isinstance(value, type):
            continue
        _blocked.append((module, name, value))
        setattr(module, name, _raising_while_starting(f"{module.__name__}.{name}", value))


def finish_start_up() -> None:
    """Put everything back and run what was registered for it."""
    global _starting  # noqa: PLW0603 - one interpreter starts once
    _starting = False
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    for module, name, value in _blocked:
        setattr(module, name, value)
    for handlers in (_after_snapshot, _before_first_request):
        for name, handler in handlers.items():
            if name in sys.modules:
                handler(sys.modules[name])


def install() -> None:
    """Start to watch imports."""
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        on_exec, on_create = _exec_contexts.get(fullname), _create_contexts.get(fullname)
        if on_exec is None and on_create is None:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, on_exec, on_create)
                return spec
        return None


class _Loader(Loader):
    def __init__(self, original: Loader, on_exec: Context | None, on_create: Context | None) -> None:
        self._original = original
        self._on_exec = on_exec
        self._on_create = on_create

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        if self._on_create is None:
            return self._original.create_module(spec)
        with self._on_create(ModuleType(spec.name)):
            return self._original.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self._on_exec is None:
            self._original.exec_module(module)
            return
        with self._on_exec(module):
            self._original.exec_module(module)


def _into[F](registry: dict[str, Any], name: str) -> Callable[[F], F]:
    def register(function: F) -> F:
        registry[name] = function
        return function

    return register


def _raising_while_starting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    # A name imported with `from … import` keeps this wrapper for good, so it must let requests through.
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if _starting:
            raise RuntimeError(f"Cannot use {name}() outside of request context")
        return original(*args, **kwargs)

    return guarded
