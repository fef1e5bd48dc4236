"""promtool, Prometheus and Alertmanager, as far as they are installed; tests that need one say so when it is not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.rules import Group, rule_file

HINT = "is missing: apt-get install --no-install-recommends prometheus prometheus-alertmanager"


def tool(*names: str) -> str:
    """The path of the first of these programs that is there; skips the test where none is."""
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip(f"{names[0]} {HINT}")


def promtool() -> str:
    return tool("promtool")


def run(*command: str | Path) -> str:
    """Run a command that must succeed; its output."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def expect(expr: str, at: str, value: float | None, labels: str = "{}") -> dict[str, Any]:
    """An expectation of one sample, or (None) of nothing."""
    samples = [] if value is None else [{"labels": labels, "value": value}]
    return {"expr": expr, "eval_time": at, "exp_samples": samples}


def evaluate(
    folder: Path,
    groups: Iterable[Group],
    series: Mapping[str, str],
    expectations: list[dict[str, Any]],
    *,
    usual: Iterable[Mapping[str, Any]] = (),
    interval: str = "1m",
    scraped: str | None = None,
) -> None:
    """Play `series` to the groups, and to the `usual` rules beside them; every expectation must hold exactly.

    Rules are evaluated every `interval`; there is a sample every `scraped`, the same unless said.
    """
    (folder / "rules.yaml").write_text(rule_file(groups))
    content = {"groups": [{"name": "usual", "rules": [dict(rule) for rule in usual]}]}
    (folder / "usual.yaml").write_text(yaml.safe_dump(content))
    test = {
        "rule_files": ["rules.yaml", "usual.yaml"],
        "evaluation_interval": interval,
        "tests": [
            {
                "interval": scraped or interval,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": expectations,
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test, sort_keys=False))
    run(promtool(), "test", "rules", folder / "test.yaml")
