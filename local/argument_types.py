"""What arguments may be: converters for argparse that say in one line what they wanted."""

from __future__ import annotations

import argparse


def port(text: str) -> int:
    """A TCP port; 0 asks for any."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def rate(text: str) -> float:
    """Requests a second."""
    return _number(text, 0.01, 2000, "a number of requests a second, 0.01 to 2000")


def milliseconds(text: str) -> float:
    """A wait."""
    return _number(text, 0, 600_000, "a number of milliseconds, 0 to 600000")


def share(text: str) -> float:
    """A part of one."""
    return _number(text, 0, 1, "a share from 0 to 1")


def url(text: str) -> str:
    """An address over HTTP."""
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is not an http or https URL")
    return text


def _number(text: str, low: float, high: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
