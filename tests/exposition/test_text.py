import re
from collections.abc import Mapping
from itertools import groupby

import pytest

from lumigate.exposition import (
    OPEN_METRICS,
    TEXT,
    Format,
    exposition,
    families,
    families_of,
    fragment,
)
from lumigate.telemetry.records import AttributeValue, MetricData
from tests.exposition.samples import EXEMPLAR, buckets, counter, gauge, histogram, level, number

UTF8 = Format(open_metrics=True, utf8=True, version="1.0.0")


def told(form: Format, *metrics: MetricData, resource: Mapping[str, AttributeValue] | None = None) -> str:
    """The exposition of one shard."""
    return exposition([fragment(families(metrics, form, instance="shard-0", resource=resource))], form)


LABELS: dict[str, AttributeValue] = {"http.route": "/health", "http.response.status_code": 200}
METRICS = (
    counter(number(3, EXEMPLAR, **LABELS)),
    histogram(buckets([1, 2, 0, 1], 2.5, EXEMPLAR)),
    gauge(number(0.25)),
    level(number(-4)),
)


def test_the_old_text_format() -> None:
    """Word for word: https://prometheus.io/docs/instrumenting/exposition_formats/."""
    assert told(TEXT, *METRICS).splitlines() == [
        "# HELP lumigate_requests_total Requests.",
        "# TYPE lumigate_requests_total counter",
        'lumigate_requests_total{http_route="/health",http_response_status_code="200",service_instance_id="shard-0"} 3',
        "# HELP lumigate_duration_seconds How long.",
        "# TYPE lumigate_duration_seconds histogram",
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="0.1"} 1',
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="0.5"} 3',
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="1.0"} 3',
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="+Inf"} 4',
        'lumigate_duration_seconds_count{service_instance_id="shard-0"} 4',
        'lumigate_duration_seconds_sum{service_instance_id="shard-0"} 2.5',
        "# HELP lumigate_share_ratio A share.",
        "# TYPE lumigate_share_ratio gauge",
        'lumigate_share_ratio{service_instance_id="shard-0"} 0.25',
        "# HELP lumigate_level A level.",
        "# TYPE lumigate_level gauge",
        'lumigate_level{service_instance_id="shard-0"} -4',
    ]


def test_open_metrics() -> None:
    """Word for word: families without `_total`, units, exemplars where they belong, and the end marked."""
    trace = '# {trace_id="0000000000000abc0000000000000000",span_id="0000000000000def"} 0.3 1800000059.999'
    assert told(OPEN_METRICS, *METRICS).splitlines() == [
        "# HELP lumigate_requests Requests.",
        "# TYPE lumigate_requests counter",
        'lumigate_requests_total{http_route="/health",http_response_status_code="200",service_instance_id="shard-0"} 3 '
        + trace,
        "# HELP lumigate_duration_seconds How long.",
        "# TYPE lumigate_duration_seconds histogram",
        "# UNIT lumigate_duration_seconds seconds",
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="0.1"} 1',
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="0.5"} 3 ' + trace,
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="1.0"} 3',
        'lumigate_duration_seconds_bucket{service_instance_id="shard-0",le="+Inf"} 4',
        'lumigate_duration_seconds_count{service_instance_id="shard-0"} 4',
        'lumigate_duration_seconds_sum{service_instance_id="shard-0"} 2.5',
        "# HELP lumigate_share_ratio A share.",
        "# TYPE lumigate_share_ratio gauge",
        'lumigate_share_ratio{service_instance_id="shard-0"} 0.25',
        "# HELP lumigate_level A level.",
        "# TYPE lumigate_level gauge",
        'lumigate_level{service_instance_id="shard-0"} -4',
        "# EOF",
    ]


def test_utf8_names_are_quoted_into_the_braces() -> None:
    """Only those that need it: https://prometheus.io/docs/instrumenting/escaping_schemes/."""
    plain = counter(number(1), name="requests")
    assert told(UTF8, METRICS[0], plain).splitlines() == [
        '# HELP "lumigate.requests" Requests.',
        '# TYPE "lumigate.requests" counter',
        '{"lumigate.requests_total","http.route"="/health","http.response.status_code"="200",'
        'service_instance_id="shard-0"} 3 '
        '# {trace_id="0000000000000abc0000000000000000",span_id="0000000000000def"} 0.3 1800000059.999',
        "# HELP requests Requests.",
        "# TYPE requests counter",
        'requests_total{service_instance_id="shard-0"} 1',
        "# EOF",
    ]


