"""Durable Objects that run and store within a jurisdiction.

https://developers.cloudflare.com/durable-objects/reference/data-location/: one name is another object in each, and an
object never leaves the one it was made in. `wrangler dev` has none of them: what asks for one fails there, and is
refused rather than put elsewhere.
"""

from __future__ import annotations

from typing import Any

from pyodide.ffi import JsException

_NOT_HERE = "not implemented in workerd"


def stub(namespace: Any, name: str, jurisdiction: str) -> Any:
    """The object of that name in that jurisdiction; in none, if it is empty. Raises whatever the platform throws."""
    return (namespace.jurisdiction(jurisdiction) if jurisdiction else namespace).getByName(name)


def has_jurisdictions(namespace: Any) -> bool:
    """Whether this runtime knows any; the one of `wrangler dev` does not."""
    try:
        namespace.jurisdiction("eu")
    except JsException as error:
        return _NOT_HERE not in str(error)
    return True
