from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.sessions.fences import MAX_BLOCKS, Block, fenced_blocks


def block(text: str, language: str = "", file: str = "", *, closed: bool = True) -> Block:
    return Block(language=language, file=file, text=text, closed=closed)


ANSWERS: dict[str, tuple[str, list[Block]]] = {
    "nothing": ("", []),
    "text alone": ("Use `x = 1` and `y`.\n\n    indented code is no fence\n", []),
    "one block": ("Here:\n```python\nx = 1\n```\nDone.", [block("x = 1\n", "python")]),
    "several languages": (
        "```py\na\n```\ntext\n```ts\nb\n```\n",
        [block("a\n", "python"), block("b\n", "typescript")],
    ),
    "a file name": ("```python src/main.py\nx\n```", [block("x\n", "python", "src/main.py")]),
    "tildes": ("~~~rust\nfn main() {}\n~~~", [block("fn main() {}\n", "rust")]),
    "tildes hold backticks": ("~~~\n```\n~~~", [block("```\n")]),
    "a backtick in the words after tildes": ("~~~ a`b\nx\n~~~", [block("x\n")]),
    "a backtick in the words after backticks": ("```a`b\nx\n", []),
    "a longer fence": ("````md\n```python\nx\n```\n````", [block("```python\nx\n```\n", "markdown")]),
    "the same fence inside Markdown": (
        "```markdown\n# Use\n```sh\nrun\n```\nend\n```\nafter",
        [block("# Use\n```sh\nrun\n```\nend\n", "markdown")],
    ),
    "the same fence inside another language": (
        '```python\ns = """\n```js\n```\nafter',
        [block('s = """\n```js\n', "python")],
    ),
    "a longer end": ("```\nx\n`````\n", [block("x\n")]),
    "a shorter end is none": ("````\nx\n```\n", [block("x\n```\n", closed=False)]),
    "an end with words is none": ("```\nx\n``` y\n```", [block("x\n``` y\n")]),
    "unclosed": ("```go\nfunc", [block("func\n", "go", closed=False)]),
    "unclosed and empty": ("```go", [block("", "go", closed=False)]),
    "empty": ("```\n```", [block("")]),
    "indented in a list": (
        "1. Do:\n   ```python\n   if x:\n       y\n   ```\n",
        [block("if x:\n    y\n", "python")],
    ),
    "on the line of a list's mark": (
        "- ```python\n  if x:\n      y\n  ```\nThen:\n```js\nz\n```\n",
        [block("if x:\n    y\n", "python"), block("z\n", "javascript")],
    ),
    "on the line of a numbered mark": (
        "10. ```sh\n    run\n    ```\n11) ~~~\n    b\n    ~~~\n",
        [block("run\n", "shell"), block("b\n")],
    ),
    "an end that stands too far in is none": ("```\nx\n    ```\ny\n```", [block("x\n    ```\ny\n")]),
    "an end that stands a little in is one": ("```\nx\n   ```\ny\n", [block("x\n")]),
    "a mark before a fence ends nothing": ("```\n- ```\n```\n", [block("- ```\n")]),
    "a mark before a fence inside Markdown": (
        "```md\n- ```sh\n  run\n  ```\n- ```\n```\n",
        [block("- ```sh\n  run\n  ```\n- ```\n", "markdown")],
    ),
    "less indented than its beginning": ("   ```\n x\ny\n```", [block("x\ny\n")]),
    "windows line ends": ("```python\r\nx = 1\r\n```\r\n", [block("x = 1\n", "python")]),
    "an unusual line separator is content": ("```\na\u2028b\x0bc\n```", [block("a\u2028b\x0bc\n")]),
    "blank lines stay": ("```\n\na\n\n```", [block("\na\n\n")]),
    "one after the other": ("```\na\n```\n```\nb\n```", [block("a\n"), block("b\n")]),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_blocks_of_an_answer_are_found(name: str) -> None:
    answer, expected = ANSWERS[name]
    assert fenced_blocks(answer) == expected


HOSTILE = st.text(alphabet="`~ \n\t-1.ab.py:={}\"'\r", max_size=300)


@given(HOSTILE)
def test_hostile_text_gives_blocks_whose_lines_are_its_own(text: str) -> None:
    lines = {line.removesuffix("\r").strip(" \t") for line in text.split("\n")}
    for found in fenced_blocks(text):
        assert found.text == "" or found.text.endswith("\n")
        assert {line.strip(" \t") for line in found.text.split("\n")[:-1]} <= lines
    assert all(found.closed for found in fenced_blocks(text)[:-1])


@given(
    st.lists(
        st.tuples(st.sampled_from(["python", "go", ""]), st.text(alphabet="ab`~\n x", max_size=60)),
        max_size=5,
    )
)
def test_code_in_a_fence_longer_than_any_in_it_comes_back_as_it_was(blocks: list[tuple[str, str]]) -> None:
    answer = ""
    for language, code in blocks:
        fence = "`" * 70
        answer += f"words\n{fence}{language}\n{code}\n{fence}\n"
    assert [(b.language, b.text) for b in fenced_blocks(answer)] == [
        (lang, f"{code}\n") for lang, code in blocks
    ]


@pytest.mark.parametrize(
    "text",
    [
        "`" * 1_000_000,
        "```" + "`~ " * 300_000,
        "\n```a" * 200_000,
        "```markdown\n" + "```a\n" * 200_000,
        " " * 1_000_000 + "```",
        ("```" + "title='" * 100 + "\n```\n") * 2000,
        ("```" + "a." * 120 + "\n") * 5000,
        "- " * 500_000,
    ],
    ids=["run", "mixed", "openings", "nested", "blanks", "titles", "dots", "marks"],
)
def test_a_megabyte_of_hostile_text_is_read_to_its_end(text: str) -> None:
    """Each of these took minutes, or raised, with a parser that looks back."""
    assert len(fenced_blocks(text)) <= MAX_BLOCKS
