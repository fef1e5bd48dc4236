"""What the bundle holds and what is wrong with it, for people and for machines."""

from dataclasses import asdict, dataclass
from typing import Any

from local.bundle.stage import Removed
from local.bundle_limits import Limits, Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file that would be uploaded: a dotted name for Python and extension modules, else its path."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """The figures, the list, and one line for each thing that is wrong.

    `weight.compressed_bytes` is one gzip stream over all contents, which is how wrangler counts an upload.
    `start_seconds` is Pyodide's own start in the run that measured `import_seconds`; both are None when
    nothing ran.
    """

    weight: Weight
    limits: Limits
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
            "raw_bytes": self.weight.raw_bytes,
            "compressed_bytes": self.weight.compressed_bytes,
            "memory_bytes": self.weight.memory_bytes,
            "limits": asdict(self.limits),
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
        held = (
            ("modules", self.weight.modules, self.limits.modules, ""),
            ("raw", self.weight.raw_bytes, self.limits.raw_bytes, " bytes"),
            ("compressed", self.weight.compressed_bytes, self.limits.compressed_bytes, " bytes"),
            ("memory", self.weight.memory_bytes, self.limits.memory_bytes, " bytes"),
        )
        rows += [
            "",
            *(
                f"{name:<12} {found:>12,}{unit} ({found / limit:.0%} of the limit)"
                for name, found, limit, unit in held
                if found is not None
            ),
        ]
        if self.import_seconds is not None and self.start_seconds is not None:
            ratio = self.import_seconds / self.start_seconds
            rows.append(
                f"{'import':<12} {ratio:>12.2f} of Pyodide's own start, this once (`lumigate bench bundle`)"
            )
        if self.problems:
            rows += ["", *(f"error: {problem}" for problem in self.problems)]
        return "\n".join(rows)
