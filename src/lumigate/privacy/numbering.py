"""Numbering plans as data: who issues cards of which prefix and length, how long a country's IBAN and phone are.

Sources: ISO/IEC 7812 ranges as the card schemes publish them, SWIFT's IBAN registry, ITU-T E.164 country codes.
"""

from __future__ import annotations

from typing import NamedTuple


class _Range(NamedTuple):
    first: str
    last: str
    lengths: frozenset[int]


def _range(first: str, last: str, *lengths: int) -> _Range:
    return _Range(first, last, frozenset(lengths))


_CARDS = (
    _range("4", "4", 16, 18, 19),  # Visa; its numbers of 13 digits are gone, and barcodes look like them
    _range("51", "55", 16),  # Mastercard
    _range("2221", "2720", 16),
    _range("34", "34", 15),  # American Express
    _range("37", "37", 15),
    _range("3528", "3589", 16, 17, 18, 19),  # JCB
    _range("300", "305", 14, 16),  # Diners Club
    _range("3095", "3095", 14, 16),
    _range("36", "36", 14, 16),
    _range("38", "39", 14, 16),
    _range("6011", "6011", 16, 19),  # Discover
    _range("644", "659", 16, 19),
    _range("62", "62", 16, 17, 18, 19),  # UnionPay
    _range("2200", "2204", 16),  # Mir
    _range("60", "60", 16),  # RuPay
    _range("81", "82", 16),
    _range("508", "508", 16),
    *(_range(prefix, prefix, 16, 18, 19) for prefix in ("5018", "5020", "5038", "5893", "6304")),  # Maestro
    _range("6759", "6763", 16, 18, 19),
)


_CARDS_BY_START = {
    start: tuple(
        card for card in _CARDS if card.first[:2] <= start <= card.last[:2] or card.first == start[0]
    )
    for start in (f"{number:02}" for number in range(100))
}


def is_card_prefix(digits: str) -> bool:
    """Whether an issuer has cards that begin like this and are as long."""
    return any(
        first <= digits[: len(first)] <= last and len(digits) in lengths
        for first, last, lengths in _CARDS_BY_START[digits[:2]]
    )


_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _IBAN_LENGTHS.split()}
MAX_IBAN_CHARS = 42
"""The longest there is, in groups of four."""

_COUNTRY_CODES = [
    "1",
    "7",
    "20",
    "27",
    "30",
    "31",
    "32",
    "33",
    "34",
    "36",
    "39",
    "40",
    "41",
    "43",
    "44",
    "45",
    "46",
    "47",
    "48",
    "49",
    "51",
    "52",
    "53",
    "54",
    "55",
    "56",
    "57",
    "58",
    "60",
    "61",
    "62",
    "63",
    "64",
    "65",
    "66",
    "81",
    "82",
    "84",
    "86",
    "90",
    "91",
    "92",
    "93",
    "94",
    "95",
    "98",
    "211",
    "212",
    "213",
    "216",
    "218",
    "22",
    "23",
    "24",
    "25",
    "26",
    "290",
    "291",
    "297",
    "298",
    "299",
    "35",
    "37",
    "38",
    "42",
    "50",
    "59",
    "67",
    "68",
    "69",
    "80",
    "85",
    "87",
    "88",
    "96",
    "97",
    "99",
]
_DIGITS_AFTER_CODE = {"1": (10, 10), "81": (9, 10), "7": (10, 10), "33": (9, 9), "86": (8, 11), "82": (8, 10)}
"""Where a country's numbers have few lengths: it tells where a number ends and the next thing begins."""


def is_international_phone(digits: str) -> bool:
    """Whether digits after a plus are a country's code and a number as long as E.164 and that country have it."""
    for code in (digits[:1], digits[:2], digits[:3]):
        if code in _COUNTRY_CODES:
            least, most = _DIGITS_AFTER_CODE.get(code, (6, 15 - len(code)))
            return least <= len(digits) - len(code) <= most and len(digits) >= 8
    return False
