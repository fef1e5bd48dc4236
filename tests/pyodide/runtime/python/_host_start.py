"""The two moments of a Worker's start: before its top level runs, and before its first request.

What belongs to the standard library is here; what belongs to packages is in workers-runtime-sdk, whose `.pth` file
`before_top_level` lets take effect.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

from _cloudflare import import_patch_manager as patches
from _cloudflare.allow_entropy import allow_bad_entropy_calls, raise_unless_entropy_allowed

_true_urandom = os.urandom
# Making a generator with a seed is fine, making one without asks for entropy and fails by itself.
_RANDOM_ALLOWED = ("Random", "SystemRandom")


@wraps(_true_urandom)
def _urandom(size: int) -> bytes:
    raise_unless_entropy_allowed()
    return _true_urandom(size)


class _NamesInOrder:
    """Temporary file names without entropy."""

    def __init__(self) -> None:
        self._last = 0

    def __iter__(self) -> "_NamesInOrder":
        return self

    def __next__(self) -> str:
        self._last += 1
        return f"{self._last:08d}"


@contextmanager
def _random(module: ModuleType) -> Iterator[None]:
    with allow_bad_entropy_calls(-1):
        yield
    patches.block_calls(module, allowlist=_RANDOM_ALLOWED)


@contextmanager
def _tempfile(module: Any) -> Iterator[None]:
    yield
    module._true_names = module._RandomNameSequence
    module._RandomNameSequence = _NamesInOrder


patches.register_exec_patch("random", _random)
patches.register_exec_patch("tempfile", _tempfile)


def before_top_level(modules: str) -> None:
    """Forbid entropy, and put the vendored packages in `modules` on the path, `.pth` files included."""
    os.urandom = _urandom
    patches.install()
    # Pyodide's own start may have imported these already.
    if "random" in sys.modules:
        random: Any = sys.modules["random"]
        random._urandom = _urandom
        patches.block_calls(random, allowlist=_RANDOM_ALLOWED)
    if "tempfile" in sys.modules:
        with _tempfile(sys.modules["tempfile"]):
            pass
    from site import addsitedir

    before_packages = next(i for i, path in enumerate(sys.path) if "site-packages" in path)
    sys.path.insert(before_packages, modules)
    addsitedir(modules)


def before_first_request() -> None:
    """Give entropy back, and true seeds to what was seeded without."""
    os.urandom = _true_urandom
    patches.finish()
    random: Any = sys.modules.get("random")
    if random is not None:
        random._urandom = _true_urandom
        random.seed()
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None and hasattr(tempfile, "_true_names"):
        tempfile._RandomNameSequence = tempfile._true_names
        tempfile._name_sequence = None
