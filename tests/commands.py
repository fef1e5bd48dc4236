"""Shell as documents show it and workflows run it: which of our commands it calls, and whether they exist."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import re
import shlex

from local import cli

_CONTINUED = re.compile(r"\\\n\s*")
_OF_THE_MACHINE = re.compile("HOME|LANG|LC_.*|LD_.*|FAKETIME.*|PATH|SYSTEMROOT|TMPDIR|TZ")
_ENDS = ("|", ">", ">>", "2>", "&&", "||", ";", "&", ")", "#")


def plain_environ(**more: str) -> dict[str, str]:
    """What a program of the machine needs of the environment, and nothing that would be a setting of ours."""
    return {name: value for name, value in os.environ.items() if _OF_THE_MACHINE.fullmatch(name)} | more


def lumigate_calls(shell: str) -> list[list[str]]:
    """The arguments of each `uv run lumigate …` or `lumigate …` in the text, in order."""
    found = []
    for line in _CONTINUED.sub(" ", shell).splitlines():
        code = line.strip()
        for start in re.finditer(r"(?:^|[(`;|&]|\s)(?:uv run )?lumigate(?=\s|$)", code):
            before = code[: start.start()]
            if "#" in before or before.rstrip().endswith(("npx", "cd", "git clone")):
                continue
            found.append(_words(code[start.end() :]))
    return found


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|;&()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in _ENDS or word.startswith((">", "<")):
            break
        words.append(word.rstrip("`"))
    return words


def parse(words: list[str]) -> argparse.Namespace:
    """What our command line makes of them. Raises SystemExit where it refuses them, KeyError for no such command."""
    module = importlib.import_module(cli.COMMANDS[words[0]][0])
    parser = argparse.ArgumentParser(prog=f"lumigate {words[0]}", exit_on_error=False)
    module.add_arguments(parser)
    return parser.parse_args(words[1:])


def is_understood(words: list[str], *, in_passing: bool = False) -> bool:
    """Whether a call would get past its arguments. One that is named in passing may leave out what it requires."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parse(words)
    except (SystemExit, KeyError, argparse.ArgumentError, IndexError) as error:
        words_of_argparse = f"{said.getvalue()} {error}"
        return in_passing and bool(
            re.search(r"arguments? .*(?:is|are) required|are required: ", words_of_argparse)
        )
    return True
