"""Where a chat body and an answer hold text, and the same body with other text there. Nothing else is touched.

Texts are the string contents and text parts of messages, who says them, refusals, thoughts, a predicted output, the
inputs of embeddings, what says who the end user is, and the arguments of tool and function calls, which are JSON. A
body is not changed: what changes is copied, what does not is shared. A thing of an unexpected shape is passed over;
validation is not done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_ABOUT_THE_USER = ("user", "safety_identifier", "prompt_cache_key")
"""Names that applications give their users; an e-mail address more often than not."""

type Rewrite = Callable[[str], str | None]
"""From a text to the one in its place; None keeps it."""


def map_texts(
    body: Mapping[str, Any], *, plain: Rewrite, arguments: Rewrite, names: Rewrite
) -> Mapping[str, Any]:
    """A request's body with its texts rewritten. `names`: of who says a message, where not every sign may be."""
    walk = _Walk(plain, arguments, names)
    changed: Mapping[str, Any] = walk.members(
        body,
        {
            "messages": walk.messages,
            "input": walk.inputs,
            "prediction": walk.message,
            "metadata": walk.values,
            **dict.fromkeys(_ABOUT_THE_USER, walk.text),
        },
    )
    return changed


def map_answer_texts(answer: Mapping[str, Any], *, plain: Rewrite, arguments: Rewrite) -> Mapping[str, Any]:
    """A whole answer's body (`chat.completion`) with its texts rewritten."""
    walk = _Walk(plain, arguments)

    def choice(value: Any) -> Any:
        return walk.members(value, {"message": walk.message})

    changed: Mapping[str, Any] = walk.members(answer, {"choices": lambda choices: walk.each(choices, choice)})
    return changed


class _Walk:
    __slots__ = ("_arguments", "_names", "_plain")

    def __init__(self, plain: Rewrite, arguments: Rewrite, names: Rewrite | None = None) -> None:
        self._plain = plain
        self._arguments = arguments
        self._names = names or plain

    def messages(self, value: Any) -> Any:
        return self.each(value, self.message)

    def inputs(self, value: Any) -> Any:
        """What an embedding is asked of: one text or several; token ids are no texts."""
        return self.each(value, self.text) if isinstance(value, list) else self.text(value)

    def message(self, value: Any) -> Any:
        return self.members(
            value,
            {
                "content": self._content,
                "name": self._name,
                "refusal": self.text,
                "reasoning_content": self.text,
                "reasoning": self.text,
                "tool_calls": lambda calls: self.each(calls, self._tool_call),
                "function_call": self._function,
            },
        )

    def _name(self, value: Any) -> Any:
        return _rewritten(value, self._names)

    def _content(self, value: Any) -> Any:
        return self.each(value, self._part) if isinstance(value, list) else self.text(value)

    def _part(self, value: Any) -> Any:
        return self.members(value, {"text": self.text, "refusal": self.text})

    def _tool_call(self, value: Any) -> Any:
        return self.members(value, {"function": self._function, "custom": self._custom})

    def _function(self, value: Any) -> Any:
        return self.members(value, {"arguments": self._json})

    def _custom(self, value: Any) -> Any:
        return self.members(value, {"input": self.text})

    def text(self, value: Any) -> Any:
        return _rewritten(value, self._plain)

    def values(self, value: Any) -> Any:
        """Labels that were put on the request."""
        if not isinstance(value, Mapping):
            return value
        return self.members(value, dict.fromkeys(value, self.text))

    def _json(self, value: Any) -> Any:
        return _rewritten(value, self._arguments)

    @staticmethod
    def each(value: Any, change: Callable[[Any], Any]) -> Any:
        """A list with its items changed; the same list if none is."""
        if not isinstance(value, list):
            return value
        changed = [change(item) for item in value]
        return value if all(new is old for new, old in zip(changed, value, strict=True)) else changed

    @staticmethod
    def members(value: Any, changes: Mapping[str, Callable[[Any], Any]]) -> Any:
        """An object with these members changed, in their order; the same object if none is."""
        if not isinstance(value, Mapping):
            return value
        changed = {
            name: new
            for name, change in changes.items()
            if name in value and (new := change(value[name])) is not value[name]
        }
        return {**value, **changed} if changed else value


def _rewritten(value: Any, rewrite: Rewrite) -> Any:
    if not isinstance(value, str):
        return value
    new = rewrite(value)
    return value if new is None or new == value else new
