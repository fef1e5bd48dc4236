from __future__ import annotations

from pathlib import Path

import pytest

from local.dev_vars import parse_dev_vars, read_dev_vars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("A = 1 ", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=x # why", {"A": "x"}),
        ("# A=1\n\nB=2", {"B": "2"}),
        ('A="x # y"', {"A": "x # y"}),
        ("A='x \"y\"'", {"A": 'x "y"'}),
        ("A=`x`", {"A": "x"}),
        ('A="one\\ntwo"', {"A": "one\ntwo"}),
        ("A='one\\ntwo'", {"A": "one\\ntwo"}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
        ("nonsense\nA=1", {"A": "1"}),
        ("A=a=b&c", {"A": "a=b&c"}),
        ('A={"x": [1]}', {"A": '{"x": [1]}'}),
        ("", {}),
    ],
)
def test_reads_the_dotenv_format(text: str, expected: dict[str, str]) -> None:
    assert parse_dev_vars(text) == expected


def test_a_folder_without_the_file_has_no_variables(tmp_path: Path) -> None:
    assert read_dev_vars(tmp_path) == {}
    (tmp_path / ".dev.vars").write_text("A=é\n", encoding="utf-8")
    assert read_dev_vars(tmp_path) == {"A": "é"}
