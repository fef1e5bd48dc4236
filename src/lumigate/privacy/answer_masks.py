"""Personal data out of answers in OpenAI's shape: what is masked of them, and what is left out.

What a model says stands in the texts that are known here. Annotations and other members of a choice are masked text by
text; thoughts to be handed back stay only if they hold nothing, since a signature is of every word. What cannot be
masked (log probabilities, which spell the answer; audio; members that are not known) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lumigate.privacy.chat_texts import map_answer_texts
from lumigate.privacy.detect import detect
from lumigate.privacy.json_stream import JsonStreamMasker
from lumigate.privacy.kinds import Finding, Kind
from lumigate.privacy.mask import mark, replace
from lumigate.privacy.tokens import TokenTable

THOUGHTS = ("reasoning_content", "reasoning")
TEXTS = ("content", "refusal")
CALLS = ("tool_calls", "function_call")
_MESSAGE = frozenset({"role", *THOUGHTS, *TEXTS, *CALLS})
_CHOICE = frozenset({"index", "delta", "message", "finish_reason"})
_SEALED = frozenset({"signature", "data", "id", "type", "format"})


class AnswerMasks:
    """What is put in the place of findings in one answer. Tokens that were given out stay: their values come back."""

    __slots__ = ("_count", "_tokens")

    def __init__(self, count: Callable[[Kind], None], tokens: TokenTable | None = None) -> None:
        self._count = count
        self._tokens = tokens

    def put(self, finding: Finding, value: str) -> str:
        if self._tokens is not None and self._tokens.restore(value) != value:
            return value
        self._count(finding.kind)
        return mark(finding)

    def marked(self, text: str, findings: list[Finding]) -> str:
        return replace(text, findings, self.put)

    def plain(self, text: str) -> str:
        return self.marked(text, detect(text))

    def arguments(self, text: str) -> str:
        masker = JsonStreamMasker(self.put)
        return masker.feed(text) + masker.end()

    def answer(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """A whole `chat.completion`."""
        answer = map_answer_texts(answer, plain=self.plain, arguments=self.arguments)
        choices = answer.get("choices")
        if not isinstance(choices, list):
            return answer
        return {**answer, "choices": [self._whole_choice(choice) for choice in choices]}

    def _whole_choice(self, choice: Any) -> Any:
        if not isinstance(choice, Mapping):
            return self.every(choice)
        kept = self.choice(choice)
        if "message" in kept:
            message = kept["message"]
            kept["message"] = self.message(message) if isinstance(message, Mapping) else self.every(message)
        if "delta" in kept:  # has no place in a whole answer
            kept["delta"] = self.every(kept["delta"])
        return kept

    def choice(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        """A choice without what spells its text."""
        return {
            name: value if name in _CHOICE else None if name == "logprobs" else self.every(value)
            for name, value in choice.items()
        }

    def message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A message, or a part of one, whose texts are masked, with what else of it can be."""
        kept: dict[str, Any] = {}
        for name, value in message.items():
            if name in _MESSAGE or value is None:
                kept[name] = value
            elif name == "annotations":
                kept[name] = self.every(value)
            elif name == "reasoning_details" and isinstance(value, list):
                kept[name] = [detail for detail in value if self._may_stay(detail)]
        return kept

    def _may_stay(self, detail: Any) -> bool:
        """Whether this is a whole thought, and nothing is in it. What was found counts where it is told."""
        if not isinstance(detail, Mapping) or not (detail.get("signature") or detail.get("data")):
            return False
        told = {name: value for name, value in detail.items() if name not in _SEALED}
        return bool(AnswerMasks(_uncounted, self._tokens).every(told) == told)

    def every(self, value: Any) -> Any:
        """A value with all texts in it masked, each as a whole."""
        if isinstance(value, str):
            return self.plain(value)
        if isinstance(value, list):
            return [self.every(item) for item in value]
        return {name: self.every(item) for name, item in value.items()} if isinstance(value, dict) else value


def _uncounted(kind: Kind) -> None:
    """For what is looked at, and not told."""
