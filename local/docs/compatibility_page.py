"""`docs/compatibility.md`: which packages run on Python Workers, out of what trying them found."""

from __future__ import annotations

from local.compat.packages import Outcome, Result, groups, results
from local.pins import Pins
from local.toolchain import ROOT

_HEADER = """\
# Packages on Python Workers

Tried, not guessed: each was installed from PyPI for the platform of the Worker (`{tag}`, Python {version}; wheels only,
with everything it needs), imported under the rules of a starting Worker and then used once, in Pyodide. Generated
by `uv run lumigate docs build` from [`local/compat`](../local/compat); `uv run lumigate docs try` tries all of them
again, and the test suite a few.

- **works**: imported, and the use in [`packages.toml`](../local/compat/packages.toml) ran.
- **imports**: imported; what it is for needs a network or an account and was not tried.
- **use fails**, **import fails**: so far it came; the reason is what Python said (under Node).
- **no wheel**: PyPI has none for this platform, of the package or of one that it needs.

A blocking client cannot work, whatever it imports: there are no threads, and I/O is awaited. What uses C libraries
needs a wheel of its own platform.
"""


def compatibility_page() -> str:
    """The whole page."""
    found = results()
    wheels = Pins.read(ROOT).wheels
    parts = [_HEADER.format(tag=wheels.tag, version=wheels.python_version)]
    for group in groups():
        rows = "".join(
            f"| `{package.name}` | {_row(found[package.name])} |\n"
            for package in group.packages
            if package.name in found
        )
        parts.append(
            f"## {group.name}\n\n{group.instead}\n\n"
            f"| package | version | result | size | what happened |\n| --- | --- | --- | --- | --- |\n{rows}"
        )
    return "\n".join(parts)


def _row(result: Result) -> str:
    size = f"{result.installed_bytes / 1e6:.1f} MB" if result.installed_bytes else ""
    strong = result.outcome in {Outcome.WORKS, Outcome.IMPORTS}
    outcome = result.outcome.value if strong else f"**{result.outcome.value}**"
    said = result.detail.replace("`", "'").replace("|", "\\|")
    return " | ".join((result.version, outcome, size, f"`{said}`" if said else ""))
