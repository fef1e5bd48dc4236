"""Logs and traces: what the queries filter by is really in the wide events and in the spans."""

from __future__ import annotations

import json
import re
from typing import Any

from lumigate.catalog import CHAT_SPAN, SERVER_SPAN, WIDE_EVENT_ATTRIBUTES
from tests.dashboards.conftest import Run
from tests.dashboards.filled import queries
from tests.dashboards.parsers import record


def test_every_field_of_the_log_queries_is_in_the_wide_events(run: Run, generated: dict[str, Any]) -> None:
    events = [json.loads(line) for line in run.events]
    written = {name for event in events if event["event"] == "request" for name in event}
    asked = queries(generated, "loki")
    assert len(asked) >= 5
    for query in asked:
        fields = set(re.findall(r"\| (\w+)=", query.text)) | set(re.findall(r"unwrap (\w+)", query.text))
        fields |= set(re.findall(r"sum by \((\w+)\)", query.text)) | set(
            re.findall(r"{{\.(\w+)}}", query.text)
        )
        assert fields, query.id
        assert fields <= written, query.id
        # Loki keeps the attributes of a log record by their names, and its trace beside them
        assert fields <= {*WIDE_EVENT_ATTRIBUTES, "trace_id"}, query.id


def test_a_log_query_reads_lines_of_json_and_does_not_mind_others(generated: dict[str, Any]) -> None:
    """What comes over OTLP is no JSON; a graph over lines with `__error__` fails as a whole."""
    for query in queries(generated, "loki"):
        assert '{service_name=~"$service"} | json | drop __error__, __error_details__ |' in query.text, (
            query.id
        )


def test_an_empty_variable_matches_every_event(run: Run, generated: dict[str, Any]) -> None:
    """The conditions of a log query, played by hand: `field=~` is anchored, as in Loki."""
    (query,) = [q for q in queries(generated, "loki") if q.panel == "All requests"]
    events = [json.loads(line) for line in run.events]
    requests = [event for event in events if event["event"] == "request"]

    def kept(**chosen: str) -> list[dict[str, Any]]:
        text = query.text
        for name in ("trace_id", "tenant", "environment", "route", "model"):
            text = text.replace(f"${{{name}:raw}}", chosen.get(name, ""))
        conditions = re.findall(r"\| (\w+)=(~?)`([^`]*)`", text)
        assert len(conditions) == 6
        return [
            event
            for event in events
            if all(
                re.fullmatch(wanted if matches else re.escape(wanted), str(event.get(name, "")))
                for name, matches, wanted in conditions
            )
        ]

    assert kept() == requests
    assert {event["tenant"] for event in kept(tenant="globex")} == {"globex"}
    one = requests[-1]["trace_id"]
    assert [event["trace_id"] for event in kept(trace_id=one)] == [one]


def test_every_attribute_of_the_trace_queries_is_declared(generated: dict[str, Any]) -> None:
    declared = {attribute.key for span in (SERVER_SPAN, CHAT_SPAN) for attribute in span.attributes}
    asked = [query for query in queries(generated, "tempo") if query.text.startswith("{")]
    assert len(asked) >= 4
    for query in asked:
        assert set(re.findall(r"span\.([\w.]+)", query.text)) <= declared, query.id


def test_every_query_is_as_it_was_when_loki_and_grafana_took_it(generated: dict[str, Any]) -> None:
    """No Loki and no Tempo run here. What changed is to be validated: `uv run python -m tests.dashboards.parsers`."""
    found = record.recorded()
    assert record.digests(generated) == found["queries"]
    assert set(found["tools"]) == set(record.KINDS)


def test_a_query_that_changed_has_another_digest(generated: dict[str, Any]) -> None:
    before = record.digests(generated)
    changed = json.loads(json.dumps(generated).replace("count_over_time", "rate"))
    assert {name for name, digest in record.digests(changed).items() if digest != before[name]} == {
        "explore.json / Requests by outcome / A"
    }


def test_logs_lead_to_traces_and_traces_to_logs() -> None:
    """Both ways are the data sources' own: derived fields of Loki, trace-to-logs of Tempo."""
    from tests.dashboards.test_deploy import data_sources

    found = data_sources()
    beside, inside = found["loki"]["jsonData"]["derivedFields"]
    assert beside["datasourceUid"] == inside["datasourceUid"] == "tempo"
    assert beside["name"] != inside["name"], "Grafana takes fields of one name for one"
    assert (beside["matcherType"], beside["matcherRegex"]) == ("label", "trace_id")
    line = json.dumps({"event": "request", "trace_id": "a" * 32}, separators=(",", ":"))
    matched = re.search(inside["matcherRegex"], line)
    assert matched is not None
    assert matched[1] == "a" * 32
    to_logs = found["tempo"]["jsonData"]["tracesToLogsV2"]
    assert to_logs["datasourceUid"] == "loki"
    # of both forms, like the dashboard's: a filter of lines would find Logpush's only
    assert '| json trace_id="trace_id" |' in to_logs["query"]
    assert "| trace_id=`$${__span.traceId}`" in to_logs["query"]
    (exemplar,) = found["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert (exemplar["name"], exemplar["datasourceUid"]) == ("trace_id", "tempo")
