"""Batches become deltas again, and nothing that is not exactly right gets past: refused whole, with the reason.

A batch is checked completely before any of it counts, so a bad one never leaves a trace in the state.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Final, NoReturn

from lumigate.shard.wire import (
    MAX_ATTRIBUTES,
    MAX_ATTRIBUTES_CHARS,
    MAX_CHARS,
    MAX_NAME,
    VERSION,
    Batch,
    BatchRefused,
    MetricDelta,
    Point,
    RefusalReason,
    Schema,
    canonical,
    is_number,
)

_MAX_TEXT: Final = 4_096
_MAX_BOUNDS: Final = 256
_MAX_METRICS: Final = 1_000
_MAX_COUNT: Final = 1 << 40
_MAX_TIME: Final = 1 << 63
_REMEMBERED: Final = 50_000
_KINDS: Final = ("sum", "gauge", "histogram")


class BatchDecoder:
    """Decodes batches; remembers the schema and attribute texts it has examined, up to a bound."""

    __slots__ = ("_attributes", "_schemas")

    def __init__(self) -> None:
        self._schemas: dict[str, Schema] = {}
        self._attributes: set[str] = set()

    def decode(self, text: object) -> Batch:
        """Raises `BatchRefused`, and nothing else."""
        if not isinstance(text, str):
            _refuse("text", f"a batch is a text, not {type(text).__name__}")
        if len(text) > MAX_CHARS:
            _refuse("too_large", f"{len(text)} characters, at most {MAX_CHARS}")
        try:
            content = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BatchRefused("json", str(error)[:200]) from None
        if not isinstance(content, dict):
            _refuse("header", "not an object")
        if type(content.get("v")) is not int:
            _refuse("header", "v is a version")
        if content["v"] != VERSION:
            # during a deploy an isolate may be newer than its shard, which will be replaced soon
            raise BatchRefused("version", f"this shard reads version {VERSION}", retry=True)
        isolate, sequence, sealed_ns = content.get("isolate"), content.get("seq"), content.get("sealed")
        if not isinstance(isolate, str) or not 1 <= len(isolate) <= 64 or not isolate.isascii():
            _refuse("header", "isolate is 1 to 64 ASCII characters")
        if type(sequence) is not int or not 1 <= sequence < 1 << 53:
            _refuse("header", "seq is an integer from 1")
        if type(sealed_ns) is not int or not 0 < sealed_ns < _MAX_TIME:
            _refuse("header", "sealed is Unix nanoseconds")
        metrics = content.get("metrics")
        if not isinstance(metrics, list) or not 1 <= len(metrics) <= _MAX_METRICS:
            _refuse("header", f"metrics is a list of 1 to {_MAX_METRICS}")
        return Batch(
            isolate=isolate,
            sequence=sequence,
            sealed_ns=sealed_ns,
            metrics=[self._metric(metric) for metric in metrics],
        )

    def _metric(self, metric: Any) -> MetricDelta:
        if not isinstance(metric, list) or len(metric) != 4:
            _refuse("metric", "a metric is [schema, description, version, points]")
        schema_text, description, version, points = metric
        schema = self._schemas.get(schema_text) if isinstance(schema_text, str) else None
        if schema is None:
            schema = self._new_schema(schema_text)
        if not _is_text(description, _MAX_TEXT) or not _is_text(version, MAX_NAME):
            _refuse("metric", "description and version are short texts")
        if not isinstance(points, list) or not points:
            _refuse("metric", "points is a list that is not empty")
        check = _CHECKS[schema.kind]
        for point in points:
            if not isinstance(point, list) or not 2 <= len(point) <= 4:
                _refuse("point", f"{schema.name}: not a point")
            attributes = point[0]
            if type(attributes) is not str or attributes not in self._attributes:
                self._new_attributes(attributes)
            if not check(schema, point):
                _refuse("point", f"{schema.name}: not a {schema.kind} delta")
        return MetricDelta(schema=schema, description=description, scope_version=version, points=points)

    def schema(self, text: object) -> Schema:
        """The schema that a text stands for. Raises `BatchRefused`."""
        found = self._schemas.get(text) if isinstance(text, str) else None
        return self._new_schema(text) if found is None else found

    def _new_schema(self, text: object) -> Schema:
        fields = _parsed("metric", text, 16_384)
        if not isinstance(fields, list) or len(fields) != 6:
            _refuse("metric", "a schema has six fields")
        name, unit, kind, monotonic, bounds, scope_name = fields
        if not _is_text(name, MAX_NAME) or not name:
            _refuse("metric", f"a name is 1 to {MAX_NAME} characters")
        if not _is_text(unit, 63) or not _is_text(scope_name, MAX_NAME) or kind not in _KINDS:
            _refuse("metric", "unit, kind or scope")
        if type(monotonic) is not bool or (monotonic and kind != "sum"):
            _refuse("metric", "only a sum is monotonic")
        if not isinstance(bounds, list) or len(bounds) > _MAX_BOUNDS or (bounds and kind != "histogram"):
            _refuse("metric", f"a histogram has at most {_MAX_BOUNDS} bounds")
        if not all(type(b) is float and isfinite(b) for b in bounds) or bounds != sorted(set(bounds)):
            _refuse("metric", "bounds are finite and increasing")
        schema = Schema(
            text=str(text),
            name=name,
            unit=unit,
            kind=kind,
            monotonic=monotonic,
            bounds=tuple(bounds),
            scope_name=scope_name,
        )
        if len(self._schemas) >= _REMEMBERED // 10:
            self._schemas.clear()
        self._schemas[schema.text] = schema
        return schema

    def _new_attributes(self, text: object) -> None:
        fields = _parsed("attributes", text, MAX_ATTRIBUTES_CHARS)
        if not isinstance(fields, dict) or len(fields) > MAX_ATTRIBUTES or "" in fields:
            _refuse("attributes", f"at most {MAX_ATTRIBUTES} named values")
        for value in fields.values():
            items = value if isinstance(value, list) else [value]
            if not all(_is_scalar(item) for item in items) or len({type(item) for item in items}) > 1:
                _refuse("attributes", "a value is a text, flag or number, or a list of one of these")
        if len(self._attributes) >= _REMEMBERED:
            self._attributes.clear()
        self._attributes.add(str(text))


def _sum(schema: Schema, point: Point) -> bool:
    value = point[1]
    return (
        is_number(value)
        and (value >= 0 or not schema.monotonic)
        and (len(point) == 2 or (len(point) == 3 and _are_exemplars(point[2])))
    )


def _gauge(schema: Schema, point: Point) -> bool:
    return len(point) == 3 and is_number(point[1]) and type(point[2]) is int and 0 <= point[2] < _MAX_TIME


def _histogram(schema: Schema, point: Point) -> bool:
    if len(point) < 3:
        return False
    counts = point[2]
    return (
        is_number(point[1])
        and type(counts) is list
        and len(counts) == len(schema.bounds) + 1
        and set(map(type, counts)) == {int}
        and min(counts) >= 0
        and max(counts) <= _MAX_COUNT
        and (len(point) == 3 or _are_exemplars(point[3]))
    )


_CHECKS: Final = {"sum": _sum, "gauge": _gauge, "histogram": _histogram}


def _are_exemplars(found: object) -> bool:
    return type(found) is list and len(found) <= _MAX_BOUNDS + 1 and all(map(_is_exemplar, found))


def _is_exemplar(found: object) -> bool:
    if type(found) is not list or len(found) != 4:
        return False
    value, time_ns, trace_id, span_id = found
    return (
        is_number(value)
        and type(time_ns) is int
        and 0 <= time_ns < _MAX_TIME
        and _is_hex(trace_id, 32)
        and _is_hex(span_id, 16)
    )


def _is_hex(found: object, length: int) -> bool:
    return type(found) is str and len(found) == length and not found.strip("0123456789abcdef")


def _is_scalar(found: object) -> bool:
    return type(found) in {str, bool} or is_number(found)


def _is_text(found: object, length: int) -> bool:
    return type(found) is str and len(found) <= length and _is_unicode(found)


def _is_unicode(text: str) -> bool:
    """A lone surrogate passes JSON, and would break every export afterwards."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parsed(reason: RefusalReason, text: object, max_chars: int) -> Any:
    """What a text inside the batch holds, provided it is written the one way there is to write it."""
    if type(text) is not str or len(text) > max_chars:
        _refuse(reason, f"not a text of at most {max_chars} characters")
    try:
        found = json.loads(text, parse_constant=_no_constant)
        again = canonical(found)
    except (ValueError, RecursionError):
        _refuse(reason, "not JSON")
    if again != text:
        _refuse(reason, "not in canonical form")
    if "\\ud" in text and not _is_unicode(json.dumps(found, ensure_ascii=False)):
        _refuse(reason, "a lone surrogate")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number here")


def _refuse(reason: RefusalReason, detail: str) -> NoReturn:
    raise BatchRefused(reason, detail)
