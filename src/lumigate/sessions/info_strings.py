"""What stands after a fence: the language of a block, and the file it is.

Understood: `python`, `python main.py`, `python:src/main.py`, `src/main.py`, `python title="main.py"` (also `file`,
`filename`, `path`), and braces around it (`{.python file=main.py}`). A language goes by its usual name (`py` is
`python`); one that a file name tells is taken from there where none is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_INFO_CHARS = 256
MAX_LANGUAGE_CHARS = 32
MAX_FILE_CHARS = 255

_ALIASES: Mapping[str, str] = {
    **{"py": "python", "python3": "python", "py3": "python", "pyi": "python"},
    **{"js": "javascript", "mjs": "javascript", "cjs": "javascript", "node": "javascript"},
    **{"ts": "typescript", "mts": "typescript", "cts": "typescript"},
    **{"sh": "shell", "bash": "shell", "zsh": "shell", "console": "shell", "shellsession": "shell"},
    **{"rb": "ruby", "rs": "rust", "golang": "go", "kt": "kotlin", "kts": "kotlin", "hs": "haskell"},
    **{"c++": "cpp", "cc": "cpp", "cxx": "cpp", "hpp": "cpp", "h": "c", "cs": "csharp", "c#": "csharp"},
    **{"yml": "yaml", "md": "markdown", "htm": "html", "ps1": "powershell", "tf": "terraform"},
    **{"dockerfile": "docker", "patch": "diff", "plaintext": "text", "txt": "text"},
}
_KEYED = re.compile(
    r"""(?:^|[\s{,])(?:title|file|filename|path)\s?[=:]\s?(?:"([^"]{1,255})"|'([^']{1,255})'|([^\s"',}]{1,255}))"""
)
_FILE = re.compile(r"[\w@+-][\w@+./\\ -]{0,250}\.[A-Za-z][A-Za-z0-9]{0,9}")
_LANGUAGE = re.compile(r"[A-Za-z][\w+#.-]{0,31}")


def read_info(info: str) -> tuple[str, str]:
    """Language and file name, each empty where the text does not say. Nothing is ever wrong with it."""
    info = info[:MAX_INFO_CHARS].strip()
    file = ""
    if keyed := _KEYED.search(info):
        file = next(value for value in keyed.groups() if value)
        info = info[: keyed.start()] + " " + info[keyed.end() :]
    words = info.strip("{} \t").split()
    first = words[0].lstrip(".") if words else ""
    if ":" in first:  # python:src/main.py
        first, _, named = first.partition(":")
        file = file or (named if _FILE.fullmatch(named) else "")
    elif not file and len(words) > 1 and _FILE.fullmatch(words[1]):
        file = words[1]
    if _FILE.fullmatch(first):  # the file alone
        file, first = file or first, ""
    language = usual_language(first) if _LANGUAGE.fullmatch(first) else ""
    return language or language_of_file(file), file


def usual_language(name: str) -> str:
    """The usual name of a language, in lower case."""
    name = name.strip().lower()[:MAX_LANGUAGE_CHARS]
    return _ALIASES.get(name, name)


def language_of_file(file: str) -> str:
    """What the ending of a file name says; empty if it says nothing."""
    _, dot, ending = file.rpartition(".")
    return usual_language(ending) if dot and ending.isascii() and ending.isalnum() else ""
