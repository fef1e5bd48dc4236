from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.sessions.info_strings import MAX_FILE_CHARS, MAX_LANGUAGE_CHARS, language_of_file, read_info


@pytest.mark.parametrize(
    ("info", "language", "file"),
    [
        ("", "", ""),
        ("python", "python", ""),
        (" Python ", "python", ""),
        ("py", "python", ""),
        ("c++", "cpp", ""),
        ("bash", "shell", ""),
        ("python main.py", "python", "main.py"),
        ("python:src/main.py", "python", "src/main.py"),
        ("src/app.ts", "typescript", "src/app.ts"),
        ("main.py", "python", "main.py"),
        ('python title="a b.py"', "python", "a b.py"),
        ("ts file='x.ts'", "typescript", "x.ts"),
        ("js filename=app.js", "javascript", "app.js"),
        ("{.python path=main.py}", "python", "main.py"),
        ("{.python}", "python", ""),
        ("python {linenos=true}", "python", ""),
        ("python 3.12", "python", ""),
        ("title=only.rb", "ruby", "only.rb"),
        ("🐍", "", ""),
    ],
)
def test_language_and_file_are_read(info: str, language: str, file: str) -> None:
    assert read_info(info) == (language, file)


@given(st.text(max_size=600))
def test_whatever_stands_there_is_bounded(info: str) -> None:
    language, file = read_info(info)
    assert len(language) <= MAX_LANGUAGE_CHARS
    assert len(file) <= MAX_FILE_CHARS
    assert "\n" not in language


@pytest.mark.parametrize(
    ("file", "language"), [("a.go", "go"), ("a", ""), ("a.", ""), ("a.b/c", ""), (".py", "python")]
)
def test_the_ending_of_a_file_tells_its_language(file: str, language: str) -> None:
    assert language_of_file(file) == language
