"""The exposition read by others: Prometheus' own linter, and the parsers of its Python client."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.catalog import METRICS
from lumigate.exposition import OPEN_METRICS, TEXT, Format, exposition, families, fragment, prometheus_name
from lumigate.shard import SHARD_METRICS
from lumigate.telemetry.records import MetricData
from tests.exposition.samples import EXEMPLAR, buckets, counter, gauge, histogram, number, of_catalog

PROMTOOL = shutil.which("promtool")
ALL = (*METRICS, *(metric for metric in SHARD_METRICS if metric not in METRICS))
RESOURCE = {"service.name": "lumigate", "service.version": "0.1.0"}


def told(form: Format, *metrics: MetricData, shards: int = 2) -> str:
    """The exposition of some shards that all say the same."""
    names = [f"shard-{n}" for n in range(shards)]
    return exposition([fragment(families(metrics, form, instance=n, resource=RESOURCE)) for n in names], form)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package: prometheus)")
def test_promtool_finds_nothing_to_say_about_the_catalog() -> None:
    """`promtool check metrics` parses every metric of the catalog and has no complaint about its name or type."""
    assert PROMTOOL is not None
    text = told(TEXT, *map(of_catalog, ALL))
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def parsed(form: Format, text: str) -> dict[str, Any]:
    """Families by name, by the parser of `prometheus_client`."""
    if form.open_metrics:
        parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="needs prometheus-client")
    else:
        parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus-client")
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


@pytest.mark.parametrize("form", [TEXT, OPEN_METRICS], ids=["text", "open_metrics"])
def test_every_metric_of_the_catalog_is_read_back(form: Format) -> None:
    """Under the name that dashboards and rules use, with its type, labels and value, for each shard."""
    found = parsed(form, told(form, *map(of_catalog, ALL)))
    for metric in ALL:
        name = prometheus_name(metric)
        family = found[name.removesuffix("_total")]
        data = of_catalog(metric)
        expected = (
            "gauge" if data.kind == "sum" and not data.monotonic else data.kind.replace("sum", "counter")
        )
        assert (family.type, family.documentation) == (expected, metric.description)
        main = name + ("_count" if data.kind == "histogram" else "")
        samples = [sample for sample in family.samples if sample.name == main]
        assert {sample.labels["service_instance_id"] for sample in samples} == {"shard-0", "shard-1"}
        (point,) = data.points
        assert {sample.value for sample in samples} == {
            getattr(point, "count", None) or getattr(point, "value", None)
        }
        labels = {key.replace(".", "_"): str(value) for key, value in point.attributes.items()}
        assert all(labels.items() <= sample.labels.items() for sample in samples)


def test_exemplars_are_read_back() -> None:
    """Trace id, value and time, on the bucket that holds the value and on the counter."""
    found = parsed(
        OPEN_METRICS,
        told(
            OPEN_METRICS,
            counter(number(3, EXEMPLAR)),
            histogram(buckets([1, 2], 1.0, EXEMPLAR, bounds=(0.1,))),
        ),
    )
    exemplars = [
        (sample.name, sample.labels.get("le"), sample.exemplar)
        for family in found.values()
        for sample in family.samples
        if sample.exemplar and sample.labels["service_instance_id"] == "shard-0"
    ]
    assert [(name, le) for name, le, _ in exemplars] == [
        ("lumigate_requests_total", None),
        ("lumigate_duration_seconds_bucket", "+Inf"),
    ]
    for _, _, exemplar in exemplars:
        assert exemplar.labels == {
            "trace_id": f"{EXEMPLAR.trace_id:032x}",
            "span_id": f"{EXEMPLAR.span_id:016x}",
        }
        assert exemplar.value == 0.3
        assert float(exemplar.timestamp) == pytest.approx(EXEMPLAR.time_ns / 1e9, abs=1e-3)


values = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(value=values, text=texts, name=st.text("ab.-_9 ", min_size=1), key=texts)
def test_whatever_a_gauge_holds_is_read_back(value: float, text: str, name: str, key: str) -> None:
    """Any number, any text as a label's value, any name and key."""
    metric = gauge(number(value, ok=text, **{key: text}), name=f"x{name}", unit="")
    for form in (TEXT, OPEN_METRICS):
        (family,) = (
            f for n, f in parsed(form, told(form, metric, shards=1)).items() if not n.startswith("target")
        )
        (sample,) = family.samples
        assert float(sample.value) == float(value)  # the parser keeps integers whole
        assert sample.labels["ok"] in {text, f"{text};{text}"}


def test_utf8_names_are_read_back() -> None:
    """With dots, as the catalog has them, by a parser that knows them."""
    form = Format(open_metrics=True, utf8=True, version="1.0.0")
    found = parsed(form, told(form, *map(of_catalog, METRICS)))
    assert found["http.server.request.duration_seconds"].type == "histogram"
    assert found["lumigate.llm.cost"].samples[0].name == "lumigate.llm.cost_total"
