"""The catalog against itself, against the limits of the sinks, and against the code that emits."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumigate import catalog, errors
from lumigate.auth import key_document, key_set
from lumigate.catalog import METRICS, SPANS, WIDE_EVENT
from lumigate.config import PROVIDER_BASE_URLS
from lumigate.errors import LumigateError, Unauthenticated, UpstreamError
from lumigate.instruments import Instruments
from lumigate.llm.providers import CONVENTIONAL_NAMES, PROVIDERS
from lumigate.ports import FetchError
from lumigate.scope import Facts
from lumigate.shard import SHARD_METRICS
from lumigate.telemetry.schema import OTHER, Attribute, InstrumentKind, Metric
from lumigate.telemetry.self_metrics import SELF_METRICS
from lumigate.telemetry.sinks.analytics_engine import MAX_COLUMNS, PointLayout
from tests.fakes import make_gateway, make_scope

BY_NAME = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def attributes() -> Iterator[Attribute]:
    for value in vars(catalog).values():
        if isinstance(value, Attribute):
            yield value
    for metric in METRICS:
        if metric not in SELF_METRICS:  # the engine's own are its own matter
            yield from metric.attributes
    for span in SPANS:
        yield from span.attributes


def concrete(base: type[LumigateError]) -> Iterator[type[LumigateError]]:
    for derived in base.__subclasses__():
        if derived.__module__ == errors.__name__:
            yield derived
            yield from concrete(derived)


# --- names and shapes


def test_names_are_unique() -> None:
    for names in (
        [metric.name for metric in METRICS],
        [span.name for span in SPANS],
        [field.name for field in WIDE_EVENT],
        [column.name for column in catalog.DATA_POINT],
        [column.column for column in catalog.DATA_POINT],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_every_metric_that_is_declared_is_listed() -> None:
    declared = {value.name for value in vars(catalog).values() if isinstance(value, Metric)}
    assert {metric.name for metric in METRICS} == declared | {
        metric.name for metric in (*SELF_METRICS, *SHARD_METRICS)
    }


@BY_NAME
def test_a_metric_has_a_name_unit_and_description_by_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", metric.name)
    assert metric.unit
    assert metric.description.endswith(".")
    keys = [attribute.key for attribute in metric.attributes]
    assert len(keys) == len(set(keys))
    assert metric.cardinality_limit > 0


@BY_NAME
def test_histograms_and_they_alone_have_buckets_in_rising_order(metric: Metric) -> None:
    if metric.kind is InstrumentKind.HISTOGRAM:
        assert metric.buckets == tuple(sorted(set(metric.buckets)))
        assert metric.buckets
        assert metric.buckets[0] > 0
    else:
        assert metric.buckets == ()


def test_an_attribute_means_the_same_everywhere() -> None:
    known: dict[str, Attribute] = {}
    for attribute in attributes():
        assert known.setdefault(attribute.key, attribute) == attribute
        assert attribute.description.endswith(".")
        assert attribute.values is None or OTHER not in attribute.values


def test_a_span_template_is_made_of_attributes_that_the_span_has() -> None:
    for span in SPANS:
        keys = {attribute.key for attribute in span.attributes}
        assert set(re.findall(r"{(.+?)}", span.name)) <= keys
        assert span.kind in {"server", "client", "internal"}


def test_every_instrument_is_one_of_the_catalogs_and_none_is_missing() -> None:
    """What the gateway records; the engine's metrics about itself are its own."""
    live = vars(make_scope().scope.instruments)
    elsewhere = {catalog.LOST_INVOCATIONS}  # the Tail Worker's
    assert len(live) == len(METRICS) - len(SELF_METRICS) - len(SHARD_METRICS) - len(elsewhere)
    assert isinstance(make_scope().scope.instruments, Instruments)


# --- Analytics Engine


