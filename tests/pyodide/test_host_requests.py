"""Requests are kept apart, and end when they should: what belongs to one cannot be used by another."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.upstream import Upstream

REFUSED = "Cannot perform I/O on behalf of a different request"
HUNG = "detected that your Worker's code had hung"


@pytest.fixture(scope="module")
def client(serving: PyodideHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serving.url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@contextmanager
def an_owner(serving: PyodideHost, client: httpx.Client, upstream: Upstream) -> Iterator[None]:
    """A request in the middle of its life, whose things lie where another can touch them."""
    known = len(serving.logs())
    params = {"url": f"{upstream.url}/echo", "then": f"{upstream.url}/gate"}
    upstream.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        owner = pool.submit(client.post, "/hold", params=params, content=b"body")
        try:
            serving.wait_for_log("holding", since=known)
            yield
        finally:
            upstream.gate.set()
    assert owner.result().text == "held", "the owner is not harmed"


@pytest.mark.parametrize("what", ["request body", "fetched body", "stream", "writer", "context"])
def test_the_io_of_one_request_cannot_be_touched_by_another(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream, what: str
) -> None:
    with an_owner(serving, client, upstream):
        assert REFUSED in client.get("/touch", params={"what": what}).text


@pytest.mark.parametrize("what", ["promise", "response"])
def test_what_one_request_waits_for_or_made_cannot_answer_another(
    serving: PyodideHost, client: httpx.Client, pool: ThreadPoolExecutor, upstream: Upstream, what: str
) -> None:
    known = len(serving.logs())
    with an_owner(serving, client, upstream):
        touching = pool.submit(client.get, "/touch", params={"what": what})
        serving.wait_for_log("touching", since=known)
    assert touching.result().status_code == 500
    serving.wait_for_log(REFUSED, since=known)


def test_a_request_that_only_another_could_wake_is_cancelled_as_hung(
    serving: PyodideHost, client: httpx.Client
) -> None:
    known = len(serving.logs())
    assert client.get("/wait_event").status_code == 500
    serving.wait_for_log(HUNG, since=known)
    client.get("/forget_event")


def test_a_request_that_another_wakes_has_lost_its_own_io(
    serving: PyodideHost, client: httpx.Client, pool: ThreadPoolExecutor
) -> None:
    known = len(serving.logs())
    waiting = pool.submit(client.get, "/wait_event?timer")
    assert client.get("/set_event").text == "set"
    assert waiting.result().status_code == 500

    working = pool.submit(client.get, "/wait_and_work")
    client.get("/set_event")
    assert working.result().status_code in {500, 599}
    serving.wait_for_log(REFUSED, since=known)


def test_plain_data_is_shared_and_a_hundred_requests_interleave(client: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda i: client.get(f"/share_data?line={i}").status_code, range(100)))
    assert answers == [200] * 100
    assert client.get("/share_data?line=last").json() == {"lines": 101}


def test_a_handler_that_waits_for_nothing_is_cancelled(client: httpx.Client) -> None:
    assert client.get("/forever").status_code == 500


def test_the_response_does_not_wait_for_background_work(serving: PyodideHost, client: httpx.Client) -> None:
    """It waits for what nobody does before there is an answer."""
    assert client.get("/background?key=patient").text == "answered"
    client.get("/release?key=patient")
    serving.wait_for_log("background done patient")


def test_background_work_is_cut_when_its_time_is_over(serving: PyodideHost, client: httpx.Client) -> None:
    known = len(serving.logs())
    client.get("/background?s=3.5&key=late")
    serving.wait_for_log("waitUntil() tasks did not complete within the allowed time", since=known)
    time.sleep(1)
    assert "late" not in serving.state()["bindings"]["KV"]


def test_an_abandoned_task_dies_with_its_request(serving: PyodideHost, client: httpx.Client) -> None:
    client.get("/background?s=0.1&key=abandoned&abandoned")
    time.sleep(0.4)
    assert "abandoned" not in serving.state()["bindings"]["KV"]


def test_a_handler_whose_client_is_gone_goes_no_further(serving: PyodideHost, client: httpx.Client) -> None:
    def is_there(state: dict[str, Any]) -> bool:
        return any("/late" in invocation["what"] for invocation in state["invocations"])

    connection = HTTPConnection("127.0.0.1", serving.ready["port"], timeout=PATIENCE_S)
    connection.request("GET", "/late")
    serving.wait_for_state(is_there)
    connection.close()
    serving.wait_for_state(lambda state: not is_there(state))
    client.get("/release?key=late")
    time.sleep(0.3)
    assert "late handler" not in serving.state()["bindings"]["KV"]


def test_a_failure_in_the_background_is_reported(serving: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/background_fails").text == "answered"
    serving.wait_for_log("ValueError: in the background")


def test_six_connections_are_open_at_once_and_more_wait(client: httpx.Client, upstream: Upstream) -> None:
    answer = client.get("/connections", params={"url": f"{upstream.url}/meet?n=6", "n": 12, "read": 1})
    assert answer.json() == {"answers": 12}
    assert upstream.most_together == 6


def test_answers_that_came_while_the_worker_was_busy_are_not_taken_for_unread(
    client: httpx.Client, upstream: Upstream
) -> None:
    """All six at once, as after a moment in which the whole machine stood still."""
    url = f"{upstream.url}/meet?n=6"
    answer = client.get("/connections", params={"url": url, "n": 12, "read": 1, "busy": 1})
    assert answer.json() == {"answers": 12}


def test_bodies_nobody_reads_are_cancelled_rather_than_waited_for(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream
) -> None:
    answer = client.get("/connections", params={"url": f"{upstream.url}/chunks?n=500&s=0.01", "n": 8})
    assert answer.json() == {"answers": 8}
    serving.wait_for_log("A stalled HTTP response was canceled")


def test_a_body_that_nobody_takes_care_of_is_told(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream
) -> None:
    def told(**query: Any) -> bool:
        serving.live_proxies()  # which waits until all invocations have ended
        known = len(serving.logs())
        answer = client.get("/connections", params={"url": f"{upstream.url}/echo", "n": 2, **query})
        assert answer.json() == {"answers": 2}
        serving.live_proxies()
        client.get(
            "/background", params={"s": 0, "key": "told"}
        )  # what it says comes after what was said before
        serving.wait_for_log("background done told", since=known)
        return any("neither read nor cancelled" in line for line in serving.logs()[known:])

    assert told()
    assert not told(read=1)


def test_subrequests_are_counted(client: httpx.Client, upstream: Upstream) -> None:
    answer = client.get("/connections", params={"url": f"{upstream.url}/echo", "n": 21, "read": 1})
    assert "Too many subrequests" in answer.text


def test_all_invocations_end(serving: PyodideHost) -> None:
    serving.wait_for_state(lambda state: not state["invocations"])
