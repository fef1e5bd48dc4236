"""The rules that hold while a Worker starts: no entropy, no sockets, no processes.

`begin` and `end` are called by import_rules.mjs around the imports of the entry module.
"""

import os
import random
import sys
from typing import Any

import _import_rules
from _cloudflare import import_patch_manager
from _cloudflare.allow_entropy import should_allow_entropy_call

_EIO = 29  # what getentropy() answers in production
_FORBIDDEN_EVENTS = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "subprocess.Popen",
    "os.system",
    "urllib.Request",
)
_SEEDED = ("Random", "SystemRandom")  # these ask for entropy by themselves if they need it
_urandom = os.urandom
_seed = random.Random.seed


def begin() -> None:
    """Forbid entropy and I/O from here on."""
    sys.addaudithook(_refuse_io)
    os.urandom = _guarded_urandom
    vars(random)["_urandom"] = _guarded_urandom  # what secrets and SystemRandom draw from
    random.Random.seed = _guarded_seed  # type: ignore[method-assign]
    import_patch_manager.block_calls(random, allowlist=_SEEDED)
    import_patch_manager.install()


def end() -> None:
    """Lift the rules and seed what could not be seeded before, as ahead of a first request."""
    os.urandom = _urandom
    vars(random)["_urandom"] = _urandom
    random.Random.seed = _seed  # type: ignore[method-assign]
    import_patch_manager.finish()
    random.seed()


def _guarded_urandom(size: int, /) -> bytes:
    if not should_allow_entropy_call():
        raise OSError(_EIO, "Randomness is not allowed while a Worker is starting")
    return _urandom(size)


def _guarded_seed(self: random.Random, *args: Any, **kwargs: Any) -> None:
    if _import_rules.starting and (args or (kwargs.get("a"),))[0] is None:
        raise OSError(_EIO, "Randomness is not allowed while a Worker is starting (an unseeded Random)")
    _seed(self, *args, **kwargs)


def _refuse_io(event: str, _: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN_EVENTS and _import_rules.starting:
        raise OSError(_EIO, f"I/O is not allowed while a Worker is starting ({event})")