def test_the_data_point_keeps_to_twenty_blobs_twenty_doubles_and_one_index_without_gaps() -> None:
    places: dict[str, list[int]] = {"index": [], "blob": [], "double": []}
    for column in catalog.DATA_POINT:
        kind, number = re.fullmatch(r"(index|blob|double)(\d+)", column.column).groups()  # type: ignore[union-attr]
        places[kind].append(int(number))
    for numbers in places.values():
        assert numbers == list(range(1, len(numbers) + 1))
    assert places["index"] == [1]
    assert len(places["blob"]) <= MAX_COLUMNS
    assert len(places["double"]) <= MAX_COLUMNS
    PointLayout(catalog.DATA_POINT)  # raises where the declaration contradicts the sink


async def test_everything_that_is_known_of_a_request_has_a_column_or_field_and_the_other_way_round() -> None:
    """A typing error in a name would be an empty column for ever."""
    rig = make_gateway()
    await rig.send("GET", "/health")
    (event,) = rig.events
    declared = {field.name for field in WIDE_EVENT}
    assert set(event) == declared - {"module"}
    assert {column.name for column in catalog.DATA_POINT} <= declared
    internal = {"started_ns", "last_active_ns", "finished", "upstream_ns", "first_chunk_ns", "settled_usd"}
    internal |= {"auth_ns", "l1_ns", "route_ns"}
    assert {field.name for field in dataclasses.fields(Facts)} - internal <= declared


@pytest.mark.parametrize("field", WIDE_EVENT, ids=lambda field: field.name)
async def test_a_field_holds_the_type_that_is_declared(field: object) -> None:
    rig = make_gateway()
    await rig.send("GET", "/health")
    (event,) = rig.events
    declared = next(f for f in WIDE_EVENT if f is field)
    if declared.name in event:
        assert type(event[declared.name]) is declared.type


# --- closed sets against the code


def values_of(attribute: Attribute) -> frozenset[str]:
    assert attribute.values is not None
    return attribute.values


def test_every_reason_to_refuse_a_caller_is_in_the_set() -> None:
    assert values_of(catalog.AUTH_REASON) == {"ok", *Unauthenticated.MESSAGES}


def test_every_error_of_an_upstream_is_a_result_of_an_attempt() -> None:
    codes = {error.code for error in concrete(UpstreamError)}
    assert values_of(catalog.ATTEMPT_RESULT) >= codes | {"ok", "client_abort", "truncated"}


def test_every_way_that_fetching_keys_fails_is_in_the_set() -> None:
    """`FetchError` names its reasons in its signature."""
    reasons = set(re.findall(r"'(\w+)'", str(FetchError.__init__.__annotations__["reason"])))
    reasons |= set(re.findall(r'"(\w+)"', str(FetchError.__init__.__annotations__["reason"])))
    assert reasons == {"timeout", "connection"}
    sources = [Path(module.__file__ or "").read_text("utf-8") for module in (key_set, key_document)]
    raised = {result for source in sources for result in re.findall(r'KeySetError\("(\w+)"\)', source)}
    assert values_of(catalog.KEY_SET_RESULT) == reasons | raised | {"ok"}


def test_every_route_is_in_the_set() -> None:
    routes = make_gateway().gateway._routes._by_path
    templates = {endpoint.template for methods in routes.values() for endpoint in methods.values()}
    assert values_of(catalog.HTTP_ROUTE) == templates | {""}


def test_every_provider_is_in_the_set() -> None:
    assert set(PROVIDERS) == set(PROVIDER_BASE_URLS)
    names = {CONVENTIONAL_NAMES.get(name, name) for name in PROVIDERS}
    assert names <= values_of(catalog.GEN_AI_PROVIDER)


@BY_NAME
def test_an_attribute_of_a_metric_is_closed_or_bounded_by_configuration(metric: Metric) -> None:
    """An open one must never take its values from a caller."""
    bounded = {
        "error.type",
        "http.response.status_code",
        "gen_ai.request.model",
        "lumigate.tenant.class",
        "lumigate.llm.price.source",
        "lumigate.module",
        "faas.version",  # one an isolate; a shard forgets those that serve nobody
    }
    if metric in SELF_METRICS:
        return
    assert {attribute.key for attribute in metric.attributes if attribute.values is None} <= bounded
