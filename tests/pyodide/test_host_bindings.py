"""The bindings: what they do, and the limits at which the real services refuse."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.pyodide.runner import PATIENCE_S, HostFailed, PyodideHost

BINDINGS: dict[str, Any] = {
    "kv_namespaces": [{"binding": "KV"}],
    "r2_buckets": [{"binding": "BUCKET"}],
    "analytics_engine_datasets": [{"binding": "POINTS"}],
    "ratelimits": [{"name": "LIMITER", "simple": {"limit": 2, "period": 60}}],
    "durable_objects": [{"binding": "COUNTER", "class_name": "Counter"}],
    "automatic_alarms": False,
}


@pytest.fixture(scope="module")
def bound(started: Callable[..., PyodideHost]) -> PyodideHost:
    return started("bound.py", bindings=BINDINGS, vars={"GREETING": "hi", "TABLE": {"a": 1}})


@pytest.fixture(scope="module")
def client(bound: PyodideHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=bound.url, timeout=PATIENCE_S) as client:
        yield client


def refused(answer: httpx.Response, says: str) -> bool:
    return answer.status_code == 599 and says in answer.text


def test_vars_are_what_the_configuration_says(client: httpx.Client) -> None:
    assert client.get("/vars").json() == ["hi", {"a": 1}, False]


def test_kv_keeps_values_in_every_form(bound: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/kv").json() == {
        "text": "hällo",
        "bytes": [0, 255],
        "json": {"a": [1, None]},
        "stream": "hällo",
        "missing": None,
        "metadata": {"lang": "de"},
        "many": {"greeting": "hällo", "missing": None},
    }
    held = bound.state()["bindings"]["KV"]["greeting"]
    assert 0 <= held["expiration"] - time.time() <= 60


def test_kv_lists_by_prefix_in_pages(client: httpx.Client) -> None:
    assert client.get("/kv_list").json() == [
        ["list/0", "list/1", "list/2"],
        ["list/3", "list/4"],
        ["list/1", "list/2", "list/3", "list/4"],
    ]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("ttl=59", "Invalid expiration_ttl of 59. Expiration TTL must be at least 60."),
        ("key=513", "exceeds key length limit of 512"),
        (f"value={25 * 1024 * 1024 + 1}", "exceeds limit of 26214400"),
    ],
)
def test_kv_refuses_what_is_beyond_its_limits(client: httpx.Client, query: str, says: str) -> None:
    assert refused(client.get(f"/kv_put?{query}"), says)


def test_kv_takes_what_is_at_its_limits(client: httpx.Client) -> None:
    assert client.get("/kv_put?ttl=60&key=512&value=1000").text == "put"
    assert refused(client.get("/kv_object"), "KV put() accepts only strings")


def test_kv_takes_one_write_of_a_key_at_a_time_where_the_limit_is_on(
    make_host: Callable[..., PyodideHost],
) -> None:
    with (
        make_host("bound.py", bindings=BINDINGS, limits={"kvWriteMs": 3_600_000}) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        assert client.get("/kv_put?key=1").text == "put"
        assert refused(client.get("/kv_put?key=1"), "429 Too Many Requests")
        assert client.get("/kv_put?key=2").text == "put"


def test_r2_keeps_objects(client: httpx.Client) -> None:
    assert client.get("/r2").json() == {
        "text": "content",
        "size": 7,
        "type": "text/x",
        "custom": "v",
        "listed": ["a/b"],
        "gone": None,
    }


def test_r2_takes_streams_of_known_length_only(client: httpx.Client) -> None:
    assert refused(client.get("/r2_stream"), "must have a known length")
    assert client.get("/r2_stream?length").text == "abc"


def test_a_data_point_at_every_limit_is_written(bound: PyodideHost, client: httpx.Client) -> None:
    point = {"indexes": ["i" * 96], "blobs": ["b" * 800] * 20, "doubles": [0.5] * 20}
    assert client.post("/point", json=point).text == "written"
    assert bound.state()["bindings"]["POINTS"][-1] == point


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ({"indexes": ["a", "b"]}, "Maximum of 1 indexes supported."),
        ({"indexes": ["ä" * 49]}, "Size of indexes exceeds 96 bytes."),
        ({"blobs": ["x"] * 21}, "Maximum of 20 blobs supported."),
        ({"blobs": ["b" * 16_001]}, "Cumulative size of blobs exceeds 16000 bytes."),
        ({"doubles": [1] * 21}, "Maximum of 20 doubles supported."),
        ({"blobs": [{"a": 1}]}, "neither a string nor an ArrayBuffer"),
        ({"blobs": [7]}, "neither a string nor an ArrayBuffer"),
        ({"doubles": ["7"]}, "a double is not a number"),
    ],
)
def test_a_data_point_beyond_a_limit_raises(client: httpx.Client, point: dict[str, Any], says: str) -> None:
    assert refused(client.post("/point", json=point), says)


def test_integers_beyond_the_safe_range_are_no_doubles(client: httpx.Client) -> None:
    assert refused(client.get("/big_integer"), "BigInt")


def test_an_invocation_may_write_twenty_five_points(client: httpx.Client) -> None:
    assert client.post("/point?times=25", json={"blobs": ["a"]}).text == "written"
    assert refused(client.post("/point?times=26", json={"blobs": ["a"]}), "25 data points per invocation")


def test_the_rate_limit_counts_by_key(client: httpx.Client) -> None:
    """Two a minute of the clock, which may end meanwhile: then two more pass."""
    passed = [client.get("/limit?key=a").json() for _ in range(5)]
    assert passed[:2] == [True, True]
    assert False in passed
    assert client.get("/limit?key=b").json() is True
    assert refused(client.get("/limit_wrongly"), "'key' must be a string")


def test_a_durable_object_keeps_its_state_and_its_memory(bound: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/add").json() == {"total": 1, "calls": 1, "labels": ["a", None]}
    assert client.get("/add").json()["calls"] == 2
    assert bound.control("evict", name="one") == {"evicted": 1}
    assert client.get("/add").json() == {"total": 3, "calls": 1, "labels": ["a", None]}
    assert client.get("/add?name=two").json()["total"] == 1


def test_a_lock_of_its_own_orders_the_calls_of_a_durable_object(client: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        totals = list(pool.map(lambda _: client.get("/add?name=busy").json()["total"], range(40)))
    assert sorted(totals) == list(range(1, 41))


def test_an_exception_crosses_rpc_as_text(client: httpx.Client) -> None:
    answer = client.get("/object?call=fail")
    assert refused(answer, "ValueError: inside the object")
    assert answer.text.startswith("JsException")


@pytest.mark.parametrize("what", ["tuple", "bytearray", "proxy", "nested tuple"])
def test_what_cannot_cross_rpc_raises(client: httpx.Client, what: str) -> None:
    answer = client.get("/send", params={"what": what})
    assert answer.status_code == 599
    assert "cannot be sent over RPC" in answer.text or "Could not serialize" in answer.text


def test_hidden_and_missing_methods_cannot_be_called(client: httpx.Client) -> None:
    assert refused(client.get("/object?call=_hidden"), "does not implement the method")
    assert refused(client.get("/object?call=nothing"), "Method nothing does not exist")


def test_an_object_of_a_jurisdiction_is_another_one(bound: PyodideHost, client: httpx.Client) -> None:
    told = client.get("/jurisdiction").json()
    assert told["equal"] is False
    assert told["outside"]["total"] == 1
    assert told["by id"]["total"] == 3  # the whole namespace takes ids of any jurisdiction
    assert {"placed", "eu:placed"} <= set(bound.state()["bindings"]["COUNTER"])


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("get", "get called on jurisdictional subnamespace with an ID from a different jurisdiction"),
        ("parse", "an ID from a different jurisdiction"),
        ("mars", "Invalid jurisdiction"),
    ],
)
def test_a_jurisdiction_takes_no_id_of_another(client: httpx.Client, what: str, says: str) -> None:
    assert refused(client.get("/jurisdiction_wrongly", params={"what": what}), says)


def test_a_durable_object_answers_fetch(client: httpx.Client) -> None:
    assert client.get("/object_fetch").text == "object saw POST hello"


def test_ids_come_from_names_and_strings(client: httpx.Client) -> None:
    assert client.get("/id").json() == [True, True, False]


def test_storage_works_on_many_keys(client: httpx.Client) -> None:
    said = client.get("/object?call=keep&name=keeper").json()
    assert said == "{'k1': {'n': 1}, 'k3': {'n': 3}} ['k4', 'k3'] None"


def test_storage_refuses_large_values(client: httpx.Client) -> None:
    assert refused(client.get(f"/object?call=store&arg={2 * 1024 * 1024 + 1}"), "Values cannot be larger")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (0, "not a boolean"),
        (1, "not a bigint"),
        (2, "too many SQL variables"),
        (3, "string or blob too big"),
        (4, "statement too long"),
        (5, "not authorized"),
        (6, "not authorized"),
        (7, "not authorized"),
        (8, "Cannot call deleteAll() within a transaction"),
    ],
)
def test_sql_refuses_what_production_would_refuse_or_change(
    client: httpx.Client, what: int, says: str
) -> None:
    assert refused(client.get(f"/object?call=sql_wrongly&name=wrong&arg={what}"), says)


def test_sql_takes_what_is_at_its_limits(client: httpx.Client) -> None:
    assert client.get("/object?call=sql_at_the_limits&name=limits").json() == [99, [[1_999_000, None]]]


def test_storage_is_emptied_at_once_alarm_and_all(client: httpx.Client) -> None:
    assert client.get("/object?call=empty&name=emptied").json() == [None, None, [["new"]]]


def test_an_alarm_that_wakes_an_evicted_object_does_not_know_its_name(
    bound: PyodideHost, client: httpx.Client
) -> None:
    def fired() -> str:
        client.get("/object?call=wake&name=called&arg=3600000")
        if cold:
            bound.control("evict", name="called")
        bound.control("alarms", name="called")
        name: str = bound.state()["bindings"]["KV"]["name in alarm"]["text"]
        return name

    cold = False
    assert fired() == "called"
    cold = True
    assert fired() == "None"
    assert client.get("/object?call=told_name&name=called").json() is None, "until it is evicted again"
    bound.control("evict", name="called")
    assert client.get("/object?call=told_name&name=called").json() == "called"


def test_a_coroutine_given_to_a_durable_objects_wait_until_does_not_run(
    bound: PyodideHost, client: httpx.Client
) -> None:
    client.get("/object?call=background")
    time.sleep(0.2)
    assert "background" not in bound.state()["bindings"]["KV"]


def test_an_alarm_fires_and_is_tried_again(bound: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/object?call=wake&name=sleeper&arg=3600000").json() > time.time() * 1000
    assert bound.control("alarms", name="sleeper") == {"fired": 0}, "the first one raises"
    assert bound.state()["bindings"]["COUNTER"]["sleeper"]["alarm"] is not None
    assert bound.control("alarms", name="sleeper") == {"fired": 1}
    assert bound.state()["bindings"]["KV"]["alarm"]["text"] == "2"
    assert bound.control("alarms", name="sleeper") == {"fired": 0}, "none is set any more"


def test_a_due_alarm_fires_by_itself(make_host: Callable[..., PyodideHost]) -> None:
    with make_host("bound.py", bindings=BINDINGS | {"automatic_alarms": True}) as host:
        httpx.get(f"{host.url}/object?call=wake&name=soon&arg=50", timeout=PATIENCE_S)
        host.wait_for_state(lambda state: "alarm" in state["bindings"]["KV"])


def test_sql_works_on_every_node(bound: PyodideHost, client: httpx.Client) -> None:
    answer = client.get("/object?call=sql&name=sql")
    assert answer.json() == [{"n": 7}]


def test_a_transaction_covers_sql_and_storage_can_be_emptied(client: httpx.Client) -> None:
    answer = client.get("/object?call=sql_all_or_nothing&name=atomic")
    assert answer.json() == {"rows": [[1], [2]], "tables": []}


def test_a_durable_object_class_must_be_exported(make_host: Callable[..., PyodideHost]) -> None:
    bindings = {"durable_objects": [{"binding": "X", "class_name": "Nobody"}]}
    with (
        pytest.raises(HostFailed, match="exports no Durable Object class `Nobody`"),
        make_host("bound.py", bindings=bindings),
    ):
        pass
