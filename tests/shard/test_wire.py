import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.shard import BatchRefused, Outbox
from lumigate.shard.decoding import BatchDecoder
from lumigate.shard.encoding import encode_batches
from lumigate.shard.wire import MAX_CHARS, canonical
from lumigate.telemetry.records import CUMULATIVE, DELTA, Exemplar, MetricData, NumberPoint
from tests.shard.deltas import SCOPE, START, EvictableShard, counter, gauge, histogram, points, sealed, value

GOOD: dict[str, Any] = json.loads(
    sealed(Outbox("a"), START, counter(5), histogram([0.2]), gauge(1, START))["batch"]
)
SUM, BUCKETS, LEVEL = range(3)


def damaged(*path: Any, to: Any) -> str:
    """A good batch with one place changed."""
    batch = json.loads(json.dumps(GOOD))
    place = batch
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(batch)


def schema(**changes: Any) -> str:
    fields = {
        "name": "n",
        "unit": "1",
        "kind": "sum",
        "monotonic": True,
        "bounds": [],
        "scope": "s",
    } | changes
    return canonical(list(fields.values()))


def point(metric: int, *rest: Any) -> str:
    return damaged("metrics", metric, 3, 0, to=["{}", *rest])


HEX = ["0" * 31 + "1", "0" * 15 + "1"]
HOSTILE = {
    "no text": None,
    "bytes": b"{}",
    "empty": "",
    "not JSON": "{",
    "a number": "1",
    "a list": "[]",
    "deep": "[" * 100_000,
    "NaN": damaged("metrics", SUM, 3, 0, 1, to="@").replace('"@"', "NaN"),
    "infinity by overflow": damaged("metrics", SUM, 3, 0, 1, to="@").replace('"@"', "1e999"),
    "an integer of 5,000 digits": damaged("metrics", SUM, 3, 0, 1, to="@").replace('"@"', "9" * 5000),
    "another version": damaged("v", to=2),
    "version true": damaged("v", to=True),
    "no isolate": damaged("isolate", to=""),
    "isolate a number": damaged("isolate", to=1),
    "isolate too long": damaged("isolate", to="x" * 65),
    "sequence 0": damaged("seq", to=0),
    "sequence true": damaged("seq", to=True),
    "sequence 1.0": damaged("seq", to=1.0),
    "sequence huge": damaged("seq", to=1 << 60),
    "sealed never": damaged("sealed", to=0),
    "no metrics": damaged("metrics", to=[]),
    "metrics an object": damaged("metrics", to={}),
    "metric short": damaged("metrics", 0, to=[schema(), "", ""]),
    "schema a list": damaged("metrics", SUM, 0, to=["n"]),
    "schema unhashable": damaged("metrics", SUM, 0, to={}),
    "schema not JSON": damaged("metrics", SUM, 0, to="["),
    "schema with spaces": damaged("metrics", SUM, 0, to=schema() + " "),
    "name empty": damaged("metrics", SUM, 0, to=schema(name="")),
    "name a surrogate": damaged("metrics", SUM, 0, to=schema(name="\ud800")),
    "kind unknown": damaged("metrics", SUM, 0, to=schema(kind="summary")),
    "kind unhashable": damaged("metrics", SUM, 0, to=schema(kind=[])),
    "a monotonic gauge": damaged("metrics", SUM, 0, to=schema(kind="gauge")),
    "a sum with bounds": damaged("metrics", SUM, 0, to=schema(bounds=[1.0])),
    "bounds that fall": damaged(
        "metrics", BUCKETS, 0, to=schema(kind="histogram", monotonic=False, bounds=[2.0, 1.0])
    ),
    "bounds of text": damaged(
        "metrics", BUCKETS, 0, to=schema(kind="histogram", monotonic=False, bounds=["1"])
    ),
    "description a surrogate": damaged("metrics", SUM, 1, to="\ud800"),
    "points empty": damaged("metrics", SUM, 3, to=[]),
    "a point a number": damaged("metrics", SUM, 3, 0, to=1),
    "attributes an object": damaged("metrics", SUM, 3, 0, 0, to={"a": 1}),
    "attributes a list": damaged("metrics", SUM, 3, 0, 0, to="[]"),
    "attributes unsorted": damaged("metrics", SUM, 3, 0, 0, to='{"b":1,"a":1}'),
    "attributes twice": damaged("metrics", SUM, 3, 0, 0, to='{"a":1,"a":2}'),
    "attributes nested": damaged("metrics", SUM, 3, 0, 0, to='{"a":{"b":1}}'),
    "attributes null": damaged("metrics", SUM, 3, 0, 0, to='{"a":null}'),
    "attributes mixed": damaged("metrics", SUM, 3, 0, 0, to='{"a":[1,"b"]}'),
    "attributes a surrogate": damaged("metrics", SUM, 3, 0, 0, to='{"a":"\\ud800"}'),
    "attributes too many": damaged("metrics", SUM, 3, 0, 0, to=canonical({f"k{n}": 1 for n in range(65)})),
    "a counter that falls": point(SUM, -1),
    "a flag for a number": point(SUM, True),
    "a text for a number": point(SUM, "1"),
    "a number beyond 64 bits": point(SUM, 1 << 63),
    "a sum with a fourth field": point(SUM, 1, [], []),
    "exemplars an object": point(SUM, 1, {}),
    "exemplar short": point(SUM, 1, [[1, 1, HEX[0]]]),
    "exemplar not hex": point(SUM, 1, [[1, 1, "g" * 32, HEX[1]]]),
    "exemplar in capitals": point(SUM, 1, [[1, 1, "A" * 32, HEX[1]]]),
    "a bucket too few": point(BUCKETS, 1.0, [0, 0, 0]),
    "a negative bucket": point(BUCKETS, 1.0, [0, 0, 0, -1]),
    "a fractional bucket": point(BUCKETS, 1.0, [0, 0, 0, 1.0]),
    "a flag for a bucket": point(BUCKETS, 1.0, [0, 0, 0, True]),
    "a bucket beyond reason": point(BUCKETS, 1.0, [0, 0, 0, 1 << 50]),
    "no buckets": point(BUCKETS, 1.0),
    "a gauge without a time": point(LEVEL, 1.0),
    "a gauge before time": point(LEVEL, 1.0, -1),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_not_exactly_right_is_refused_whole(held: EvictableShard, text: Any) -> None:
    """It is counted by reason, leaves no trace in the state, and the good batch of the same number still counts."""
    answer = held.shard.push({"batch": text}, START)
    assert answer["status"] == "refused"
    assert answer["reason"]
    assert answer["retry"] == (text == HOSTILE["another version"])
    assert sum(held.shard.counts.values()) == 1
    assert (held.shard.series, held.shard.rows, held.shard.isolates) == (0, 0, 0)
    assert held.push({"batch": json.dumps(GOOD)}, START) == "stored"
    assert held.shard.series == 3


def test_a_batch_too_large_for_a_row_is_refused(held: EvictableShard) -> None:
    """Before it is parsed."""
    assert "too_large" in held.shard.push({"batch": " " * (MAX_CHARS + 1)}, START)["reason"]


def test_a_message_without_a_batch_is_refused(held: EvictableShard) -> None:
    """Not an error of the shard."""
    assert held.shard.push({}, START)["status"] == "refused"


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5),
    st.data(),
)
def test_no_damage_makes_the_decoder_raise_anything_else(damage: Any, data: st.DataObject) -> None:
    """Whatever stands wherever: taken, or refused with a reason."""
    batch = json.loads(json.dumps(GOOD))
    place, steps = batch, data.draw(st.integers(1, 5))
    for _ in range(steps):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or _ == steps - 1:
            place[key] = damage
            break
        place = place[key]
    with suppress(BatchRefused):
        BatchDecoder().decode(json.dumps(batch))


