"""Whether a request may be answered from the cache and its answer kept, and for how long. Pure.

The caller's wishes are RFC 9111's request directives (section 5.2.1) and two headers of our own; the operator's rules
are `CacheRules`. A fresh answer that the caller asked for (`no-cache`) is kept for others; one that must not be stored
(`no-store`) is not looked for either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from lumigate.cache.entry import MAX_TAGS
from lumigate.cache.settings import MAX_TTL_SECONDS, CacheRules
from lumigate.errors import InvalidRequest
from lumigate.llm.chat import ChatRequest

TTL_HEADER = "x-lumigate-cache-ttl"
TAG_HEADER = "x-lumigate-cache-tag"
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_RUN_THERE = ("web_search_options", "plugins", "mcp_servers")
"""Parameters by which a provider acts while it answers, with no tool on the list."""
_DEFAULT_TEMPERATURE = 1.0
"""What a request that names none is answered with, at OpenAI and Anthropic alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What may be done for one request. `reason` says why something may not, for the span."""

    reads: bool = False
    writes: bool = False
    reason: str = ""
    ttl_seconds: float = 0
    max_age_seconds: int | None = None
    keeps_tool_calls: bool = True
    tags: tuple[str, ...] = ()

    def accepts(self, age_seconds: int, *, is_fresh: bool) -> bool:
        """Whether an answer of that age is young enough for the caller; one who names an age wants no stale one."""
        if self.max_age_seconds is None:
            return True
        return is_fresh and age_seconds <= self.max_age_seconds


def rule(rules: CacheRules, chat: ChatRequest, headers: Mapping[str, str], *, longest_seconds: int) -> Ruling:
    """`longest_seconds` is how long the slowest tier there is keeps an answer.

    Raises `InvalidRequest` for a header of ours that makes no sense.
    """
    wishes = _directives(headers.get("cache-control", ""))
    ttl_seconds = _ttl(headers.get(TTL_HEADER))
    tags = _tags(headers.get(TAG_HEADER))
    if "no-store" in wishes:
        return Ruling(reason="no-store")
    if reason := _uncacheable(rules, chat):
        return Ruling(reason=reason)
    kept_seconds = min(longest_seconds if rules.ttl_seconds is None else rules.ttl_seconds, longest_seconds)
    if ttl_seconds is not None:
        kept_seconds = min(ttl_seconds, longest_seconds)
    max_age = wishes.get("max-age")
    no_cache = "no-cache" in wishes or max_age == 0
    return Ruling(
        reads=not no_cache,
        writes=kept_seconds > 0,
        reason="no-cache" if no_cache else "",
        ttl_seconds=kept_seconds,
        max_age_seconds=max_age,
        keeps_tool_calls=rules.tools == "always" or _all_safe(rules, _as_it_came(chat).get("tools")),
        tags=tags,
    )


def _uncacheable(rules: CacheRules, chat: ChatRequest) -> str:
    if not rules.enabled:
        return "route"
    temperature = _DEFAULT_TEMPERATURE if chat.temperature is None else chat.temperature
    if temperature > rules.max_temperature and chat.operation == "chat":
        return "temperature"
    if chat.stream and not rules.streams:
        return "stream"
    body = _as_it_came(chat)
    # An empty object is a wish as well: OpenAI's own example of a search with the usual options.
    if rules.tools != "always" and any(body.get(name) not in (None, []) for name in _RUN_THERE):
        return "tools"
    if rules.tools == "always" or not (tools := body.get("tools")):
        return ""
    if rules.tools == "never":
        return "tools"
    return "" if _all_local(rules, tools) else "tools"


def _as_it_came(chat: ChatRequest) -> Mapping[str, Any]:
    """The request in the caller's words: canonical form may not be able to say all of it."""
    return chat.body if chat.native is None else chat.native


def _all_local(rules: CacheRules, tools: Any) -> bool:
    """Whether the caller runs every tool itself. What a provider runs (a search, code) acts while it answers."""
    if not isinstance(tools, list):
        return False
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in (None, "function", "custom") and not _is_safe(rules, str(kind)):
            return False
    return True


def _all_safe(rules: CacheRules, tools: Any) -> bool:
    """Whether an answer that calls a tool may be given twice: every tool on offer is named as safe."""
    if not isinstance(tools, list):
        return not tools
    return all(_is_safe(rules, _tool_name(tool)) for tool in tools)


def _tool_name(tool: Any) -> str:
    """OpenAI's stand inside a function, Anthropic's do not."""
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def _is_safe(rules: CacheRules, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in rules.safe_tools)


def _directives(header: str) -> dict[str, int | None]:
    """The directives, and the seconds of those that have some. What makes no sense counts as not said (RFC 9111)."""
    found: dict[str, int | None] = {}
    for part in header.lower().split(",") if header else ():
        name, _, value = part.strip().partition("=")
        value = value.strip().strip('"')
        seconds = int(value) if value.isascii() and value.isdigit() and len(value) < 12 else None
        if name != "max-age" or seconds is not None:
            found[name] = seconds
    return found


def _ttl(header: str | None) -> int | None:
    if header is None:
        return None
    text = header.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= MAX_TTL_SECONDS):
        raise InvalidRequest(f"must be a whole number of seconds, 0 to {MAX_TTL_SECONDS}", param=TTL_HEADER)
    return int(text)


def _tags(header: str | None) -> tuple[str, ...]:
    if header is None:
        return ()
    tags = sorted({tag.strip() for tag in header.split(",") if tag.strip()})
    if len(tags) > MAX_TAGS or not all(_TAG.fullmatch(tag) for tag in tags):
        raise InvalidRequest(
            f"must be at most {MAX_TAGS} tags, separated by commas, each of 1 to 64 letters, digits and ._:/-",
            param=TAG_HEADER,
        )
    return tuple(tags)


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None
