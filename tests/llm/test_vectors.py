"""What may be embedded: text, texts, tokens, lists of tokens, each within OpenAI's bounds."""

from __future__ import annotations

from typing import Any

import pytest

from lumigate.errors import InvalidRequest
from lumigate.llm.vectors import MAX_INPUTS, MAX_TOKENS, check_input


@pytest.mark.parametrize(
    "given",
    ["x", ["x", "y"], [1, 2], [[1, 2], [3]], [7] * 8192, ["x"] * MAX_INPUTS, [0]],
    ids=lambda g: str(g)[:12],
)
def test_text_and_tokens_are_taken(given: Any) -> None:
    check_input({"input": given})


@pytest.mark.parametrize(
    "given",
    [
        *(
            None,
            "",
            [],
            5,
            {},
            [""],
            [None],
            [{}],
            [[]],
            [["x"]],
            [True],
            [[True]],
            [-1],
            [[-1]],
            [1.5],
            [2**31],
        ),
        *([1, "x"], ["x"] * (MAX_INPUTS + 1), [1] * (MAX_TOKENS + 1)),
    ],
    ids=lambda g: str(g)[:12],
)
def test_anything_else_is_refused_with_its_place(given: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_input({"input": given})
    assert (caught.value.param or "").startswith("input")
