"""The arithmetic that tells a number of a kind from any other number. Arguments are ASCII digits without separators.

Luhn: ISO/IEC 7812-1, annex B. IBAN: ISO 7064, mod 97-10. My Number: Ordinance No. 85 of 2014 of the Ministry of
Internal Affairs and Communications, article 5.
"""

from __future__ import annotations

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_MY_NUMBER_WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def luhn_holds(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of those before it."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0


def mod97_holds(iban: str) -> bool:
    """Whether an IBAN in upper case leaves 1 when divided by 97, as it must."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def my_number_holds(digits: str) -> bool:
    """Whether the twelfth digit is the check digit of the eleven before it; twelve equal digits are no number."""
    if len(digits) != 12 or digits == digits[0] * 12:
        return False
    remainder = (
        sum(int(digit) * weight for digit, weight in zip(digits, _MY_NUMBER_WEIGHTS, strict=False)) % 11
    )
    return int(digits[11]) == (0 if remainder <= 1 else 11 - remainder)


def ssn_can_exist(digits: str) -> bool:
    """Whether nine digits lie in the ranges that the Social Security Administration has issued or may issue."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
