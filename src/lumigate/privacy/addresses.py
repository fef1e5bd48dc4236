"""Addresses of people and machines: e-mail, and IP of version 6 (version 4 is a number: `numbers`).

E-mail is what people write (RFC 5321's limits, ASCII on both sides of the `@`, a domain with a dot): Japanese text has
no spaces, so a letter outside ASCII ends an address. Not e-mail: `git@host:path`, `package@1.2.3`, `icon@2x.png`,
`root@localhost`. An IPv6 address counts where it lies in the unicast and multicast space in use, which tells it from
times, slices (`[::2]`) and names with `::`; loopback and the unspecified address identify nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lumigate.privacy.kinds import Finding, Kind

_LOCAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-"
_MAX_LOCAL = 64
_MAX_DOMAIN = 253
_AT = re.compile(r"@(?<=[A-Za-z0-9_%+]@)(?=[A-Za-z0-9])")
_DOMAIN = re.compile(r"[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+(?:\.[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+)++")
_VERSION = re.compile(r"[0-9]++\.[0-9]")
_SCALED_IMAGE = re.compile(r"[0-9]x\.[A-Za-z]{3,4}+\Z")


def find_emails(text: str) -> Iterator[Finding]:
    """E-mail addresses of a folded text. From each `@` at most a local part and a domain are read."""
    if "@" not in text:
        return
    for match in _AT.finditer(text):
        at = match.start()
        before = text[max(0, at - _MAX_LOCAL - 1) : at]
        length = len(before) - len(before.rstrip(_LOCAL))
        if length > _MAX_LOCAL:
            continue
        local = before[len(before) - length :].lstrip(".-")
        reach = _DOMAIN.match(text, at + 1, at + 2 + _MAX_DOMAIN)
        if local and reach and len(reach[0]) <= _MAX_DOMAIN:
            domain = _up_to_a_top_domain(reach[0])
            end = at + 1 + len(domain)
            if domain and _is_mailbox(local, domain, text[end : end + 2]):
                yield Finding(Kind.EMAIL, at - len(local), end)


def _up_to_a_top_domain(name: str) -> str:
    """The name without what follows its last label that can be a top domain; empty if none but the first can."""
    labels = name.split(".")
    while len(labels) > 1:
        top = labels[-1]
        if not top.startswith("xn--"):
            labels[-1] = top = top.partition("-")[0]
        if len(top) >= 2 and (top.isalpha() or "-" in top):
            return ".".join(labels)
        labels.pop()
    return ""


def _is_mailbox(local: str, domain: str, after: str) -> bool:
    if after == "()" or (after[:1] == ":" and local == "git"):  # a product of matrices, a remote of git
        return False
    return not _VERSION.match(domain) and not _SCALED_IMAGE.match(domain)


_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}+:")
_IPV6_REST = re.compile(
    r"[0-9A-Fa-f:]++(?:(?<=:[0-9])(?:\.[0-9]{1,3}+){3}|(?<=:[0-9]{2})(?:\.[0-9]{1,3}+){3}"
    r"|(?<=:[0-9]{3})(?:\.[0-9]{1,3}+){3})?"
)
_HEX = "0123456789abcdefABCDEF"
_MAX_IPV6 = 45
_IN_USE = re.compile(r"(?:[23][0-9a-f]{3}|f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]|ff[0-9a-f]{2}|64:ff9b|::ffff):")


def find_ipv6(text: str) -> Iterator[Finding]:
    """IPv6 addresses of a folded text; of each run of hexadecimal digits and colons, the whole or nothing."""
    position = 0
    while match := _COLONS.search(text, position):
        before = text[max(0, match.start() - 5) : match.start()]
        start = match.start() - (len(before) - len(before.rstrip(_HEX)))
        rest = _IPV6_REST.match(text, match.start())
        assert rest is not None
        end = position = rest.end()
        while text.endswith(":", start, end) and not text.endswith("::", start, end):
            end -= 1  # "the address is fe80::1:2:3:4: so"
        if end - start <= _MAX_IPV6 and _stands_alone(text, start, end) and is_ipv6_in_use(text[start:end]):
            yield Finding(Kind.IP, start, end)


def is_ipv6_in_use(address: str) -> bool:
    """Whether this is an IPv6 address (RFC 4291, section 2.2) of a space from which addresses are given out."""
    address = address.lower()
    if not _IN_USE.match(address):
        return False
    head, dot, _ = address.partition(".")
    if dot:
        head, _, embedded = address.rpartition(":")
        if not is_ipv4(embedded):
            return False
        head += ":0:0"
    left, gap, right = head.partition("::")
    groups = [group for side in (left, right) if side for group in side.split(":")]
    if not all(0 < len(group) <= 4 for group in groups):
        return False
    return len(groups) <= 7 if gap else len(groups) == 8


def is_ipv4(address: str) -> bool:
    """Whether four numbers with dots are an IPv4 address: each at most 255, without leading zeros."""
    octets = address.split(".")
    return len(octets) == 4 and all(
        len(octet) <= 3 and int(octet) <= 255 and (octet[0] != "0" or octet == "0") for octet in octets
    )


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start] if start else "", text[end : end + 2]
    if before and (before in ".:-]" or (before.isascii() and before.isalnum())):
        return False
    return not after or not (
        (after[0].isascii() and after[0].isalnum())
        or after[0] == "_"
        or (after[0] == "." and after[1:].isdigit())
    )
