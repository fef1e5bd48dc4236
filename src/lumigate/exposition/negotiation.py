"""Which text format a scraper is answered in, by its Accept header (RFC 9110, section 12.5.1).

Names are escaped with underscores unless the deployment turns UTF-8 names on: a scraper of version 3 asks for them
without being told to, and they would be other names than the ones OTLP, the dashboards and the rules have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_TEXT: Final = "text/plain"
_OPEN_METRICS: Final = "application/openmetrics-text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format that can be answered."""

    open_metrics: bool
    utf8: bool = False
    version: str = "0.0.4"

    @property
    def content_type(self) -> str:
        """The header of the answer."""
        kind = _OPEN_METRICS if self.open_metrics else _TEXT
        escaping = "allow-utf-8" if self.utf8 else "underscores"
        return f"{kind}; version={self.version}; charset=utf-8; escaping={escaping}"


TEXT: Final = Format(open_metrics=False)
OPEN_METRICS: Final = Format(open_metrics=True, version="1.0.0")

_VERSIONS: Final = {
    _TEXT: {"": "0.0.4", "0.0.4": "0.0.4", "1.0.0": "1.0.0"},
    _OPEN_METRICS: {"": "1.0.0", "0.0.1": "0.0.1", "1.0.0": "1.0.0"},
}


def negotiate(accept: str | None, *, utf8: bool = False) -> Format:
    """The format the scraper likes best of those there are; the old text format if it names none of them.

    `utf8`: whether UTF-8 names may be given to who asks for `escaping=allow-utf-8`.
    """
    best, best_rank = TEXT, (0.0, 0)
    for entry in (accept or "").split(","):
        media_type, *parameters = (part.strip().lower() for part in entry.split(";"))
        given: dict[str, str] = {}
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            given[name.strip()] = value.strip().strip('"')
        found = _format(media_type, given, utf8=utf8)
        quality = _quality(given.get("q"))
        if found is None or quality <= 0:
            continue
        rank = (quality, _precision(media_type))
        if rank > best_rank:  # of equals, the first named
            best, best_rank = found, rank
    return best


def _format(media_type: str, given: dict[str, str], *, utf8: bool) -> Format | None:
    if media_type in {"*/*", "text/*"}:
        return TEXT
    if media_type == "application/*":
        return OPEN_METRICS
    version = _VERSIONS.get(media_type, {}).get(given.get("version", ""))
    if version is None:
        return None
    allowed = utf8 and version == "1.0.0" and given.get("escaping") == "allow-utf-8"
    if media_type == _TEXT and not allowed:
        return TEXT
    return Format(open_metrics=media_type == _OPEN_METRICS, utf8=allowed, version=version)


def _precision(media_type: str) -> int:
    return 1 if media_type == "*/*" else 2 if media_type.endswith("/*") else 3


def _quality(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
