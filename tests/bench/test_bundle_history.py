"""What starting cost, as recorded: lines that can be read, oldest first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

from bench.bundle import history
from local.pins import Pins
from local.toolchain import ROOT


def test_every_line_of_the_history_can_be_read_and_they_are_in_order() -> None:
    lines = history()
    assert lines
    assert [line.date for line in lines] == sorted(line.date for line in lines)
    for line in lines:
        date.fromisoformat(line.date)
        assert line.rounds > 0
        assert 0 < line.import_ratio <= line.first_answer_ratio
        assert 0 < line.compressed_bytes < line.raw_bytes


def test_every_limit_has_its_figure_in_the_history() -> None:
    assert set(asdict(Pins.read(ROOT).limits)) <= set(asdict(history()[-1]))
