"""The diff against a strict reader of unified diffs, against `difflib`, and against `patch` where there is one."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.sessions.diff import MAX_EDITS, unified_diff

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def split(text: str) -> list[str]:
    """Lines with their ends; LF ends a line and nothing else does."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def applied(old: str, diff: str) -> str:
    """What a diff makes of a text. Every context line, removed line and count must be right."""
    if not diff:
        return old
    before, after, at = split(old), [], 0
    lines = split(diff)[2:]
    while lines:
        found = _HUNK.fullmatch(lines.pop(0).rstrip("\n"))
        assert found is not None
        start_old, count_old = int(found[1]), int(found[2] or 1)
        start_new, count_new = int(found[3]), int(found[4] or 1)
        begin = start_old - 1 if count_old else start_old
        after.extend(before[at:begin])
        at = begin
        assert len(after) == (start_new - 1 if count_new else start_new)
        while count_old or count_new:
            sign, line = lines[0][0], lines.pop(0)[1:]
            if lines and lines[0].startswith("\\"):
                lines.pop(0)
                line = line.removesuffix("\n")
            if sign in " -":
                assert before[at] == line
                at, count_old = at + 1, count_old - 1
            if sign in " +":
                after.append(line)
                count_new -= 1
    return "".join(after + before[at:])


LINES = st.lists(
    st.sampled_from(["a", "b", "c", "", "\r", "@@ -1 +1 @@", "-x", "\\ No newline", "\x0b"]), max_size=30
)
TEXTS = st.one_of(LINES.map("\n".join), LINES.map(lambda lines: "".join(f"{line}\n" for line in lines)))


@given(TEXTS, TEXTS)
def test_a_diff_makes_the_new_text_of_the_old(old: str, new: str) -> None:
    diff = unified_diff(old, new)
    assert applied(old, diff.text) == new
    assert (diff.text == "") == (old == new)
    body = split(diff.text)[2:]
    assert diff.added == sum(line.startswith("+") for line in body)
    assert diff.removed == sum(line.startswith("-") for line in body)


@given(st.text(alphabet="ab\n", max_size=60), st.text(alphabet="ab\n", max_size=60))
def test_it_is_never_longer_than_that_of_difflib(old: str, new: str) -> None:
    diff = unified_diff(old, new)
    rival = list(difflib.unified_diff(split(old), split(new)))[2:]
    assert diff.added + diff.removed <= sum(line[0] in "+-" for line in rival)


@pytest.mark.skipif(shutil.which("patch") is None, reason="there is no patch on this machine")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\nb\nc\n", "a\nB\nc\n"),
        ("a\nb\nc", "a\nb\nc\n"),
        ("a\nb\nc\n", "a\nb\nc"),
        ("\n".join(map(str, range(100))), "\n".join(str(n) for n in range(100) if n % 30)),
        ("", "a\n"),
        ("a\n", ""),
        ("a\r\nb\r\n", "a\r\nc\r\n"),
    ],
)
def test_patch_takes_it(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "code").write_bytes(old.encode())
    diff = unified_diff(old, new).text
    subprocess.run(
        ["patch", "-p1", "--no-backup-if-mismatch"],  # noqa: S607 - whichever the machine has
        input=diff.encode(),
        cwd=tmp_path,
        check=True,
        timeout=10,
    )
    path = tmp_path / "code"
    assert (path.read_bytes() if path.exists() else b"") == new.encode()


@pytest.mark.skipif(shutil.which("patch") is None, reason="there is no patch on this machine")
def test_patch_finds_a_file_whose_name_has_blanks(tmp_path: Path) -> None:
    path = tmp_path / "my own file.py"
    path.write_bytes(b"a\nb\n")
    diff = unified_diff("a\nb\n", "a\nc\n", old_name=path.name, new_name=path.name).text
    subprocess.run(
        ["patch", "-p1", "--batch"],  # noqa: S607 - whichever the machine has
        input=diff.encode(),
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    assert path.read_bytes() == b"a\nc\n"


def test_what_was_not_there_is_made_of_nothing() -> None:
    diff = unified_diff(None, "a\nb", new_name="main.py")
    assert (
        diff.text == "--- /dev/null\n+++ b/main.py\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n"
    )


def test_changes_far_apart_are_hunks_of_their_own() -> None:
    old = "".join(f"{n}\n" for n in range(40))
    new = old.replace("\n5\n", "\nfive\n").replace("\n30\n", "\nthirty\n")
    assert unified_diff(old, new).text.count("@@ -") == 2


def test_beyond_the_bound_all_lines_between_are_replaced() -> None:
    """And the work is bounded: without the bound this is 40,000 by 40,000 lines."""
    old = "same\n" + "".join(f"old {n}\n" for n in range(40_000)) + "end\n"
    new = "same\n" + "".join(f"new {n}\n" for n in range(40_000)) + "end\n"
    diff = unified_diff(old, new)
    assert (diff.added, diff.removed) == (40_000, 40_000)
    assert applied(old, diff.text) == new


def test_at_the_bound_the_diff_is_the_shortest() -> None:
    old = "".join(f"{n}\n" for n in range(2000))
    new = "".join(f"{n}\n" for n in range(2000) if n % 2000 // 4 * 4 != n)  # 500 lines less
    diff = unified_diff(old, new)
    assert (diff.added, diff.removed) == (0, MAX_EDITS)
    assert applied(old, diff.text) == new


@given(LINES, LINES, st.integers(0, 3), st.integers(0, 3))
def test_lines_that_are_repeated_are_counted(
    around: list[str], within: list[str], once: int, again: int
) -> None:
    """What both begin with and what both end with may be the same lines."""

    def text(times: int) -> str:
        return "".join(f"{line}\n" for line in [*around, *within * times, *around])

    assert applied(text(once), unified_diff(text(once), text(again)).text) == text(again)


@pytest.mark.parametrize(("between", "hunks"), [(6, 1), (7, 2)])
def test_changes_whose_contexts_touch_go_together(between: int, hunks: int) -> None:
    old = ["first", *map(str, range(between)), "last"]
    new = ["1st", *map(str, range(between)), "nth"]
    diff = unified_diff("\n".join(old) + "\n", "\n".join(new) + "\n").text
    assert (
        diff.count("@@ -")
        == hunks
        == len(list(difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(3)))
    )
