"""Ports for servers that cannot choose their own."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from typing import Final

_BELOW_THE_KERNELS: Final = range(20_000, 32_000)
"""Where no outgoing connection takes its own end from, see `ip_local_port_range`: what is free stays so for a while."""
_chosen: set[int] = set()
_random = random.SystemRandom()  # a test that seeds `random` would be given the ports of another run


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago, and another at each call."""
    while True:
        port = _random.choice(_BELOW_THE_KERNELS)
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            if port not in _chosen:
                _chosen.add(port)
                return port
