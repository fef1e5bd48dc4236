from __future__ import annotations

from pathlib import Path

import pytest

from bench import first_request
from bench.first_request import NoFirstRequest, measure


def test_the_way_from_a_clone_to_an_answer_is_measured_part_by_part() -> None:
    rows = measure()
    assert [row["name"].split(",")[0] for row in rows] == [
        "git clone",
        "uv sync",
        "lumigate dev",
        "and until a chat completion is answered",
    ]
    assert 0 < rows[2]["seconds"] < rows[3]["seconds"]


def test_where_it_stops_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_request, "ROOT", tmp_path)
    with pytest.raises(NoFirstRequest, match="git clone"):
        measure()
