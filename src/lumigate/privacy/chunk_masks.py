"""Personal data out of a stream of answers in OpenAI's shape: each text and each call masked as if it were whole.

A choice says one thing at a time: thoughts, then text, then one call after another. What is held back of one goes out
before the next begins, in a chunk of its own, and the rest with the `finish_reason`: a translator that opens and closes
blocks finds them in their order. What is held is bounded by `StreamMasker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.privacy.answer_masks import CALLS, TEXTS, THOUGHTS, AnswerMasks
from lumigate.privacy.json_stream import JsonStreamMasker
from lumigate.privacy.stream import StreamMasker

_ENVELOPE = ("id", "object", "created", "model")
_SAID = frozenset({*THOUGHTS, *TEXTS, *CALLS})

type _Place = tuple[str, int]
"""The name of a text, or of what a call is given; and the number of the call."""


class ChunkMasker:
    """Masks one stream of `chat.completion.chunk` objects."""

    __slots__ = ("_choices", "_envelope", "_masks")

    def __init__(self, masks: AnswerMasks) -> None:
        self._masks = masks
        self._choices: dict[int, _Choice] = {}
        self._envelope: dict[str, Any] = {}

    def feed(self, chunk: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The chunks that may go on in the place of this one."""
        if chunk.get("error") is not None:
            return [*self.end(), {**chunk, "error": self._masks.every(chunk["error"])}]
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return [chunk]
        self._envelope = {name: chunk[name] for name in _ENVELOPE if name in chunk}
        earlier: list[Any] = []
        masked = [self._choice(choice, earlier) for choice in choices]
        return [*self._chunk(earlier), {**chunk, "choices": masked}]

    def end(self) -> list[Mapping[str, Any]]:
        """What is held back of choices that were never finished, as a chunk."""
        rests = [(index, choice.end({})) for index, choice in self._choices.items()]
        self._choices.clear()
        return self._chunk([_said(index, rest) for index, rest in rests if rest])

    def _chunk(self, choices: list[Any]) -> list[Mapping[str, Any]]:
        return [{**self._envelope, "choices": choices}] if choices else []

    def _choice(self, given: Any, earlier: list[Any]) -> Any:
        if not isinstance(given, Mapping):
            return self._masks.every(given)
        masked = self._masks.choice(given)
        if "message" in masked:  # has no place in a stream
            masked["message"] = self._masks.every(masked["message"])
        index, delta = given.get("index", 0), given.get("delta")
        if not isinstance(index, int):
            index = masked["index"] = 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(self._masks)
        if isinstance(delta, Mapping):
            before, masked["delta"] = choice.feed(delta)
            if before:
                earlier.append(_said(index, before))
        elif delta is not None:
            masked["delta"] = self._masks.every(delta)
        if given.get("finish_reason") is not None:
            rest = choice.end(masked["delta"] if isinstance(delta, Mapping) else {})
            if rest:
                masked["delta"] = rest
            del self._choices[index]
        return masked


def _said(index: int, delta: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": None}


class _Choice:
    """What one choice is saying."""

    __slots__ = ("_maskers", "_masks", "_now")

    def __init__(self, masks: AnswerMasks) -> None:
        self._masks = masks
        self._maskers: dict[_Place, StreamMasker | JsonStreamMasker] = {}
        self._now: tuple[_Place, ...] = ()
        """What is being said: the places of which something may be held back."""

    def feed(self, delta: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What has to go out before, and the delta as it may go on."""
        earlier: dict[str, Any] = {}
        masked = {name: new for name, new in self._masks.message(delta).items() if name not in _SAID}
        for names in (THOUGHTS, TEXTS):
            if any(delta.get(name) for name in names):
                self._turn_to(tuple((name, 0) for name in names), earlier, masked)
            for name in names:
                if name in delta:
                    text = delta[name]
                    is_text = isinstance(text, str)
                    masked[name] = self._masker((name, 0)).feed(text) if is_text else self._masks.every(text)
        if isinstance(calls := delta.get("tool_calls"), list):
            masked["tool_calls"] = []
            for call in calls:
                masked["tool_calls"].append(self._call(call, earlier, masked))
        elif "tool_calls" in delta:
            masked["tool_calls"] = self._masks.every(calls)
        if isinstance(function := delta.get("function_call"), Mapping):
            masked["function_call"] = self._given(function, ("function_call", 0), earlier, masked)
        elif "function_call" in delta:
            masked["function_call"] = self._masks.every(function)
        return earlier, masked

    def end(self, delta: dict[str, Any]) -> dict[str, Any]:
        """The delta with what is still held back."""
        self._turn_to((), delta, delta)
        return delta

    def _call(self, call: Any, earlier: dict[str, Any], masked: dict[str, Any]) -> Any:
        if not isinstance(call, Mapping):
            return self._masks.every(call)
        number = call.get("index", 0)
        number = number if isinstance(number, int) else 0
        changed = dict(call)
        for kind in ("function", "custom"):
            if isinstance(given := call.get(kind), Mapping):
                changed[kind] = self._given(given, (kind, number), earlier, masked)
        return changed

    def _given(
        self, given: Mapping[str, Any], place: _Place, earlier: dict[str, Any], masked: dict[str, Any]
    ) -> dict[str, Any]:
        self._turn_to((place,), earlier, masked)
        name = _member(place)
        if name not in given:
            return dict(given)
        text = given[name]
        is_text = isinstance(text, str)
        return {**given, name: self._masker(place).feed(text) if is_text else self._masks.every(text)}

    def _turn_to(self, places: tuple[_Place, ...], earlier: dict[str, Any], masked: dict[str, Any]) -> None:
        """Say something else from here on: the rest of what was being said goes out."""
        if places == self._now:
            return
        for place in self._now:
            if place in self._maskers and (rest := self._maskers[place].end()):
                _add(rest, place, masked if _holds(masked, place) else earlier)
        self._now = places

    def _masker(self, place: _Place) -> StreamMasker | JsonStreamMasker:
        masker = self._maskers.get(place)
        if masker is None:
            is_json = place[0] in ("function", "function_call")
            masker = JsonStreamMasker(self._masks.put) if is_json else StreamMasker(self._masks.marked)
            self._maskers[place] = masker
        return masker


def _member(place: _Place) -> str:
    return "input" if place[0] == "custom" else "arguments"


def _holds(delta: Mapping[str, Any], place: _Place) -> bool:
    """Whether a delta says something there already."""
    name, number = place
    if name in ("function", "custom"):
        return _call_of(delta, number) is not None
    return name in delta


def _call_of(delta: Mapping[str, Any], number: int) -> Any:
    calls = delta.get("tool_calls") or ()
    return next((it for it in calls if isinstance(it, dict) and it.get("index", 0) == number), None)


def _add(rest: str, place: _Place, delta: dict[str, Any]) -> None:
    name, number = place
    if name in ("function", "custom"):
        call = _call_of(delta, number)
        if call is None:
            call = {"index": number}
            delta["tool_calls"] = [*(delta.get("tool_calls") or ()), call]
        given = call.setdefault(name, {})
    elif name == "function_call":
        given = delta["function_call"] = delta.get("function_call") or {}
    else:
        delta[name] = (delta.get(name) or "") + rest
        return
    given[_member(place)] = (given.get(_member(place)) or "") + rest
