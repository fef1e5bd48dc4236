"""What the bundle holds and what is wrong with it, for people and for machines."""

from dataclasses import dataclass
from typing import Any

from local.bundle.stage import Removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file that would be uploaded: a dotted name for Python and extension modules, else its path."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """The figures, the list, and one line for each thing that is wrong.

    `compressed_bytes` is one gzip stream over all contents, which is how wrangler counts an upload.
    `start_seconds` is Pyodide's own start in the run that measured `import_seconds`; both are None when
    nothing ran.
    """

    raw_bytes: int
    compressed_bytes: int
    budget_compressed_bytes: int
    modules: tuple[Module, ...]
    removed: tuple[Removed, ...]
    missing: tuple[str, ...]
    import_seconds: float | None
    start_seconds: float | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Return whether this may be deployed."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON's types."""
        return {
            "ok": self.ok,
            "raw_bytes": self.raw_bytes,
            "compressed_bytes": self.compressed_bytes,
            "budget_compressed_bytes": self.budget_compressed_bytes,
            "modules": [{"name": module.name, "bytes": module.bytes} for module in self.modules],
            "missing": list(self.missing),
            "import_seconds": self.import_seconds,
            "start_seconds": self.start_seconds,
            "removed": [{"path": it.path, "bytes": it.bytes, "reason": it.reason} for it in self.removed],
            "problems": list(self.problems),
        }

    def as_text(self) -> str:
        """Return the report for a terminal: every module, what stayed behind by reason, totals, problems."""
        rows = [f"{module.bytes:>12,}  {module.name}" for module in self.modules]
        by_reason: dict[str, int] = {}
        for item in self.removed:
            by_reason[item.reason] = by_reason.get(item.reason, 0) + item.bytes
        rows += ["", "left out:"]
        rows += [
            f"{size:>12,}  {reason}" for reason, size in sorted(by_reason.items(), key=lambda it: -it[1])
        ]
        rows += [
            "",
            f"modules      {len(self.modules):>12,}",
            f"raw          {self.raw_bytes:>12,} bytes",
            f"compressed   {self.compressed_bytes:>12,} bytes"
            f" ({self.compressed_bytes / self.budget_compressed_bytes:.0%} of the budget)",
        ]
        if self.import_seconds is not None and self.start_seconds is not None:
            own = f"Pyodide's own start {self.start_seconds:.2f} s"
            rows.append(f"import       {self.import_seconds:>12.2f} s ({own})")
        if self.problems:
            rows += ["", *(f"error: {problem}" for problem in self.problems)]
        return "\n".join(rows)
