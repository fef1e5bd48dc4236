"""Reads `.dev.vars`, the file of local secrets, as wrangler does: the dotenv format.

The grammar is that of the dotenv package which wrangler uses: `NAME=value`, `export` allowed, values bare or in
single, double or back quotes, `#` begins a comment, `\\n` means a new line in double quotes.
"""

from __future__ import annotations

import re
from pathlib import Path

FILE_NAME = ".dev.vars"

_LINE = re.compile(
    r"""
    ^\s*(?:export\s+)?([\w.-]+)\s*=[ \t]*
    ( '(?:\\'|[^'])*' | "(?:\\"|[^"])*" | `(?:\\`|[^`])*` | [^\#\r\n]+ )?
    [ \t]*(?:\#.*)?$
    """,
    re.MULTILINE | re.VERBOSE,
)


def parse_dev_vars(text: str) -> dict[str, str]:
    """The variables in `text`; the last of a name wins, lines that are none are passed over."""
    variables: dict[str, str] = {}
    for name, raw in _LINE.findall(text.replace("\r\n", "\n")):
        value = raw.strip()
        quote = value[:1]
        if quote in ("'", '"', "`") and len(value) > 1 and value.endswith(quote):
            value = value[1:-1]
            if quote == '"':
                value = value.replace("\\n", "\n").replace("\\r", "\r")
        variables[name] = value
    return variables


def read_dev_vars(folder: Path) -> dict[str, str]:
    """The variables in the folder's `.dev.vars`; none where there is no such file."""
    path = folder / FILE_NAME
    return parse_dev_vars(path.read_text(encoding="utf-8")) if path.is_file() else {}
