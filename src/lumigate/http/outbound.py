"""Where the gateway may be told to send its requests: to providers and issuers out on the internet, over TLS.

The addresses are the operator's, never a caller's; these rules catch the one that was pasted wrongly or planted.
Refused are credentials in an address, plain http, and hosts that are this machine, its network or a cloud's metadata
service, in every way of writing them that an HTTP client understands (https://url.spec.whatwg.org/#host-parsing). A
host that is named in `OUTBOUND_TRUSTED_HOSTS` may be any of the last two; this machine may in development and tests.

A name is judged by how it reads: nothing is looked up, so a public name that leads to a private address passes.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote, urlsplit

HERE_IN = frozenset({"development", "test"})
"""Environments whose providers and issuer may be on this machine."""
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa", "svc")
_METADATA_NAMES = frozenset({"metadata.goog"})
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
"""A backslash ends the host for some clients, and a soft hyphen is nothing at all: they would read another host."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_OCTET = 256

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_outbound(url: str, *, environment: str, trusted: Collection[str] = ()) -> None:
    """Raises `ValueError` with what is wrong, and without the address: it may hold what is secret."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no credentials: the provider's key is a setting of its own")
    if parts.fragment:
        raise ValueError("must hold no fragment")
    host = plain_host(parts.hostname or "")
    if address_of(host) is None and not _NAME.fullmatch(host):
        raise ValueError(
            "must name its host in letters, digits, dots and hyphens (others in their xn-- form)"
        )
    if host in trusted:
        return
    if is_here(host) and environment in HERE_IN:
        return
    if is_private(host):
        raise ValueError(
            "leads to this machine, a private network or a metadata service; "
            "if that is meant, name the host in OUTBOUND_TRUSTED_HOSTS"
        )
    if parts.scheme != "https":
        raise ValueError("must be https; if plain http is meant, name the host in OUTBOUND_TRUSTED_HOSTS")


def plain_host(host: str) -> str:
    """A host as an HTTP client reads it: decoded, folded, in lower case, without the dot at its end."""
    folded = unicodedata.normalize("NFKC", unquote(host)).lower()
    return folded.replace("\u3002", ".").strip("[]").removesuffix(".")


def is_here(host: str) -> bool:
    """Whether it is this very machine."""
    address = address_of(host)
    return address.is_loopback if address is not None else host == "localhost"


def is_private(host: str) -> bool:
    """Whether it is anything but a host of the public internet. A name without a dot is one of a private network."""
    address = address_of(host)
    if address is not None:
        site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
        return not address.is_global or address.is_multicast or address.is_reserved or site_local
    if "." not in host or host in _METADATA_NAMES:
        return True
    return any(host.endswith(f".{name}") for name in _LOCAL_NAMES)


def address_of(host: str) -> Address | None:
    """The address that a host is, in whatever form; None for a name. An IPv6 address that holds an IPv4 one is that."""
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return None
        return _inner(address) or address
    return _ipv4(host)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):  # 64:ff9b::a.b.c.d, ::a.b.c.d
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _ipv4(host: str) -> ipaddress.IPv4Address | None:
    """Decimal, octal (`0177.1`) and hexadecimal (`0x7f.1`) parts, of which the last fills what is left."""
    parts = [_number(part) for part in host.split(".")]
    numbers = [part for part in parts if part is not None]
    if len(numbers) != len(parts) or not 1 <= len(numbers) <= 4:
        return None
    *leading, last = numbers
    if any(number >= _OCTET for number in leading) or last >= _OCTET ** (4 - len(leading)):
        return None
    value = last
    for position, number in enumerate(leading):
        value += number << (8 * (3 - position))
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int | None:
    if not text.isascii() or len(text) > 32:
        return None
    digits, base = (text[2:], 16) if text[:2] == "0x" else (text[1:], 8) if text[:1] == "0" else (text, 10)
    if not digits:
        return 0 if text else None
    if not digits.isalnum():
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None
