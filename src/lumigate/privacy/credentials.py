"""Keys and tokens: those that their issuers mark, and what stands after a word such as `api_key=`.

A marked one is found wherever it stands. An unmarked one needs its label, and must look made by a machine: letters and
digits, 16 characters or more, of high entropy, and no chain of words. A password, which a person chose, may be
shorter (8), but then has three kinds of characters.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from lumigate.privacy.kinds import Finding, Kind
from lumigate.privacy.labels import secret_label

MAX_TOKEN_CHARS = 400
"""Of a token, other than a JWT."""


def _marked(mark: str, rest: str, *, glue: str = "0-9A-Za-z") -> tuple[str, str]:
    """A mark, searched as plain text first, and an expression with what follows. No sign of `glue` may stand before it.

    Where the rest may hold another mark, `glue` has all its signs: no search then starts inside another's run.
    """
    return mark, rf"{re.escape(mark)}(?<![{glue}]{re.escape(mark)}){rest}"


def _marked_long(mark: str, least: int = 20, before: str = "") -> tuple[str, str]:
    """A mark followed by base64url characters."""
    return _marked(mark, rf"{before}[A-Za-z0-9_-]{{{least},{MAX_TOKEN_CHARS}}}+", glue="0-9A-Za-z_-")


_MARKED = (
    _marked_long(
        "sk-", before=rf"(?=[A-Za-z_-]{{0,{MAX_TOKEN_CHARS}}}+[0-9])"
    ),  # OpenAI, Anthropic, OpenRouter
    *(
        _marked(f"{who}_{mode}_", rf"[A-Za-z0-9]{{16,{MAX_TOKEN_CHARS}}}+")  # Stripe
        for who in ("sk", "rk")
        for mode in ("live", "test")
    ),
    _marked("whsec_", rf"[A-Za-z0-9+/]{{24,{MAX_TOKEN_CHARS}}}+={{0,2}}"),
    *(_marked(f"gh{what}_", rf"[A-Za-z0-9]{{30,{MAX_TOKEN_CHARS}}}+") for what in "pousr"),  # GitHub
    _marked_long("github_pat_"),
    _marked_long("glpat-"),  # GitLab
    _marked("AKIA", r"[A-Z0-9]{16}(?![0-9A-Za-z])"),  # Amazon Web Services
    _marked("ASIA", r"[A-Z0-9]{16}(?![0-9A-Za-z])"),
    _marked_long("xox", 10, before="(?=[abeoprs]-)"),  # Slack
    _marked_long("xapp-", 10),
    _marked("AIza", r"[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),  # Google
    _marked_long("ya29."),
    _marked_long("GOCSPX-"),
    _marked("hf_", rf"[A-Za-z0-9]{{30,{MAX_TOKEN_CHARS}}}+"),  # Hugging Face
    _marked("npm_", r"[A-Za-z0-9]{36}(?![0-9A-Za-z])"),
    _marked_long("pypi-", 50),
    _marked("SG.", r"[A-Za-z0-9_-]{16,32}+\.[A-Za-z0-9_-]{32,64}+"),  # SendGrid
)
_JWT = re.compile(
    r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{8,4096}+\.eyJ[A-Za-z0-9_-]{8,4096}+\.[A-Za-z0-9_-]{8,4096}+"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,24}?PRIVATE KEY(?: BLOCK)?-----"
    # The lines of an encrypted key's header, the lines of the body (a line end may be written as \n), the end.
    r"(?:\s{0,4}+(?:Proc-Type|DEK-Info|Version|Comment): ?[^\r\n\\]{0,80}+(?:\\r)?+(?:\\n)?+){0,4}+"
    r"(?:(?:\s|\\[nr]){0,8}+[A-Za-z0-9+/]{24,128}+={0,2}+){0,256}+"
    r"(?:(?:\s|\\[nr]){0,8}+[A-Za-z0-9+/]{0,128}+={0,2}+(?:\s|\\[nr]){0,8}+(?:=[A-Za-z0-9+/]{4}\s{0,4}+)?+"
    r"-----END [A-Z0-9 ]{0,24}?PRIVATE KEY(?: BLOCK)?-----)?+"
)
_ASSIGNED = re.compile(
    r"[=:は]>?[ \t]{0,3}[\"'`「]?(?:(?:[Bb]earer|[Bb]asic|[Tt]oken) {1,2})?"
    r"(?P<value>[A-Za-z0-9_./+~!#$%^&*@?-]{8,400}+(?:={1,2}+(?![\"'`]?[A-Za-z0-9]))?+)(?![(\[])"
)
_BEARER = re.compile(
    r"earer(?<=[Bb]earer)(?<![0-9A-Za-z][Bb]earer) {1,3}(?P<value>[A-Za-z0-9_./+~-]{16,400}+={0,2}+)"
)
_USER_INFO = re.compile(r"://[^\s/:@\"'<>]{0,64}+:(?P<value>[!-.0-;=?A-~]{1,128}?)@")
_WORDS = re.compile(r"[A-Za-z]+[0-9]{0,2}(?:[_./-]+[A-Za-z]+[0-9]{0,2})*+[_./-]*")
_CLASSES = tuple(re.compile(one) for one in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]"))
_MIN_ENTROPY_BITS = 3.0


def find_private_keys(text: str) -> Iterator[Finding]:
    """Private keys in PEM of a folded text: with the body, as far as there is one."""
    if "-----BEGIN " in text:
        for match in _PRIVATE_KEY.finditer(text):
            yield Finding(Kind.PRIVATE_KEY, match.start(), match.end())


def find_marked(text: str) -> Iterator[Finding]:
    """Keys and tokens of a folded text that are marked as such."""
    for mark, expression in _MARKED:
        if mark in text:
            # Compiled when the mark is first met, and kept by `re`: most are never met.
            for match in re.finditer(expression, text):
                yield Finding(Kind.API_KEY, match.start(), match.end())
    if "eyJ" in text:
        for match in _JWT.finditer(text):
            yield Finding(Kind.JWT, match.start(), match.end())


def find_labelled(text: str) -> Iterator[Finding]:
    """Values of a folded text that the word or sign before them makes secret."""
    for match in _ASSIGNED.finditer(text):
        start, end = match.span("value")
        label = secret_label(text, match.start())
        if label is not None and _is_secret(text[start:end], label):
            yield Finding(Kind.SECRET, start, end)
    if "earer " in text:
        for match in _BEARER.finditer(text):
            if _is_secret(match["value"], "made"):
                yield Finding(Kind.SECRET, match.start("value"), match.end("value"))
    if "://" in text:
        for match in _USER_INFO.finditer(text):
            yield Finding(Kind.SECRET, match.start("value"), match.end("value"))


def _is_secret(value: str, label: str) -> bool:
    if _WORDS.fullmatch(value):
        return False
    classes = sum(one.search(value) is not None for one in _CLASSES)
    if len(value) < 16:
        return label == "chosen" and classes >= 3
    has_both = _CLASSES[2].search(value) is not None and any(one.search(value) for one in _CLASSES[:2])
    return has_both and entropy_bits(value) >= _MIN_ENTROPY_BITS


def entropy_bits(value: str) -> float:
    """Shannon's entropy of the characters of a value, in bits a character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())
