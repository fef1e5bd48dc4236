from __future__ import annotations

import pytest

from tests.commands import is_understood, lumigate_calls


@pytest.mark.parametrize(
    ("shell", "calls"),
    [
        ("uv run lumigate dev --traffic 20   # start it", [["dev", "--traffic", "20"]]),
        ("A=1 B=x uv run lumigate slo status --json > out.json", [["slo", "status", "--json"]]),
        ("url=$(uv run lumigate preview deploy --number 7)", [["preview", "deploy", "--number", "7"]]),
        (
            "uv run lumigate slo status \\\n  --slo availability | head",
            [["slo", "status", "--slo", "availability"]],
        ),
        ("npm ci && uv run lumigate bundle && ls", [["bundle"]]),
        ("# uv run lumigate nothing", []),
        ("cd lumigate\nls", []),
        ("uv run lumigate token --claim 'a=b c'", [["token", "--claim", "a=b c"]]),
    ],
)
def test_calls_are_found_in_shell(shell: str, calls: list[list[str]]) -> None:
    assert lumigate_calls(shell) == calls


def test_only_what_exists_is_understood() -> None:
    assert is_understood(["slo", "check"])
    assert is_understood(["rollout", "start", "--steps", "50,100"])
    assert not is_understood(["slo", "chekc"])
    assert not is_understood(["rollout", "start", "--steps", "50"])
    assert not is_understood(["nothing"])
    assert not is_understood([])
