from __future__ import annotations

import zlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth import api_key
from tests.fakes import FakeEntropy

KEY, ID = api_key.make_key(FakeEntropy().random_bytes)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_key_has_the_form_that_scanners_look_for() -> None:
    assert KEY.startswith(f"lmg_{ID}_")
    assert len(KEY) == len("lmg_") + 12 + 1 + 32 + 6
    assert api_key.read_id(KEY) == ID


def test_no_two_keys_are_alike_and_all_digits_come_as_often() -> None:
    entropy = FakeEntropy()
    keys = [api_key.make_key(entropy.random_bytes)[0] for _ in range(500)]
    assert len(set(keys)) == 500
    counts = Counter(char for key in keys for char in key[4:16] + key[17:49])
    assert set(counts) == set(ALPHABET)
    expected = 500 * 44 / 62
    assert all(0.7 * expected < count < 1.3 * expected for count in counts.values())


def test_the_checksum_is_crc_32_in_base_62() -> None:
    digits, number = api_key.checksum("lmg_x"), 0
    for digit in digits:
        number = number * 62 + ALPHABET.index(digit)
    assert number == zlib.crc32(b"lmg_x")
    assert len(api_key.checksum("")) == 6


@given(st.integers(4, len(KEY) - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_seen_without_asking_anyone(place: int, char: str) -> None:
    wrong = KEY[:place] + char + KEY[place + 1 :]
    assert (api_key.read_id(wrong) is None) == (wrong != KEY)


@given(st.integers(4, len(KEY) - 2))
def test_two_characters_in_turn_are_seen(place: int) -> None:
    turned = KEY[:place] + KEY[place + 1] + KEY[place] + KEY[place + 2 :]
    assert (api_key.read_id(turned) is None) == (turned != KEY)


@given(st.text() | st.from_regex(r"lmg_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", fullmatch=True))
def test_nothing_else_is_read_as_a_key(text: str) -> None:
    assert api_key.read_id(text) is None


@pytest.mark.parametrize(
    "text", [KEY + "\n", " " + KEY, KEY.upper(), KEY.replace("lmg_", "lmg-"), KEY + "0", KEY[:-1]]
)
def test_a_key_with_something_about_it_is_none(text: str) -> None:
    assert api_key.read_id(text) is None


@pytest.mark.parametrize("digit", ["\u0660", "\uff10", "à"])
def test_digits_of_other_scripts_are_none(digit: str) -> None:
    assert api_key.read_id(KEY[:10] + digit + KEY[11:]) is None


def test_what_is_stored_depends_on_the_pepper_and_the_rights_and_tells_nothing_of_the_key() -> None:
    stored = api_key.hash_key(KEY, "pepper one", "acme chat")
    assert KEY not in stored
    assert ID not in stored
    assert stored != api_key.hash_key(KEY, "pepper two", "acme chat")
    assert api_key.matches(KEY, stored, ["pepper one"], "acme chat")
    assert api_key.matches(KEY, stored, ["pepper two", "pepper one"], "acme chat")
    assert not api_key.matches(KEY, stored, ["pepper two"], "acme chat")
    assert not api_key.matches(KEY, stored, [], "acme chat")
    assert not api_key.matches(KEY[:-1] + "x", stored, ["pepper one"], "acme chat")
    assert not api_key.matches(KEY, stored, ["pepper one"], "acme admin")
    assert not api_key.matches(KEY, "not hex: ö\ud800", ["pepper one"], "acme chat")
