"""Generated documents: they are what the sources generate, and leave nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.docs import command
from local.docs.telemetry_page import telemetry_page
from local.toolchain import ROOT
from lumigate import catalog
from lumigate.exposition.names import prometheus_name
from lumigate.telemetry import SELF_ATTRIBUTES


@pytest.mark.parametrize("path", sorted(command._documents()), ids=lambda path: path.name)
def test_a_committed_document_is_what_the_sources_generate(path: Path) -> None:
    made = command._documents()[path]()
    assert path.read_text(encoding="utf-8") == made, "run `uv run lumigate docs build`"


def test_the_telemetry_page_has_every_thing_that_is_declared() -> None:
    page = telemetry_page()
    for metric in catalog.METRICS:
        assert f"### `{metric.name}`" in page
        assert f"`{prometheus_name(metric)}" in page
        section = page.partition(f"### `{metric.name}`\n")[2].partition("\n### ")[0]
        for attribute in metric.attributes:
            row = next(line for line in section.splitlines() if line.startswith(f"| `{attribute.key}` |"))
            assert all(f"`{value}`" in row for value in attribute.values or ())
        assert all(f"{bound:g}" in section for bound in metric.buckets)
    for span in catalog.SPANS:
        section = page.partition(f"### `{span.name}`\n")[2].partition("\n### ")[0]
        assert all(f"| `{attribute.key}` |" in section for attribute in span.attributes)
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for field in catalog.WIDE_EVENT:
        assert any(row.startswith(f"| `{field.name}` |") for row in rows)
    for column in catalog.DATA_POINT:
        assert any(row.startswith(f"| `{column.column}` | `{column.name}` |") for row in rows)
    for attribute in SELF_ATTRIBUTES:
        assert any(row.startswith(f"| `{attribute.key}` |") for row in rows)


def test_every_table_row_has_as_many_cells_as_its_header() -> None:
    """A `|` in a description would break the table without anybody seeing it."""
    cells = 0
    for line in telemetry_page().splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        count = line.replace("\\|", "").count("|")
        assert count == (cells or count), line
        cells = count


def test_a_drift_is_named_and_building_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from local import cli

    path = tmp_path / "page.md"
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "_documents", lambda: {path: lambda: "made\n"})
    assert cli.main(["docs", "check"]) == 1
    assert "page.md: not what the sources generate" in capsys.readouterr().err
    assert cli.main(["docs", "build"]) == 0
    assert path.read_text() == "made\n"
    assert cli.main(["docs", "check"]) == 0


def test_the_checkout_is_where_the_documents_are() -> None:
    assert all(path.is_relative_to(ROOT / "docs") for path in command._documents())
