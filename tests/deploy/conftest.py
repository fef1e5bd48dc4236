"""A place where Terraform evaluates without a provider."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "deploy" / "terraform"


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """The part that needs no provider: the variables with their validations, and every name made from them."""
    folder = tmp_path / "deploy" / "terraform"
    folder.mkdir(parents=True)
    for name in ("variables.tf", "locals.tf"):
        shutil.copy(TERRAFORM / name, folder)
    for name in ("slo", "dashboards"):
        (tmp_path / name).symlink_to(ROOT / name)
    return folder
