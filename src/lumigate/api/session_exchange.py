"""One message of a session and its answer: what the model is asked, what is made of what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lumigate.api.session_bodies import NewMessage
from lumigate.errors import InvalidRequest
from lumigate.scope import Scope
from lumigate.sessions.client import SessionClient
from lumigate.sessions.contents import open_version
from lumigate.sessions.conversation import prompt
from lumigate.sessions.documents import Head, Said, Turn, decode_head, decode_turn, encode
from lumigate.sessions.fences import fenced_blocks
from lumigate.sessions.info_strings import language_of_file, usual_language
from lumigate.sessions.reply import reply
from lumigate.sessions.versions import Version, choose_block, next_version


class Exchange:
    """One message and its answer, from the opened session to the committed turn."""

    def __init__(
        self,
        scope: Scope,
        session_id: str,
        session: SessionClient,
        message: NewMessage,
        *,
        number: int,
        key: str,
        fingerprint: str,
    ) -> None:
        self._scope = scope
        self._session_id = session_id
        self._session = session
        self._message = message
        self._number = number
        self._key = key
        self._fingerprint = fingerprint
        self._head = Head()
        self._turns: Sequence[Turn] = ()
        self._code: Version | None = None
        self._new: dict[int, Version] = {}

    async def open(self, given: Mapping[str, Any]) -> None:
        """Open what the session holds, and take in the code that came with the message."""
        vault = self._session.vault
        self._head = decode_head(await vault.open("head", 0, given["head"]))
        self._turns = [decode_turn(await vault.open("turn", int(n), part)) for n, part in given["turns"]]
        code = None
        if given["code"] is not None:
            code = await open_version(self._session, int(given["versions"][-1]), given["code"])
        if self._message.code is not None:
            sent = self._message.code
            version = next_version(
                code,
                turn=self._number,
                source="caller",
                text=sent.text,
                language=usual_language(sent.language) or language_of_file(sent.file),
                file=sent.file,
            )
            code = self._keep(version) or code
        self._code = code

    def body(self) -> dict[str, Any]:
        """What the model is asked, in OpenAI's shape. Raises `InvalidRequest` where nobody has named a model."""
        message = self._message
        model = message.model or self._head.model
        if not model:
            raise InvalidRequest("is required: the session was begun without one", param="model")
        optional = {"temperature": message.temperature, "max_tokens": message.max_tokens}
        return {
            "model": model,
            "messages": prompt(
                self._head, self._turns, message.said, self._code, sent=message.code is not None
            ),
            "stream": message.stream,
            **{name: value for name, value in optional.items() if value is not None},
        }

    async def finish(self, said: Said) -> dict[str, Any]:
        """Find the code, commit the turn; what the caller is told. Raises `TurnLost`."""
        base = self._code
        code = base
        block = choose_block(fenced_blocks(said.text), base)
        if block is not None:
            version = next_version(
                base,
                turn=self._number,
                source="model",
                text=block.text,
                language=block.language,
                file=block.file,
            )
            code = self._keep(version) or base
        facts = self._scope.facts
        turn = Turn(
            number=self._number,
            created=self._scope.clock.now_ns() // 1_000_000_000,
            messages=self._message.said,
            answer=said.text,
            finish_reason=said.finish_reason,
            model=facts.model,
            provider=facts.provider,
            input_tokens=facts.input_tokens,
            output_tokens=facts.output_tokens,
            cost_usd=facts.cost_usd,
            base=base.number if base is not None else 0,
            version=code.number if code is not None else 0,
        )
        versions = {number: encode(version.to_document()) for number, version in self._new.items()}
        await self._session.commit(
            self._number, encode(turn), versions, key=self._key, fingerprint=self._fingerprint
        )
        return reply(self._session_id, turn, base=base, code=code, replayed=False)

    def _keep(self, version: Version | None) -> Version | None:
        if version is not None:
            self._new[version.number] = version
        return version
