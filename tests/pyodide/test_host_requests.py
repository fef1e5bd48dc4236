"""Requests are kept apart, and end when they should: what belongs to one cannot be used by another."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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


@pytest.mark.parametrize("what", ["request body", "fetched body", "stream", "writer", "context"])
def test_the_io_of_one_request_cannot_be_touched_by_another(
    client: httpx.Client, pool: ThreadPoolExecutor, upstream: Upstream, what: str
) -> None:
    owner = pool.submit(client.post, "/hold", params={"url": f"{upstream.url}/slow?s=0.3"}, content=b"body")
    time.sleep(0.45)
    other = client.get("/touch", params={"what": what})
    assert REFUSED in other.text
    assert owner.result().text == "held", "the owner is not harmed"


@pytest.mark.parametrize("what", ["promise", "response"])
def test_what_one_request_waits_for_or_made_cannot_answer_another(
    serving: PyodideHost, client: httpx.Client, pool: ThreadPoolExecutor, upstream: Upstream, what: str
) -> None:
    known = len(serving.logs())
    owner = pool.submit(client.post, "/hold", params={"url": f"{upstream.url}/slow?s=0.3"}, content=b"body")
    time.sleep(0.45)
    assert client.get("/touch", params={"what": what}).status_code == 500
    assert owner.result().text == "held"
    assert [line for line in serving.logs()[known:] if REFUSED in line]


def test_a_request_that_only_another_could_wake_is_cancelled_as_hung(
    serving: PyodideHost, client: httpx.Client, pool: ThreadPoolExecutor
) -> None:
    waiting = pool.submit(client.get, "/wait_event")
    assert waiting.result().status_code == 500
    serving.wait_for_log(HUNG)
    pool.submit(client.get, "/wait_event?timer")
    client.get("/set_event")


def test_a_request_that_another_wakes_has_lost_its_own_io(
    serving: PyodideHost, client: httpx.Client, pool: ThreadPoolExecutor
) -> None:
    waiting = pool.submit(client.get, "/wait_event?timer")
    time.sleep(0.05)
    assert client.get("/set_event").text == "set"
    assert waiting.result().status_code == 500

    working = pool.submit(client.get, "/wait_and_work")
    time.sleep(0.05)
    client.get("/set_event")
    assert working.result().status_code in {500, 599}
    serving.wait_for_log(REFUSED)


def test_plain_data_is_shared_and_a_hundred_requests_interleave(client: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda i: client.get(f"/share_data?line={i}").status_code, range(100)))
    assert answers == [200] * 100
    assert client.get("/share_data?line=last").json() == {"lines": 101}


def test_a_handler_that_waits_for_nothing_is_cancelled(client: httpx.Client) -> None:
    started = time.monotonic()
    assert client.get("/forever").status_code == 500
    assert time.monotonic() - started < 2


def test_the_response_does_not_wait_for_background_work(serving: PyodideHost, client: httpx.Client) -> None:
    started = time.monotonic()
    assert client.get("/background?s=0.4&key=patient").text == "answered"
    assert time.monotonic() - started < 0.3
    serving.wait_for_log("background done patient")


def test_background_work_is_cut_when_its_time_is_over(serving: PyodideHost, client: httpx.Client) -> None:
    client.get("/background?s=2.2&key=late")
    serving.wait_for_log("waitUntil() tasks did not complete within the allowed time")
    time.sleep(1)
    assert "late" not in serving.state()["bindings"]["KV"]


def test_an_abandoned_task_dies_with_its_request(serving: PyodideHost, client: httpx.Client) -> None:
    client.get("/background?s=0.1&key=abandoned&abandoned")
    time.sleep(0.4)
    assert "abandoned" not in serving.state()["bindings"]["KV"]


def test_a_handler_whose_client_is_gone_goes_no_further(serving: PyodideHost, client: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.get("/late", timeout=0.1)
    time.sleep(0.6)
    assert "late handler" not in serving.state()["bindings"]["KV"]


def test_a_failure_in_the_background_is_reported(serving: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/background_fails").text == "answered"
    serving.wait_for_log("ValueError: in the background")


def test_six_connections_are_open_at_once_and_more_wait(client: httpx.Client, upstream: Upstream) -> None:
    answer = client.get("/connections", params={"url": f"{upstream.url}/meet?n=6", "n": 12, "read": 1})
    assert answer.json() == {"answers": 12}
    assert upstream.most_together == 6


def test_bodies_nobody_reads_are_cancelled_rather_than_waited_for(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream
) -> None:
    answer = client.get("/connections", params={"url": f"{upstream.url}/chunks?n=500&s=0.01", "n": 8})
    assert answer.json() == {"answers": 8}
    serving.wait_for_log("A stalled HTTP response was canceled")


def test_subrequests_are_counted(client: httpx.Client, upstream: Upstream) -> None:
    answer = client.get("/connections", params={"url": f"{upstream.url}/echo", "n": 21, "read": 1})
    assert "Too many subrequests" in answer.text


def test_all_invocations_end(serving: PyodideHost) -> None:
    deadline = time.monotonic() + 5
    while serving.state()["invocations"]:
        assert time.monotonic() < deadline, serving.state()["invocations"]
        time.sleep(0.05)
