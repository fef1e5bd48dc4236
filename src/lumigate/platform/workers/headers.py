"""Headers of JavaScript as a dict.

By way of a `Map`: whoever sends them names them, and of an object with a member called `constructor` Pyodide makes no
dict.
"""

from __future__ import annotations

from typing import Any

import js


def read_headers(headers: Any) -> dict[str, str]:
    """Every header by its name in lower case. One foreign call for all of them, since each costs microseconds."""
    read: dict[str, str] = js.Map.new(headers.entries()).to_py()
    return read
