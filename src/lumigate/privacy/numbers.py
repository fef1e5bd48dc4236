"""Numbers that mean a person or a machine: cards, My Number, social security, national phone numbers, IPv4, IBAN.

One expression walks over the digits and sorts them by shape; a check (digit, prefix, range) decides. Groups are held
together by one separator, the same throughout: a space, a hyphen, a dot, or what Japanese text has for a hyphen.

What is no finding: a number glued to letters, or by a dash or dot to more digits (versions, UUIDs, fractions); twelve
digits that begin with a date and, in one piece, end with a time; numbers that say nothing by themselves (ten digits
in a row, nine, or either in groups by spaces), unless the word before them does: `TEL`, `SSN`, 電話. An IPv4-shaped
number is an address, unless the word before it says version or section, a product name and a slash stand before it
and it ends in `.0`, or it is loopback, unspecified, or a mask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lumigate.privacy.addresses import is_ipv4
from lumigate.privacy.checksums import luhn_holds, mod97_holds, my_number_holds, ssn_can_exist
from lumigate.privacy.fold import DASHES
from lumigate.privacy.kinds import Finding, Kind
from lumigate.privacy.labels import said_before
from lumigate.privacy.numbering import IBAN_LENGTHS, MAX_IBAN_CHARS, is_card_prefix

_END = rf"(?![0-9A-Za-z])(?![.{DASHES}][0-9])"
_FOUR_ENDS = (
    rf"(?![0-9])(?!(?!(?P=a))[.{DASHES}][0-9])"  # what goes on by another separator is another number
)
_NUMBER = re.compile(
    # The first digit stands outside the alternatives, so that the engine runs over everything else at full speed.
    rf"[0-9](?<![0-9A-Za-z][0-9])(?<![0-9][.{DASHES}][0-9])"
    r"(?<![0-9A-Fa-f]{8}-[0-9])(?<![0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9])(?:"  # inside a UUID
    rf"(?P<fours>[0-9]{{3}}(?P<a>[ {DASHES}])[0-9]{{4}}(?:(?P=a)[0-9]{{4}}{_FOUR_ENDS}){{1,10}}+"
    rf"(?:(?P=a)[0-9]{{3}}{_FOUR_ENDS}(?!(?P=a)[0-9]))?+)(?![0-9A-Za-z])"
    r"|(?:(?P<ipv4>[0-9]{0,2}(?:\.[0-9]{1,3}){3})"
    rf"|(?P<ssn>[0-9]{{2}}[{DASHES}][0-9]{{2}}[{DASHES}][0-9]{{4}})"
    rf"|(?P<card>[0-9]{{3}}(?P<b>[ {DASHES}])[0-9]{{6}}(?P=b)[0-9]{{4,5}})"
    r"|(?P<phone>"
    # Japan: mobile and IP phones, then fixed lines (ten digits), then free and shared-cost numbers.
    rf"(?<=0)[5-9]0(?:[0-9]{{8}}|(?P<c>[ {DASHES}])[0-9]{{4}}(?P=c)[0-9]{{4}})"
    rf"|(?<=0)[1-9](?:(?P<d>[ {DASHES}])[0-9]{{4}}(?P=d)|[0-9](?P<e>[ {DASHES}])[0-9]{{3}}(?P=e)"
    rf"|[0-9]{{2}}(?P<f>[{DASHES}])[0-9]{{2}}(?P=f)|[0-9]{{3}}(?P<g>[{DASHES}])[0-9](?P=g))[0-9]{{4}}"
    r"|(?<=0)[1-9](?:\([0-9]{4}|[0-9]\([0-9]{3}|[0-9]{2}\([0-9]{2}|[0-9]{3}\([0-9])\)[0-9]{4}"
    rf"|(?<=0)(?:120|570|990)(?P<h>[{DASHES}])[0-9]{{3}}(?P=h)[0-9]{{3}}"
    rf"|(?<=0)800(?P<i>[{DASHES}])[0-9]{{3}}(?P=i)[0-9]{{4}}"
    # North America, with and without the leading one.
    r"|(?<=[2-9])[0-9]{2}(?P<j>[-.\u2010-\u2013])[0-9]{3}(?P=j)[0-9]{4}"
    r"|(?<=1)(?P<k>[-.\u2010-\u2013])[2-9][0-9]{2}(?P=k)[0-9]{3}(?P=k)[0-9]{4}"
    # France, and the United Kingdom.
    r"|(?<=0)[1-9](?P<l>[ .])[0-9]{2}(?:(?P=l)[0-9]{2}){3}"
    r"|(?<=0)(?:2[0-9]\ [0-9]{4}\ [0-9]{4}|1[0-9]{2}\ [0-9]{3}\ [0-9]{4}|[17][0-9]{3}\ [0-9]{6}"
    r"|7[0-9]{3}\ [0-9]{3}\ [0-9]{3})"
    r")"
    r"|(?P<bare>[0-9]{11,18})"
    r"|(?P<said>[0-9]{8,10}(?![0-9])|[0-9]{2}\ [0-9]{2}\ [0-9]{4}|[0-9]{2}\ [0-9]{3}\ [0-9]{4})"
    rf"){_END})"
)
_ENDS = re.compile(_END)
_NOT_A_DIGIT = re.compile(r"[^0-9]+")
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9]")
_CARD_DIGITS = (16, 19)
"""Of the cards that are written in fours."""
_JOINED = re.compile(rf"[.{DASHES}][0-9]")
_WINDOW_CHARS = 64
_LONGEST_RUN_CHARS = 59
"""Of the groups of four that are looked at together: twelve."""


def find_numbers(text: str) -> Iterator[Finding]:
    """Cards, My Numbers, social security, national phone and IPv4 numbers of a folded text."""
    match = _NUMBER.search(text)
    base = 0  # where the text begins that the match is of
    while match is not None:
        start, end = base + match.start(), base + match.end()
        found = list(_findings(match.lastgroup, text, start, end))
        yield from found
        if found:
            end = found[-1].end
        elif match.lastgroup == "fours":
            # What begins in its last groups is seen whole by the next search.
            end = max(
                start + 5,
                end - (_LONGEST_RUN_CHARS - 1) // 4 if end - start >= _LONGEST_RUN_CHARS else end - 4,
            )
        match, base = _after(text, end) if found else (None, 0)
        if match is None:
            match = _NUMBER.search(text, end)


def _after(text: str, end: int) -> tuple[re.Match[str] | None, int]:
    """A number joined by a dash or dot to a finding: it counts as standing alone, as it will once that is gone."""
    if _JOINED.match(text, end) is None:
        return None, 0
    match = _NUMBER.match(text[end + 1 : end + 1 + _WINDOW_CHARS])
    return (match, end + 1) if match and match.end() < _WINDOW_CHARS else (None, 0)


def _findings(shape: str | None, text: str, start: int, end: int) -> Iterator[Finding]:
    if shape == "fours":
        yield from _in_groups_of_four(text, start, end)
    elif (kind := _kind_of(shape, text, start, end)) is not None:
        yield Finding(kind, start, end)


def _kind_of(shape: str | None, text: str, start: int, end: int) -> Kind | None:
    if shape == "phone":
        return Kind.PHONE
    if shape == "ipv4":
        return Kind.IP if _is_host(text, start, end) else None
    digits = _NOT_A_DIGIT.sub("", text[start:end])
    if shape == "ssn":
        return Kind.SSN if ssn_can_exist(digits) else None
    if shape == "said":
        if len(digits) == 9:
            return Kind.SSN if ssn_can_exist(digits) and said_before(text, start, Kind.SSN) else None
        return Kind.PHONE if said_before(text, start, Kind.PHONE) else None
    if len(digits) == 12:
        is_date_and_time = _DATE.match(digits) and _TIME.match(digits, 8)
        return Kind.MY_NUMBER if my_number_holds(digits) and not is_date_and_time else None
    return Kind.CARD if _is_card(digits) else None


def _is_card(digits: str) -> bool:
    return is_card_prefix(digits) and luhn_holds(digits)


def _in_groups_of_four(text: str, start: int, end: int) -> Iterator[Finding]:
    """The first card in a run of groups of four, or else a My Number where it is three groups alone."""
    digits = _NOT_A_DIGIT.sub("", text[start:end])
    for at in range(0, len(digits) - 15, 4):
        for size in _CARD_DIGITS:
            if _is_card(digits[at : at + size]):
                yield from _my_number_in(text, start, digits[:at], alone=True)
                yield Finding(Kind.CARD, _offset(start, at), _offset(start, at + size, end=True))
                return
    yield from _my_number_in(text, start, digits, alone=False)


def _my_number_in(text: str, start: int, digits: str, *, alone: bool) -> Iterator[Finding]:
    end = start + 14
    if my_number_holds(digits) and not _DATE.match(digits) and (alone or _ENDS.match(text, end)):
        yield Finding(Kind.MY_NUMBER, start, end)


def _offset(start: int, digit: int, *, end: bool = False) -> int:
    """Where a digit of a run in groups of four stands, or where a part ends that it is the first one after."""
    return start + digit + ((digit - 1) // 4 if end else digit // 4)


_PRODUCT = re.compile(r"[A-Za-z]/\Z")


def _is_host(text: str, start: int, end: int) -> bool:
    address = text[start:end]
    if not is_ipv4(address) or address.startswith(("0.", "127.", "255.")):
        return False
    if address.endswith(".0") and _PRODUCT.search(text[max(0, start - 2) : start]):
        return False
    return not said_before(text, start, None)


_PARENTHESISED = re.compile(
    rf"\((?:0[1-9][0-9]{{0,3}}\)[ ]?[0-9]{{1,4}}[ {DASHES}]?[0-9]{{4}}"
    rf"|[2-9][0-9]{{2}}\)[ ]?[0-9]{{3}}[ .{DASHES}]?[0-9]{{4}}){_END}"
)


_LONG_DISTANCE = re.compile(r"(?<![0-9A-Za-z.,-])1[ -]\Z")


def find_parenthesised_phones(text: str) -> Iterator[Finding]:
    """Phone numbers that begin with an area code in parentheses: (03)1234-5678, (555) 123-4567."""
    if "(" not in text:
        return
    for match in _PARENTHESISED.finditer(text):
        start, end = match.span()
        digits = _NOT_A_DIGIT.sub("", match[0])
        if len(digits) == 10 or (len(digits) == 11 and digits[1] in "56789" and digits[2] == "0"):
            if _LONG_DISTANCE.search(text[max(0, start - 3) : start]):
                start -= 2
            yield Finding(Kind.PHONE, start, end)


_IBAN_HEAD = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])(?<![A-Za-z0-9][A-Za-z]{2}[0-9])[0-9][ ]?[A-Za-z0-9]{2}")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]")


def find_ibans(text: str) -> Iterator[Finding]:
    """IBANs of a folded text: in one piece, or in upper case and groups of four."""
    for match in _IBAN_HEAD.finditer(text):
        start = match.start() - 2
        length = IBAN_LENGTHS.get(text[start : start + 2].upper())
        if length is None:
            continue
        written = text[start : start + MAX_IBAN_CHARS]
        size = length
        if written[4:5] == " ":
            size += (length - 1) // 4
            written = written[:size]
            if (
                written[4::5].strip(" ")
                or written.count(" ") != len(written[4::5])
                or written != written.upper()
            ):
                continue
        iban = written[:size].replace(" ", "").upper()
        end = start + size
        if len(iban) != length or not (iban.isascii() and iban.isalnum()):
            continue
        if not _ALPHANUMERIC.match(text, end) and mod97_holds(iban):
            yield Finding(Kind.IBAN, start, end)
