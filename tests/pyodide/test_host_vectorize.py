"""Vectorize as the host has it: what it does, when it is seen, and what it refuses."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.pyodide.runner import PATIENCE_S, PyodideHost

INDEX = {"binding": "VECTORS", "dimensions": 3, "metadata_indexes": ["place"], "delay_ms": 3_600_000}
ONE = {"id": "one", "values": [1, 0, 0], "namespace": "n", "metadata": {"place": "p", "key": "k"}}


@pytest.fixture(scope="module")
def host(started: Callable[..., PyodideHost]) -> PyodideHost:
    return started("vectorized.py", bindings={"vectorize": [INDEX]})


def call(host: PyodideHost, method: str, *args: Any, **more: Any) -> httpx.Response:
    return httpx.post(f"{host.url}/call", json={"method": method, "args": args, **more}, timeout=PATIENCE_S)


def test_what_is_written_is_found_later_by_namespace_and_filter(host: PyodideHost) -> None:
    other = ONE | {"id": "other", "namespace": "m"}
    assert "mutationId" in call(host, "upsert", [ONE, other]).json()
    assert call(host, "query", [1, 0, 0]).json() == {"count": 0, "matches": []}
    host.control("apply", binding="VECTORS")
    asked = {"topK": 3, "namespace": "n", "filter": {"place": "p"}, "returnValues": True}
    found = call(host, "query", [2, 0, 0], asked | {"returnMetadata": "all"}).json()
    assert found == {"count": 1, "matches": [ONE | {"score": 1}]}
    bare = call(host, "query", [1, 0, 0], {"returnMetadata": "indexed"}).json()["matches"]
    assert [(match["id"], match["metadata"]) for match in bare] == [
        ("one", {"place": "p"}),
        ("other", {"place": "p"}),
    ]
    assert call(host, "query", [1, 0, 0], {"filter": {"place": "q"}}).json()["count"] == 0
    assert "mutationId" in call(host, "deleteByIds", ["one", "other", "none"]).json()
    assert set(host.state()["bindings"]["VECTORS"]) == {"one", "other"}
    host.control("apply", binding="VECTORS")
    assert host.state()["bindings"]["VECTORS"] == {}


@pytest.mark.parametrize(
    ("method", "args", "says"),
    [
        ("query", [[1, 0]], "expected 3 dimensions, and got 2 dimensions"),
        ("query", [["1", "0", "0"]], "finite numbers"),
        ("query", ["1"], "array of numbers"),
        ("query", [[1, 0, 0], {"topK": 101}], "topK"),
        ("query", [[1, 0, 0], {"topK": 21, "returnValues": True}], "topK"),
        ("query", [[1, 0, 0], {"topK": 21, "returnMetadata": "all"}], "topK"),
        ("query", [[1, 0, 0], {"topK": 0}], "topK"),
        ("query", [[1, 0, 0], {"returnMetadata": "some"}], "returnMetadata"),
        ("query", [[1, 0, 0], {"namespace": "n" * 65}], "namespace"),
        ("query", [[1, 0, 0], {"filter": {}}], "non-empty"),
        ("query", [[1, 0, 0], {"filter": {"key": "k"}}], "no metadata index"),
        ("query", [[1, 0, 0], {"filter": {"place": ["p"]}}], "none that is known"),
        ("query", [[1, 0, 0], {"filter": {"place": "p" * 2048}}], "less than 2048"),
        ("query", [[1, 0, 0], {"top_k": 3}], "no option top_k"),
        ("upsert", [ONE], "map is not a function"),
        ("upsert", [[]], "1 to 1000"),
        ("upsert", [[ONE | {"values": [1]}]], "expected 3 dimensions"),
        ("upsert", [[ONE | {"id": "i" * 65}]], "1 to 64 bytes"),
        ("upsert", [[ONE | {"id": 7}]], "id must be a string"),
        ("upsert", [[ONE | {"namespace": "名" * 22}]], "1 to 64 bytes"),
        ("upsert", [[ONE | {"metadata": {"text": "x" * 10_240}}]], "exceeds the limit"),
        ("upsert", [[ONE | {"metadata": {"a.b": 1}}]], "not allowed"),
        ("upsert", [[ONE | {"metadata": {"a": {"b": 1}}}]], "must be a string"),
        ("upsert", [[ONE | {"vector": [1]}]], "no member vector"),
        ("deleteByIds", ["one"], "must be an array"),
        ("deleteByIds", [[]], "1 to 1000"),
    ],
)
def test_what_the_service_refuses_is_refused(
    host: PyodideHost, method: str, args: list[Any], says: str
) -> None:
    answer = call(host, method, *args)
    assert answer.status_code == 599
    assert says in answer.text


def test_a_python_dict_that_became_a_map_is_no_object(host: PyodideHost) -> None:
    assert "must be an object" in call(host, "upsert", [ONE], as_map=True).text
    assert "must be an object" in call(host, "query", [1, 0, 0], {"topK": 1}, as_map=True).text