def test_the_resource_is_told_as_target_info() -> None:
    """As Prometheus makes of OTLP's resource; the instance is the label that joins it."""
    resource = {"service.name": "lumigate", "service.instance.id": "not this", "service.version": "1"}
    expected = 'target_info{service_name="lumigate",service_version="1",service_instance_id="shard-0"} 1'
    old, new = told(TEXT, resource=resource).splitlines(), told(OPEN_METRICS, resource=resource).splitlines()
    assert old[1:] == ["# TYPE target_info gauge", expected]
    assert new[1:] == ["# TYPE target info", expected, "# EOF"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('a "quoted" \\ and\nbroken', 'a \\"quoted\\" \\\\ and\\nbroken'),
        (True, "true"),
        (1.5, "1.5"),
        (7, "7"),
        (["a", 'b"'], '[\\"a\\",\\"b\\\\\\"\\"]'),
        ("é", "é"),
    ],
)
def test_label_values_are_escaped(value: AttributeValue, expected: str) -> None:
    """Nothing in a value ends its quotes or its line."""
    assert f'{{k="{expected}",service' in told(TEXT, counter(number(1, k=value)))


def test_help_is_escaped() -> None:
    """Quotes only where the format asks for it."""
    metric = counter(number(1))
    object.__setattr__(metric, "description", 'a "b" \\ c\nd')
    assert told(TEXT, metric).startswith('# HELP lumigate_requests_total a "b" \\\\ c\\nd\n')
    assert told(OPEN_METRICS, metric).startswith('# HELP lumigate_requests a \\"b\\" \\\\ c\\nd\n')


def test_awkward_attributes_become_labels_that_parse() -> None:
    """Our own label names are kept free, keys that become one are joined, the empty and the nameless are left out."""
    odd: dict[str, AttributeValue] = {
        "a.b": "1",
        "a_b": "2",
        "le": "3",
        "empty": "",
        "字": "4",
        "__name__": "5",
    }
    text = told(TEXT, counter(number(1, **odd)))
    assert '{a_b="1;2",exported_le="3",exported___name__="5",service_instance_id="shard-0"} 1' in text


def test_the_same_labels_are_told_once() -> None:
    """Two sets that differ to OpenTelemetry only: Prometheus would refuse the whole scrape."""
    text = told(TEXT, counter(number(1, code=200), number(2, code="200"), number(3, code=201)))
    assert text.count("code=") == 2


def test_metrics_that_come_to_one_name_share_a_header() -> None:
    """Old and new buckets of a rollout are one family."""
    new = histogram(buckets([1, 2], 3.0, bounds=(0.5,), **{"lumigate.metric.generation": 1}))
    lines = told(TEXT, METRICS[1], new).splitlines()
    assert lines.count("# TYPE lumigate_duration_seconds histogram") == 1
    assert sum("lumigate_metric_generation" in line for line in lines) == 4


def test_metrics_of_one_name_and_two_types_do_not_clash() -> None:
    """The last one's samples are told, within a shard and between shards."""
    first, last = level(number(1), name="n"), histogram(buckets([1, 0], 0.0, bounds=(1,)), name="n", unit="")
    for text in (
        told(TEXT, first, last),
        exposition([fragment(families([m], TEXT, instance="s")) for m in (first, last)], TEXT),
    ):
        assert text.count("# TYPE") == 1
        assert "# TYPE n histogram" in text
        assert "\nn{" not in text


def test_shards_are_merged_under_one_header_and_not_added_up() -> None:
    """Each keeps its own series, whose resets are its own."""
    texts = [fragment(families(METRICS, OPEN_METRICS, instance=f"shard-{n}")) for n in range(3)]
    lines = exposition(texts, OPEN_METRICS).splitlines()
    assert sum(line.startswith("# TYPE") for line in lines) == 4
    totals = [line for line in lines if line.startswith("lumigate_requests_total")]
    assert [line.split('service_instance_id="')[1].split('"')[0] for line in totals] == [
        "shard-0",
        "shard-1",
        "shard-2",
    ]
    assert lines.count("# EOF") == 1
    # samples of a family stand together
    names = [re.split("_bucket|_count|_sum|{", line)[0] for line in lines if not line.startswith("#")]
    assert len(list(groupby(names))) == 4


def test_no_shards_is_an_exposition_too() -> None:
    """Empty, and complete."""
    assert exposition([], TEXT) == ""
    assert exposition([], OPEN_METRICS) == "# EOF\n"


def test_a_fragment_holds_what_was_put_into_it() -> None:
    """Also with line breaks and quotes in its headers."""
    found = families(METRICS, TEXT, instance='a "b"\n')
    assert families_of(fragment(found)) == found
    with pytest.raises(ValueError, match="as long as it says"):
        families_of(fragment(found) + "x")


def test_exponential_histograms_and_nameless_metrics_are_left_out() -> None:
    """The text formats have no word for them."""
    assert told(TEXT, counter(number(1), name="字")) == ""
