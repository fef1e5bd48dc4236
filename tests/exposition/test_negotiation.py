import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.exposition import TEXT, negotiate

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
    "text/plain;q=0.3"
)
OLD = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
OPEN_0 = OPEN.replace("1.0.0", "0.0.1")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, OLD),
        ("", OLD),
        ("*/*", OLD),
        ("text/*", OLD),
        ("application/*", OPEN),
        ("text/plain", OLD),
        ("text/html,application/xhtml+xml,*/*;q=0.8", OLD),
        ("application/json", OLD),
        ("application/openmetrics-text", OPEN),
        ("application/openmetrics-text; version=1.0.0", OPEN),
        ("application/openmetrics-text;version=0.0.1", OPEN_0),
        ("application/openmetrics-text;version=2.0.0", OLD),
        ("application/openmetrics-text;version=2.0.0,application/openmetrics-text;q=0.1", OPEN),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.4", OLD),
        ("text/plain;q=0.4,application/openmetrics-text;q=0.5", OPEN),
        ("application/openmetrics-text;q=0", OLD),
        ("application/openmetrics-text;q=nonsense,text/plain;q=0.1", OLD),
        ("*/*,application/openmetrics-text", OPEN),
        ('Application/OpenMetrics-Text; Version="1.0.0"', OPEN),
        (PROMETHEUS_2, OPEN),
        (PROMETHEUS_3, OPEN),
        (PROTOBUF, OLD),
    ],
)
def test_the_scraper_gets_what_it_likes_best(accept: str | None, expected: str) -> None:
    """By quality, then by how precisely it was named, then by order; in doubt the old format."""
    assert negotiate(accept).content_type == expected


def test_utf8_names_are_given_only_where_both_want_them() -> None:
    """Prometheus 3 asks for them by itself: the deployment decides."""
    assert not negotiate(PROMETHEUS_3).utf8
    assert negotiate(PROMETHEUS_3, utf8=True).content_type == OPEN.replace("underscores", "allow-utf-8")
    assert negotiate(PROMETHEUS_2, utf8=True).content_type == OPEN
    text = negotiate("text/plain;version=1.0.0;escaping=allow-utf-8", utf8=True)
    assert text.content_type == "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    assert negotiate("text/plain;version=0.0.4;escaping=allow-utf-8", utf8=True) == TEXT


@given(st.text())
def test_no_header_is_an_error(accept: str) -> None:
    """A scrape is answered whatever it says it accepts."""
    assert negotiate(accept, utf8=True).content_type
