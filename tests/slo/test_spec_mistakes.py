"""Mistakes in a spec that would only show in Prometheus, or not at all, are refused as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from slo.promql import unbalanced
from tests.slo.test_specs import SPEC, faults


@pytest.mark.parametrize(
    "text", ["", "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n"]
)
def test_a_folder_without_a_promise_is_a_mistake(tmp_path: Path, text: str) -> None:
    """Or what was generated from those that were there would be swept away."""
    (fault,) = faults(tmp_path, text)
    assert fault.endswith("there is no SLO in these files")


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("sum(rate(a[{{.window}}])", "'(' is never closed"),
        ("rate(a[{{.window}}]))", "this ')' closes nothing"),
        ('rate(a{b="c}[{{.window}}])', "a quote is never closed"),
    ],
)
def test_a_query_whose_brackets_are_not_in_pairs_is_refused(tmp_path: Path, query: str, fault: str) -> None:
    content = yaml.safe_load(SPEC)
    source = {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}
    content["spec"]["indicator"]["spec"]["ratioMetric"] = {"rawType": "failure", "raw": source}
    assert faults(tmp_path, yaml.safe_dump(content))[0].endswith(f"the query cannot be PromQL: {fault}")
    assert unbalanced("""a{b="}(", c=~'["]', d=`'\\`}[5m]""") is None


@pytest.mark.parametrize("op", ["lt", "gte", "gt", None])
def test_a_bucket_counts_what_is_at_most(tmp_path: Path, op: str | None) -> None:
    content = yaml.safe_load(SPEC)
    source = {"type": "LumigateCatalog", "spec": {"metric": "lumigate.gateway.overhead"}}
    content["spec"]["indicator"]["spec"] = {"thresholdMetric": {"metricSource": source}}
    content["spec"]["objectives"] = [{"target": 0.99, "value": 0.1} | ({"op": op} if op else {})]
    (fault,) = faults(tmp_path, yaml.safe_dump(content))
    assert "a histogram's buckets count what is at most: op: lte, and a value" in fault
