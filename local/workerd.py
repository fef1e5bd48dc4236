"""`lumigate dev --runtime workerd`: hands over to the real Workers toolchain, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def run_workerd(root: Path, *, port: int) -> int:
    """Run wrangler's development server and return its exit code; 1 and a reason where that cannot be."""
    command = _command(root)
    missing = []
    if not (root / "wrangler.toml").is_file():
        missing.append("wrangler.toml (run it at the top of the checkout)")
    if command is None:
        missing.append("wrangler (run `npm install`, which needs Node 22 or newer)")
    if not (root / "python_modules").is_dir():
        missing.append("python_modules (run `uv run lumigate bundle`)")
    if missing or command is None:
        print(f"lumigate dev: for the workerd runtime there is no {'; no '.join(missing)}", file=sys.stderr)
        return 1
    print(f"handing over to {' '.join(command)}", flush=True)
    arguments = [*command, "dev", "--port", str(port)]
    try:
        return subprocess.run(arguments, cwd=root, check=False).returncode
    except KeyboardInterrupt:  # wrangler got the same signal and ends by itself
        return 0


def _command(root: Path) -> list[str] | None:
    """How wrangler is called here: from package.json's modules, else from the path."""
    local = root / "node_modules" / ".bin" / "wrangler"
    if local.exists():
        return [str(local)]
    found = shutil.which("wrangler")
    return [found] if found else None
