"""The key under which one machine seals what it keeps, where settings name none: made once, beside the data."""

from __future__ import annotations

import base64
import os
from pathlib import Path

NAME = "sealing.key"


def sealing_key(data: Path) -> str:
    """The value of `SEALING_KEYS`. Whoever can read the folder can read the key: it is for development."""
    path = data / NAME
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(f"local:{base64.b64encode(os.urandom(32)).decode('ascii')}\n", "ascii")
        unfinished.chmod(0o600)
        unfinished.rename(path)
    return path.read_text("ascii").strip()
