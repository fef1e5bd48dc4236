"""From a method and a path to a handler, by a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lumigate.errors import MethodNotAllowed, UnknownRoute


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint[H]:
    """What answers on one route. `template` is the low-cardinality name that telemetry uses."""

    template: str
    handler: H
    authenticated: bool = True


class RouteTable[H]:
    """Exact paths, and paths with a part in braces that stands for any; each with its methods.

    HEAD is answered wherever GET is.
    """

    def __init__(self, endpoints: Mapping[tuple[str, str], Endpoint[H]]) -> None:
        self._by_path: dict[str, dict[str, Endpoint[H]]] = {}
        for (method, path), endpoint in endpoints.items():
            self._by_path.setdefault(path, {})[method] = endpoint
        self._open = [(path.split("/"), methods) for path, methods in self._by_path.items() if "{" in path]

    def _methods(self, path: str) -> dict[str, Endpoint[H]] | None:
        if (exact := self._by_path.get(path)) is not None:
            return exact
        given = path.split("/")
        for wanted, methods in self._open:
            if len(wanted) == len(given) and all(
                part != "" if name.startswith("{") else part == name
                for name, part in zip(wanted, given, strict=True)
            ):
                return methods
        return None

    @property
    def authenticated(self) -> frozenset[str]:
        """The templates of the routes that ask who is calling."""
        endpoints = (endpoint for methods in self._by_path.values() for endpoint in methods.values())
        return frozenset(endpoint.template for endpoint in endpoints if endpoint.authenticated)

    def template(self, path: str) -> str:
        """The template that a path falls under; empty if none."""
        endpoints = self._methods(path)
        return next(iter(endpoints.values())).template if endpoints else ""

    def methods(self, path: str) -> tuple[str, ...]:
        """What may be asked of a path. Raises `UnknownRoute`."""
        endpoints = self._methods(path)
        if endpoints is None:
            raise UnknownRoute
        return (*endpoints, "HEAD") if "GET" in endpoints else tuple(endpoints)

    def match(self, method: str, path: str) -> Endpoint[H]:
        """Raises `UnknownRoute` or `MethodNotAllowed`."""
        endpoints = self._methods(path)
        if endpoints is None:
            raise UnknownRoute
        endpoint = endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise MethodNotAllowed(self.methods(path))
        return endpoint
