"""Ids, the vault, the index, the prompt and the settings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from local.runtime.aead import LocalAead
from lumigate.errors import ConfigurationError
from lumigate.privacy.sealing import KeyRing, Sealer
from lumigate.sessions.conversation import prompt
from lumigate.sessions.documents import Head, Turn, decode_head, decode_turn, encode
from lumigate.sessions.errors import SessionUnreadable
from lumigate.sessions.fences import fenced_blocks
from lumigate.sessions.ids import is_session_id, keyed, new_session_id, object_name, owner_of, public_id
from lumigate.sessions.index import SubjectIndex
from lumigate.sessions.settings import SessionSettings
from lumigate.sessions.vault import Vault
from lumigate.sessions.versions import Version
from tests.fakes import FakeClock, FakeEntropy, MemoryDatabase


def turn(number: int, answer: str = "Hi.", base: int = 0, version: int = 0) -> Turn:
    return Turn(
        number=number,
        created=1,
        messages=[{"role": "user", "content": f"question {number}"}],
        answer=answer,
        finish_reason="stop",
        model="m",
        provider="p",
        input_tokens=1,
        output_tokens=2,
        cost_usd=0.5,
        base=base,
        version=version,
    )


def code(source: Any = "model", turn_number: int = 1, text: str = "x = 1\n") -> Version:
    return Version(number=1, turn=turn_number, source=source, text=text, language="python", file="a.py")


# --- ids


def test_an_id_has_256_random_bits_and_never_comes_twice() -> None:
    entropy = FakeEntropy()
    ids = {new_session_id(entropy) for _ in range(100)}
    assert len(ids) == 100
    assert all(is_session_id(one) and len(one) == 4 + 43 for one in ids)


@pytest.mark.parametrize(
    "text", ["", "ses_", "ses_" + "a" * 42, "ses_" + "a" * 44, "ses_" + "a" * 42 + "/", "a" * 47]
)
def test_what_has_another_form_is_no_id(text: str) -> None:
    assert not is_session_id(text)


def test_names_are_of_one_thing_each() -> None:
    assert owner_of("ab", "c") != owner_of("a", "bc")
    assert owner_of("a", "\ud800")  # half a character in a token is no fault
    assert object_name("x") != keyed("x", "") != keyed("", "x")
    assert len(public_id(object_name("x"))) == 16


# --- vault


def vault(**changes: Any) -> Vault:
    made = {"owner": "o", "name": "n"} | changes
    return Vault(Sealer(KeyRing("k", {"k": bytes(32)}), LocalAead(), FakeEntropy()), **made)


async def test_a_part_opens_in_its_own_place_only() -> None:
    part = await vault().seal("turn", 1, b"secret")
    assert await vault().open("turn", 1, part) == b"secret"
    for other, kind, number in (
        (vault(owner="p"), "turn", 1),
        (vault(name="m"), "turn", 1),
        (vault(), "version", 1),
        (vault(), "turn", 2),
    ):
        with pytest.raises(SessionUnreadable, match="rejected"):
            await other.open(kind, number, part)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["", "AAAA", "x", "not base64!", "é"])
def test_what_is_no_part_is_unreadable(part: str) -> None:
    with pytest.raises(SessionUnreadable):
        asyncio.run(vault().open("head", 0, part))


# --- documents


def test_documents_survive_being_written_down() -> None:
    assert decode_turn(encode(turn(1))) == turn(1)
    head = Head(system="Grüße 🌍", model="m")
    assert decode_head(encode(head)) == head


def test_members_of_a_later_release_are_passed_over() -> None:
    assert decode_head(b'{"system":"s","model":"m","new":1}') == Head(system="s", model="m")


# --- index


def index(clock: FakeClock, database: MemoryDatabase, owner: str = "o", **environ: Any) -> SubjectIndex:
    return SubjectIndex(owner, database, settings=SessionSettings.from_environ(environ), clock=clock)


def test_an_index_holds_what_is_its_owners() -> None:
    clock, database = FakeClock(), MemoryDatabase()
    index(clock, database).add({"name": "a"})
    index(clock, database, "p").add({"name": "b"})
    assert index(clock, database).names() == {"names": ["a"]}
    index(clock, database).drop({"names": ["a", "b"]})
    assert index(clock, database).names() == {"names": []}
    assert index(clock, database, "p").names() == {"names": ["b"]}


def test_an_index_is_full_until_sessions_are_gone() -> None:
    clock, database = FakeClock(), MemoryDatabase()
    small: dict[str, Any] = {"SESSIONS_PER_SUBJECT": 2, "SESSION_IDLE_SECONDS": 100}
    for name in ("a", "b"):
        assert index(clock, database, **small).add({"name": name})["status"] == "added"
    assert index(clock, database, **small).add({"name": "c"}) == {"status": "full", "count": 2}
    clock.advance(300)
    index(clock, database, **small).touch({"name": "b"})
    clock.advance(300)
    assert index(clock, database, **small).add({"name": "c"})["status"] == "added"
    assert index(clock, database, **small).names() == {"names": ["b", "c"]}


# --- prompt


def test_the_model_is_told_everything_in_order() -> None:
    told = prompt(
        Head(system="Be brief."), [turn(1)], [{"role": "user", "content": "More."}], None, sent=False
    )
    assert [(m["role"], m["content"]) for m in told] == [
        ("system", "Be brief."),
        ("user", "question 1"),
        ("assistant", "Hi."),
        ("user", "More."),
    ]


@pytest.mark.parametrize(
    ("version", "turns", "sent", "is_shown"),
    [
        (code(), [turn(1), turn(2)], False, False),  # the model can see it in its answer
        (code(), [turn(2)], False, True),  # that answer has been let go
        (code("caller"), [turn(1)], False, True),  # questions are kept without their code
        (code(), [turn(1)], True, True),  # the caller sent it
        (code("caller"), [], True, True),
        (None, [turn(1)], False, False),
    ],
)
def test_the_code_stands_in_the_prompt_where_the_model_could_not_see_it(
    version: Version | None, turns: list[Turn], sent: bool, is_shown: bool
) -> None:
    told = prompt(Head(), turns, [{"role": "user", "content": "More."}], version, sent=sent)
    assert ("```python a.py\nx = 1\n```" in told[-1]["content"]) is is_shown
    assert told[-1]["content"].startswith("More.")


def test_code_with_fences_is_fenced_by_more() -> None:
    text = "````\nx\n````"
    told = prompt(Head(), [], [{"role": "user", "content": "?"}], code("caller", text=text), sent=True)
    (block,) = fenced_blocks(told[-1]["content"])
    assert block.text == f"{text}\n"


# --- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESSION_IDLE_SECONDS", 0),
        ("SESSION_HISTORY_TURNS", "many"),
        ("SESSION_HISTORY_BYTES", 5 * 1024 * 1024),
        ("SESSION_MESSAGE_BYTES", 1),
        ("SESSION_CODE_VERSIONS", 1),
        ("SESSION_WAIT_SECONDS", 26),
        ("SESSIONS_PER_SUBJECT", 0),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        SessionSettings.from_environ({name: value})