@given(st.text())
def test_no_text_makes_the_decoder_raise_anything_else(text: str) -> None:
    """As above, for any text at all."""
    with pytest.raises(BatchRefused):
        BatchDecoder().decode(text)


def test_an_exemplar_survives_the_wire(held: EvictableShard) -> None:
    """Value, time and both ids."""
    exemplar = Exemplar(value=0.25, time_ns=START - 7, trace_id=(1 << 127) + 3, span_id=(1 << 63) + 5)
    held.push(sealed(Outbox("a"), START, counter(1, exemplars=[exemplar])), START)
    held.export(START)
    ((_, point),) = points(held.export(START)).items()
    assert list(point.exemplars) == [exemplar]


def test_what_cannot_be_added_is_skipped_and_counted() -> None:
    """Numbers that are not finite, cumulative sums; the rest of the deltas goes out."""
    total = counter(1, "total")
    object.__setattr__(total, "temporality", CUMULATIVE)
    odd = MetricData(
        scope=SCOPE,
        name="odd",
        unit="1",
        description="",
        kind="sum",
        points=[
            NumberPoint(attributes={"n": n}, start_ns=0, time_ns=0, value=n)
            for n in (1.0, float("nan"), float("inf"))
        ],
        temporality=DELTA,
    )
    outbox = Outbox("a")
    outbox.seal([total, odd, gauge(float("inf"), START)], START)
    assert outbox.counts["points_skipped"] == 4
    (batch,) = outbox.due(START)
    assert [len(metric.points) for metric in BatchDecoder().decode(batch.text).metrics] == [1]


def test_a_large_delta_is_split_into_batches_that_fit(held: EvictableShard) -> None:
    """Each has a number of its own, and together they hold everything once."""
    metrics = [counter(n, f"metric.{n % 7}", n=n) for n in range(1, 300)]
    encoded = encode_batches(metrics, isolate="a", first_sequence=5, sealed_ns=START, max_chars=2_000)
    assert len(encoded.texts) > 10
    assert max(map(len, encoded.texts)) <= 2_000
    for text in encoded.texts:
        assert held.push({"batch": text}, START) == "stored"
    held.export(START)
    after = held.export(START)
    assert all(value(after, f"metric.{n % 7}", n=n) == n for n in range(1, 300))


def test_a_point_larger_than_a_batch_is_skipped() -> None:
    """It cannot be split; nothing else is lost for it."""
    encoded = encode_batches(
        [counter(1, n="x" * 500), counter(2)], isolate="a", first_sequence=1, sealed_ns=START, max_chars=400
    )
    assert (len(encoded.texts), encoded.skipped) == (1, 1)
