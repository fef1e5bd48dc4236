# ruff: noqa: RUF001  (full-width forms and Japanese dashes are what is tested)
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.privacy.detect import CONTEXT_CHARS, detect
from lumigate.privacy.kinds import Kind
from tests.privacy.samples import FOUND, MISSED, SAID, TEXTS

DATA = Path(__file__).with_name("data")
FRAMES = (
    "%",
    "see % now",
    "連絡先は%まで。",
    "「%」",
    "(%)",
    "𠮷👍🏽 % 。",
    "<b>%</b>",
    "a=%;",
    "１）%、",
    "%.\nNext",
)


def found_in(text: str) -> list[tuple[Kind, str]]:
    return [(finding.kind, text[finding.start : finding.end]) for finding in detect(text)]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("kind", "sample"), [(kind, it) for kind, them in FOUND.items() for it in them])
def test_a_sample_is_found_in_english_and_japanese_surroundings(kind: Kind, sample: str, frame: str) -> None:
    assert (kind, sample) in found_in(frame.replace("%", sample))


@pytest.mark.parametrize(
    ("kind", "frame", "value"), [(kind, *it) for kind, them in SAID.items() for it in them]
)
def test_what_the_words_around_announce_is_found_and_without_them_is_not(
    kind: Kind, frame: str, value: str
) -> None:
    assert found_in(frame.replace("%", value)) == [(kind, value)]
    assert found_in(f"see {value} now") == []


@pytest.mark.parametrize("text", MISSED)
def test_a_near_miss_is_no_finding(text: str) -> None:
    assert found_in(text) == []
    assert found_in(f"see {text} now") == []


@pytest.mark.parametrize("name", ["english", "japanese", "source"])
def test_a_page_of_ordinary_text_has_no_finding(name: str) -> None:
    """Zero false positives in prose with dates, prices, versions, ids and hashes, and in source code."""
    text = (DATA / f"{name}.txt").read_text(encoding="utf-8")
    assert len(text) > 400
    assert found_in(text) == []


def test_what_stands_close_together_is_told_apart() -> None:
    text = "4111 1111 1111 1111 4111-1111-1111-1111 1225 +81 90 1234 5678 2024,a@b.io/192.0.2.1:80"
    assert found_in(text) == [
        (Kind.CARD, "4111 1111 1111 1111"),
        (Kind.CARD, "4111-1111-1111-1111"),
        (Kind.PHONE, "+81 90 1234 5678"),
        (Kind.EMAIL, "a@b.io"),
        (Kind.IP, "192.0.2.1"),
    ]


def test_the_more_specific_kind_wins() -> None:
    assert found_in("token=ghp_abcdefghijklmnopqrstuvwxyz0123456789") == [
        (Kind.API_KEY, "ghp_abcdefghijklmnopqrstuvwxyz0123456789")
    ]
    assert found_in("https://me:p4ss@mail.example.com/") == [(Kind.SECRET, "p4ss")]


@given(TEXTS)
def test_findings_are_in_order_apart_and_inside_the_text(text: str) -> None:
    end = 0
    for finding in detect(text):
        assert end <= finding.start < finding.end <= len(text)
        end = finding.end


@given(TEXTS)
def test_a_finding_is_found_again_from_itself_and_the_little_before_it(text: str) -> None:
    """The part that starts `CONTEXT_CHARS` before a finding shows it too: nothing further back decides."""
    for finding in detect(text):
        cut = max(0, finding.start - CONTEXT_CHARS)
        again = [(it.kind, it.start + cut, it.end + cut) for it in detect(text[cut:])]
        assert (finding.kind, finding.start, finding.end) in again


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    detect(text)


HOSTILE = (
    "1", "1 ", "11 ", "1111 ", "4111 ", "1-", "1111-", "1.1.1.1.", "1.1.1.1 ", "0120-", "+1", "+1 ", "+1 2 3 ",
    "(", "(03)",
    "a@", "a@a.", "@", "a.", "a@b.c", "a-", "::", ":1", ":ffff", "AA11", "AA11 ", "GB82 WEST ", "1ー",
    "４１１１　", "4111\u2009", "は",
    "sk-", "-sk-", "sk-a", "eyJ", "eyJaaaaaaaa.", "eyJaaaaaaaa.eyJ", "xoxb-", "github_pat_", "SG.aaaaaaaaaaaaaaaaaaaa.",
    "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n", "=", "token=", "token=aaaaaaaa1",
    "password=aA1!aA1! ", "://", "://a:", "://a:b", "Bearer ", "\\n", "MIIEabcdefghijklmnopqrstuvwx\n", "é",
    "1" * 11 + " ",
)  # fmt: skip


def seconds(run: Callable[[str], object], text: str) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        run(text)
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_with_the_length_and_no_faster(unit: str) -> None:
    """Eight times the text takes about eight times as long; backtracking would take sixty-four times, or for ever."""
    for head in ("", "-----BEGIN PRIVATE KEY-----\n", "x" * 100):
        short = seconds(detect, (head + unit * 8_000)[:8_000])
        long = seconds(detect, (head + unit * 64_000)[:64_000])
        assert long < 24 * short + 0.02
