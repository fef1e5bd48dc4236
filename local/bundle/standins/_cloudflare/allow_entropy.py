"""How much bad entropy the import of a module may use.

Rules: while the Worker is imported, `os.urandom` raises unless a package that is known to need a hash seed asked
for a number of calls; what it gets is a constant. Asking for more than it uses is an error, so the lists stay
honest. The count lives in JavaScript (`_import_rules.allowedEntropyCalls`), where the C function `getentropy` ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import _import_rules

TOP_LEVEL_ENTROPY_ERROR = (
    "Randomness is not allowed while a Worker is starting because startup values will be repeated across Worker "
    "instances, making them predictable. If this error occurs from importing a package, import the package from a "
    "function to load it after the Worker starts."
)
EIO = 29  # as Emscripten numbers it


def in_request_context() -> bool:
    return not _import_rules.starting


def is_bad_entropy_enabled() -> bool:
    return bool(_import_rules.allowedEntropyCalls != 0)


def should_allow_entropy_call() -> bool:
    return in_request_context() or is_bad_entropy_enabled()


def raise_unless_entropy_allowed() -> None:
    if not should_allow_entropy_call():
        raise OSError(EIO, TOP_LEVEL_ENTROPY_ERROR)


@contextmanager
def allow_bad_entropy_calls(n: int) -> Iterator[None]:
    """Allow `n` calls inside the block (-1: any number). Raises `RuntimeError` if some were left over."""
    before = _import_rules.allowedEntropyCalls
    _import_rules.allowedEntropyCalls = n
    yield
    if _import_rules.allowedEntropyCalls > 0:
        raise RuntimeError(f"{_import_rules.allowedEntropyCalls} unexpected leftover getentropy calls")
    _import_rules.allowedEntropyCalls = before
