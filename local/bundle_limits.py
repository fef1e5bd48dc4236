"""What the bundle may weigh and cost: `[tool.lumigate.bundle.limits]` in pyproject.toml.

Sizes, the number of files and memory come out the same on every machine: `lumigate bundle` holds them. Times do not:
they are ratios to Pyodide's own start in the same process, and `lumigate bench bundle` holds those.
"""

from dataclasses import dataclass

TABLE = "[tool.lumigate.bundle.limits]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most there may be of each.

    `modules` counts uploaded files, `memory_bytes` is the interpreter's whole memory after the start, `import_ratio`
    the import of `entry` and `first_answer_ratio` the import and the first chat completion, both in units of Pyodide's
    own start.
    """

    compressed_bytes: int
    raw_bytes: int
    modules: int
    memory_bytes: int
    import_ratio: float
    first_answer_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What was weighed; `memory_bytes` is None when nothing ran."""

    compressed_bytes: int
    raw_bytes: int
    modules: int
    memory_bytes: int | None


_UNITS = {
    "compressed_bytes": "bytes compressed",
    "raw_bytes": "bytes",
    "modules": "uploaded files",
    "memory_bytes": "bytes of memory after the start",
}


def passed(weight: Weight, limits: Limits) -> list[str]:
    """Return one line for each limit that is passed; it names the setting."""
    return [
        f"{found:,} {unit} pass the limit of {getattr(limits, name):,} ({name} in {TABLE})"
        for name, unit in _UNITS.items()
        if (found := getattr(weight, name)) is not None and found > getattr(limits, name)
    ]
