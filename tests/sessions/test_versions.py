from __future__ import annotations

from lumigate.sessions.fences import Block
from lumigate.sessions.versions import Version, choose_block, next_version


def block(text: str, language: str = "", file: str = "") -> Block:
    return Block(language=language, file=file, text=text, closed=True)


def version(text: str = "x\n", language: str = "python", file: str = "main.py", number: int = 3) -> Version:
    return Version(number=number, turn=2, source="model", text=text, language=language, file=file)


def test_the_file_of_the_last_version_goes_before_everything() -> None:
    blocks = [block("long " * 50, "python", "other.py"), block("x\n", "python", "main.py")]
    assert choose_block(blocks, version()) is blocks[1]


def test_the_longest_in_the_language_of_the_last_version_goes_before_longer_ones() -> None:
    blocks = [block("long " * 50, "shell"), block("a\n", "python"), block("ab\n", "python")]
    assert choose_block(blocks, version()) is blocks[2]


def test_without_either_it_is_the_longest() -> None:
    blocks = [block("a\n", "go"), block("ab\n", "rust")]
    assert choose_block(blocks, version()) is blocks[1]
    assert choose_block(blocks, None) is blocks[1]


def test_of_two_as_long_it_is_the_first() -> None:
    blocks = [block("a\n"), block("b\n")]
    assert choose_block(blocks, None) is blocks[0]


def test_empty_blocks_and_diffs_are_no_code() -> None:
    assert choose_block([block(""), block(" \n"), block("+x\n-y\n", "diff")], version()) is None
    assert choose_block([], None) is None


def test_the_same_code_is_no_new_version() -> None:
    last = version()
    for language, file in (("", ""), ("python", ""), ("python", "main.py")):
        assert next_version(last, turn=4, source="model", text="x\n", language=language, file=file) is None


def test_what_is_not_named_stays_as_it_was() -> None:
    following = next_version(version(), turn=4, source="caller", text="y\n", language="", file="")
    assert following == Version(
        number=4, turn=4, source="caller", text="y\n", language="python", file="main.py"
    )


def test_in_another_language_it_is_not_the_same_file() -> None:
    following = next_version(version(), turn=4, source="model", text="y\n", language="go", file="")
    assert following is not None
    assert (following.language, following.file) == ("go", "")


def test_the_first_version_is_number_one() -> None:
    first = next_version(None, turn=1, source="model", text="", language="", file="")
    assert first is not None
    assert first.number == 1


def test_a_version_survives_being_written_down() -> None:
    for one in (version(), version(language="", file="")):
        assert Version.from_document(one.to_document()) == one


def told_by_model(last: Version, text: str, language: str = "") -> Version | None:
    return next_version(last, turn=9, source="model", text=text, language=language, file="")


def test_a_models_version_keeps_the_line_ends_of_the_one_before() -> None:
    written = told_by_model(version("a\r\nb\r\n"), "a\nc\n")
    assert written is not None
    assert written.text == "a\r\nc\r\n"
    assert told_by_model(version("a\r\nb\r\n"), "a\nb\n") is None


def test_mixed_line_ends_are_nobodys() -> None:
    written = told_by_model(version("a\r\nb\n"), "a\nc\n")
    assert written is not None
    assert written.text == "a\nc\n"


def test_a_file_whose_language_nobody_said_is_the_same_file_when_a_language_is_said() -> None:
    written = told_by_model(version("a\n", language=""), "b\n", "python")
    assert written is not None
    assert (written.language, written.file) == ("python", "main.py")
