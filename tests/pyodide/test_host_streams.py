"""Streams: what the client sees, and what becomes of the Worker when the client hangs up."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.upstream import Upstream


@pytest.fixture(scope="module")
def client(serving: PyodideHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serving.url, timeout=PATIENCE_S) as client:
        yield client


def hang_up_after_first_chunk(client: httpx.Client, route: str, **params: str) -> bytes:
    with client.stream("GET", route, params=params) as answer:
        return next(answer.iter_raw())


def test_a_pumped_stream_arrives_piece_by_piece(serving: PyodideHost, client: httpx.Client) -> None:
    """The next is sent when the one before it is here."""
    known = len(serving.logs())
    with client.stream("GET", "/ticks", params={"n": "3", "until": "tick"}) as answer:
        pieces = answer.iter_raw()
        for number in range(3):
            assert next(pieces) == f"tick {number}\n".encode()
            client.get("/release", params={"key": f"tick {number}"})
        assert list(pieces) == []
    serving.wait_for_log("pump complete", since=known)


def test_a_slow_client_makes_the_worker_wait(serving: PyodideHost, client: httpx.Client) -> None:
    with client.stream("GET", "/flood", params={"n": "1000"}) as answer:
        serving.wait_for_log("flood at last")
        received = sum(len(part) for part in answer.iter_raw())
    assert received == 1000 * 65_536
    first, last = (int(serving.wait_for_log(f"flood at {when}").split()[-1]) for when in ("first", "last"))
    assert 0 < first == last < 1000


def test_a_relayed_stream_arrives_whole(
    client: httpx.Client, upstream: Upstream, serving: PyodideHost
) -> None:
    received = client.get("/relay", params={"url": f"{upstream.url}/chunks?n=10"})
    assert received.text == "".join(f"chunk {i}\n" for i in range(10))
    serving.wait_for_log("relay complete")


def test_a_pulled_stream_arrives(serving: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/pulled", params={"n": "3"}).text == "pull 1\npull 2\npull 3\n"
    serving.wait_for_log("pull closed")


def test_a_fixed_length_stream_has_a_content_length(client: httpx.Client) -> None:
    answer = client.get("/fixed")
    assert (answer.text, answer.headers["content-length"]) == ("12345", "5")
    assert "transfer-encoding" not in answer.headers


def test_a_stream_nobody_will_go_on_writing_is_cut_off(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/relay", params={"url": f"{upstream.url}/truncated"})
    serving.wait_for_log("relay raised JsException")


def test_a_request_body_streams_through(client: httpx.Client) -> None:
    def parts() -> Iterator[bytes]:
        for i in range(5):
            yield f"part {i};".encode()
            time.sleep(0.02)

    assert client.post("/echo_stream", content=parts()).text == "".join(f"part {i};" for i in range(5))


def test_the_worker_can_cancel_its_upstream(client: httpx.Client, upstream: Upstream) -> None:
    upstream.dropped.clear()
    answer = client.get("/cancel_upstream", params={"url": f"{upstream.url}/chunks?n=5000"})
    assert answer.text.startswith("chunk 0")
    assert " then AbortError" in answer.text
    assert upstream.dropped.wait(PATIENCE_S)


def test_a_hang_up_leaves_the_pump_asleep_for_ever(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream
) -> None:
    known = len(serving.logs())
    assert hang_up_after_first_chunk(client, "/relay", url=f"{upstream.url}/chunks?n=100&s=0.01")
    time.sleep(2)
    assert not [line for line in serving.logs()[known:] if line.startswith("relay")], (
        "it neither returns nor raises"
    )
    assert any("pump" in task for task in serving.unfinished_tasks()), "Pyodide keeps it for good"


def test_a_hang_up_is_told_to_the_signal_and_its_listener_can_report(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream
) -> None:
    upstream.dropped.clear()
    known = len(serving.logs())
    hang_up_after_first_chunk(client, "/relay", url=f"{upstream.url}/chunks?n=5000&s=0.01", listen="1")
    serving.wait_for_log("hang-up reported", since=known)
    assert upstream.dropped.wait(PATIENCE_S), "the listener cancelled the upstream"
    assert int(serving.state()["bindings"]["KV"]["hang-up"]["text"]) >= 1
    assert not [line for line in serving.logs()[known:] if line.startswith("relay")], (
        "even cancelling wakes no pump"
    )


def test_a_sleeper_survives_the_hang_up(
    serving: PyodideHost, client: httpx.Client, upstream: Upstream
) -> None:
    known = len(serving.logs())
    hang_up_after_first_chunk(client, "/relay", url=f"{upstream.url}/chunks?n=300&s=0.01", watch="1")
    serving.wait_for_log("watched", since=known)


def test_a_hang_up_does_not_cancel_a_pulled_stream(serving: PyodideHost, client: httpx.Client) -> None:
    known = len(serving.logs())
    hang_up_after_first_chunk(client, "/pulled", n="500")
    time.sleep(0.5)
    after = serving.logs()[known:]
    assert "cancel called" not in after
    assert "pull closed" not in after


def test_a_hang_up_closes_an_upstream_that_was_handed_out_untouched(
    client: httpx.Client, upstream: Upstream
) -> None:
    upstream.dropped.clear()
    hang_up_after_first_chunk(client, "/fetch", url=f"{upstream.url}/chunks?n=5000&s=0.01", through="1")
    assert upstream.dropped.wait(PATIENCE_S)


def test_the_worker_serves_on_after_hang_ups(client: httpx.Client, upstream: Upstream) -> None:
    for _ in range(5):
        hang_up_after_first_chunk(client, "/relay", url=f"{upstream.url}/chunks?n=100&s=0.01")
    assert client.get("/ticks", params={"n": "1"}).text == "tick 0\n"
