"""Random bytes of the operating system."""

from __future__ import annotations

import os


class SystemEntropy:
    """`os.urandom`, which is fit for keys."""

    __slots__ = ()

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)
