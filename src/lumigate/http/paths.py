"""Paths with something in the middle that names one thing of many: `/sessions/{id}/messages`.

What stands there may be a capability or personal data, so telemetry gets a path with the name of the part in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

_PRIVATE: Mapping[str, str] = {"/sessions/": "{id}", "/admin/subjects/": "{subject}"}
_SESSION_ID = re.compile(r"ses_[A-Za-z0-9_-]{22,}")


def parameter(template: str, path: str, name: str) -> str:
    """What stands in a path for `{name}` of its template, percent-decoded; empty where the template has none."""
    for wanted, given in zip(template.split("/"), path.split("/"), strict=False):
        if wanted == f"{{{name}}}":
            return unquote(given)
    return ""


def shown_path(path: str) -> str:
    """The path as telemetry may have it, whether there is such a route or not."""
    for prefix, name in _PRIVATE.items():
        if path.startswith(prefix):
            _, slash, rest = path[len(prefix) :].partition("/")
            path = f"{prefix}{name}{slash}{rest}"
    return _SESSION_ID.sub("{id}", path) if "ses_" in path else path
