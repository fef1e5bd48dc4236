"""Every dashboard and every picture of one, as texts by file; the writing of them and the finding of drift."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dashboards import schema
from dashboards.board import Board
from dashboards.boards import access, analytics_engine, cache, explore, models, service, slo, telemetry
from dashboards.boards.limits import Limits
from dashboards.pictures import picture
from slo.build import Sources

ROOT: Final = Path(__file__).parent
GENERATED: Final = ROOT / "generated"
PICTURES: Final = ROOT.parent / "docs" / "dashboards"


def boards(sources: Sources | None = None) -> list[Board]:
    """In the order in which a reader meets them. Raises `NotInCatalog` where a panel asks for what there is not."""
    sources = sources or Sources.load()
    promises, dataset = sources.promises, sources.settings.analytics_engine_dataset
    step = sources.settings.step_seconds
    limits = Limits(promises, sources.settings.runbook_url)
    return [
        service.board(promises, limits, step),
        slo.board(promises, limits, dataset, step),
        models.board(limits),
        cache.board(limits),
        access.board(limits),
        telemetry.board(limits),
        analytics_engine.board(dataset),
        explore.board(),
    ]


def dashboards(sources: Sources | None = None) -> dict[str, dict[str, Any]]:
    """Each dashboard in Grafana's schema, by its file."""
    return {board.file: schema.modern(board.dashboard()) for board in boards(sources)}


def generate() -> dict[Path, str]:
    """Everything that is committed, by its path."""
    found = dashboards()
    files = {GENERATED / name: schema.text(content) for name, content in found.items()}
    pictures = {PICTURES / f"{Path(name).stem}.svg": picture(content) for name, content in found.items()}
    return {**files, **pictures}


def drift(files: Mapping[Path, str]) -> list[Path]:
    """Files that are not what is generated: changed, missing, or left over."""
    there = {path for folder in (GENERATED, PICTURES) if folder.is_dir() for path in folder.iterdir()}
    changed = [path for path, text in files.items() if path not in there or path.read_text("utf-8") != text]
    return sorted([*changed, *(there - set(files))])


def write(files: Mapping[Path, str]) -> list[Path]:
    """Write what changed and take away what is left over. Returns both."""
    changed = drift(files)
    for path in changed:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], "utf-8")
        else:
            path.unlink()
    return changed
