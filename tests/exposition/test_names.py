import pytest

from lumigate.catalog import METRICS
from lumigate.exposition.names import (
    Type,
    bucket_label,
    open_metrics_number,
    prometheus_label,
    prometheus_name,
    translated_name,
    translated_unit,
    utf8_name,
)
from lumigate.telemetry.schema import InstrumentKind, Metric


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected", "expected_unit"),
    [
        # the cases of Prometheus' own translator that concern the strategy UnderscoreEscapingWithSuffixes
        ("requests", "", "counter", "requests_total", ""),
        ("cpu_usage", "1", "gauge", "cpu_usage_ratio", ""),
        ("items", "1", "counter", "items_total", ""),
        ("response_time", "ms", "gauge", "response_time_milliseconds", "milliseconds"),
        ("memory_usage", "By", "gauge", "memory_usage_bytes", "bytes"),
        ("requests", "1/s", "gauge", "requests_per_second", "per_second"),
        ("throughput", "By/s", "gauge", "throughput_bytes_per_second", "bytes_per_second"),
        ("custom_metric", "custom_unit", "gauge", "custom_metric_custom_unit", "custom_unit"),
        ("custom_metric", "{custom}", "gauge", "custom_metric", ""),
        ("custom_metric", "By/{custom}", "gauge", "custom_metric_bytes", "bytes"),
        ("requests_total", "", "counter", "requests_total", ""),
        ("cpu_usage_ratio", "1", "gauge", "cpu_usage_ratio", ""),
        ("response_time_seconds", "s", "gauge", "response_time_seconds", "seconds"),
        ("cpu_seconds_total", "s", "counter", "cpu_seconds_total", "seconds"),
        ("123_requests", "", "counter", "_123_requests_total", ""),
        (
            "metric__with__multiple__underscores",
            "unit__multiple__underscores",
            "gauge",
            "metric_with_multiple_underscores_unit_multiple_underscores",
            "unit_multiple_underscores",
        ),
        (
            "custom_metric",
            "unit@with#special/chars",
            "gauge",
            "custom_metric_unit_with_special_per_chars",
            "unit_with_special_per_chars",
        ),
        ("@#$%", "", "counter", "", ""),
        ("request_duration", "s", "histogram", "request_duration_seconds", "seconds"),
        ("uptime", "d", "gauge", "uptime_days", "days"),
        # and ours
        ("http.server.request.duration", "s", "histogram", "http_server_request_duration_seconds", "seconds"),
        ("lumigate.llm.cost", "{USD}", "counter", "lumigate_llm_cost_total", ""),
        ("lumigate:odd..name", "", "gauge", "lumigate:odd_name", ""),
        ("total.requests", "", "counter", "requests_total", ""),
    ],
)
def test_names_are_those_that_prometheus_gives(
    name: str, unit: str, kind: Type, expected: str, expected_unit: str
) -> None:
    """Suffixes, units in words, one underscore for whatever a name may not hold."""
    assert translated_name(name, unit, kind) == expected
    assert translated_unit(unit) == expected_unit


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("requêsts", "", "counter", "requêsts_total"),
        ("cpu_usagé", "1", "gauge", "cpu_usagé_ratio"),
        ("respønse_time", "ms", "gauge", "respønse_time_milliseconds"),
        ("requêsts", "1/s", "gauge", "requêsts_per_second"),
        ("@#$%", "", "counter", "@#$%_total"),
        ("cpu_seconds_total", "s", "counter", "cpu_seconds_total"),
        ("http.server.request.duration", "s", "histogram", "http.server.request.duration_seconds"),
        ("requests.total", "", "counter", "requests_total"),
    ],
)
def test_utf8_names_keep_their_characters(name: str, unit: str, kind: Type, expected: str) -> None:
    """Only the suffixes are added."""
    assert utf8_name(name, unit, kind) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("label:with:colons", "label_with_colons"),
        ("LabelWithCapitalLetters", "LabelWithCapitalLetters"),
        ("label!with&special$chars)", "label_with_special_chars_"),
        ("label_with_foreign_characters_字符", "label_with_foreign_characters___"),
        ("http.response.status_code", "http_response_status_code"),
        ("otel.metric.overflow", "otel_metric_overflow"),
        ("123label", "key_123label"),
        ("_label_starting_with_underscore", "key_label_starting_with_underscore"),
        ("__label_starting_with_2underscores", "__label_starting_with_2underscores"),
        ("ようこそ", ""),
        ("__", ""),
        ("", ""),
    ],
)
def test_labels_are_those_that_prometheus_gives(key: str, expected: str) -> None:
    """As its OTLP receiver does with its default settings."""
    assert prometheus_label(key) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.0, "0.0"),
        (1, "1.0"),
        (0.005, "0.005"),
        (0.0005, "0.0005"),
        (0.00001, "1e-05"),
        (10.24, "10.24"),
        (81.92, "81.92"),
        (100_000, "100000.0"),
        (999_999, "999999.0"),
        (1_000_000, "1e+06"),
        (1_234_567.5, "1.2345675e+06"),
        (-2_500_000, "-2.5e+06"),
        (2**53, "9.007199254740992e+15"),
        (1e16, "1e+16"),
        (1.5e300, "1.5e+300"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_numbers_are_written_as_prometheus_writes_them(number: float, expected: str) -> None:
    """So that the label `le` of a rule is the one that is stored, whatever the path a bucket came by."""
    assert bucket_label(number) == open_metrics_number(float(number)) == expected


def test_every_metric_of_the_catalog_has_a_name_of_its_own() -> None:
    """No two are one to Prometheus."""
    names = [prometheus_name(metric) for metric in METRICS]
    assert len(set(names)) == len(METRICS)
    assert all(name and "__" not in name for name in names)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (InstrumentKind.COUNTER, "queue_share_total"),
        (InstrumentKind.UP_DOWN_COUNTER, "queue_share"),
        (InstrumentKind.GAUGE, "queue_share_ratio"),
    ],
)
def test_only_a_gauge_of_unit_1_is_a_ratio(kind: InstrumentKind, expected: str) -> None:
    """An up-down counter is a gauge to Prometheus, and yet counts things."""
    assert prometheus_name(Metric(name="queue.share", unit="1", kind=kind, description="")) == expected
