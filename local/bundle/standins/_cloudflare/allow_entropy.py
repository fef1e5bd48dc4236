"""How many entropy calls the import in progress may make: the SDK grants them to packages it knows."""

from collections.abc import Iterator
from contextlib import contextmanager

import _import_rules


@contextmanager
def allow_bad_entropy_calls(number: int) -> Iterator[None]:
    """Allow exactly `number` calls inside the block; fewer raise RuntimeError, as in production."""
    before = _import_rules.allowedEntropyCalls
    _import_rules.allowedEntropyCalls = number
    yield
    left = _import_rules.allowedEntropyCalls
    if left > 0:
        raise RuntimeError(f"{left} entropy calls were allowed but not made")
    _import_rules.allowedEntropyCalls = before
