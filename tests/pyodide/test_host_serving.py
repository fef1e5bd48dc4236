"""How a request reaches the Worker and its answer the client: translation, errors, the clock, what leaks."""

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.upstream import Upstream


@pytest.fixture(scope="module")
def client(serving: PyodideHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serving.url, timeout=PATIENCE_S) as client:
        yield client


def test_a_request_arrives_as_it_was_sent(client: httpx.Client) -> None:
    answer = client.post(
        "/describe?q=ä",
        content="hellö".encode(),
        headers={"X-Custom": "Value", "CF-Connecting-IP": "6.6.6.6"},
    )
    seen = answer.json()
    assert seen["method"] == "POST"
    assert seen["url"] == str(answer.request.url)
    assert seen["body"] == "hellö"
    assert seen["headers"]["x-custom"] == "Value"
    assert seen["headers"]["cf-connecting-ip"] == "127.0.0.1"
    assert seen["headers"]["cf-ray"].endswith("-FRA")
    assert seen["context"] == "[object ExecutionContext]"


def test_a_request_without_a_body_has_none(client: httpx.Client) -> None:
    assert client.get("/describe").json()["has_body"] is False
    assert client.post("/describe").json()["has_body"] is False
    assert client.post("/describe", content=b"x").json()["has_body"] is True


def test_the_cf_object_is_set_from_the_control_side_only(serving: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/describe", headers={"cf-ipcountry": "KP"}).json()["country"] == "DE"
    before = {"country": "DE", "colo": "FRA"}
    serving.control("cf", country="US", colo="SJC")
    try:
        seen = client.get("/describe").json()
    finally:
        serving.control("cf", **before)
    assert (seen["country"], seen["colo"]) == ("US", "SJC")


@pytest.mark.parametrize("code", [200, 201, 404, 418, 503])
def test_a_status_and_its_body_leave_as_given(client: httpx.Client, code: int) -> None:
    answer = client.get(f"/status?code={code}&body=text")
    assert (answer.status_code, answer.text) == (code, "text")
    assert answer.headers["content-length"] == "4"
    assert answer.headers["content-type"] == "text/plain;charset=UTF-8"


def test_a_204_has_no_body_and_may_not_be_given_one(client: httpx.Client) -> None:
    answer = client.get("/status?code=204")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/status?code=204&body=text").status_code == 599


def test_head_gets_the_headers_only(client: httpx.Client) -> None:
    answer = client.head("/status?code=200&body=text")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "4")


def test_cookies_stay_apart(client: httpx.Client) -> None:
    answer = client.get("/cookies")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-mixed-case"] == "Kept"


def test_large_bodies_pass_both_ways(client: httpx.Client) -> None:
    size = 8 * 1024 * 1024
    assert client.post("/length", content=b"x" * size).text == str(size)
    assert len(client.get(f"/big?bytes={size}").content) == size
    assert client.post("/echo_stream", content=b"x" * size).content == b"x" * size


def test_an_encoding_the_worker_declares_is_applied_on_the_way_out(client: httpx.Client) -> None:
    with client.stream("GET", "/gzip") as answer:
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == b"squeeze " * 100


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ("/nothing", "did not resolve to 'Response'"),
        ("/string", "did not resolve to 'Response'"),
        ("/raises?uncaught", "ValueError: a secret"),
    ],
)
def test_what_is_no_response_is_a_500_that_says_nothing(
    serving: PyodideHost, client: httpx.Client, route: str, says: str
) -> None:
    answer = client.get(route)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    serving.wait_for_log(says)


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ("/immutable", "Can't modify immutable headers"),
        ("/read_twice", "unusable|already|disturbed"),
        ("/sdk_generator", "Unsupported type in Response: generator"),
        ("/js_generator", "kills the interpreter"),
    ],
)
def test_what_the_runtime_refuses_raises_in_the_worker(client: httpx.Client, route: str, says: str) -> None:
    answer = client.post(route, content=b"x")
    assert answer.status_code == 599
    assert any(part in answer.text for part in says.split("|")), answer.text


def test_a_chunk_that_is_a_python_object_breaks_the_stream(client: httpx.Client) -> None:
    with pytest.raises(httpx.HTTPError):
        client.get("/python_chunk")


def test_print_and_the_console_are_logged(serving: PyodideHost, client: httpx.Client) -> None:
    client.get("/print")
    assert serving.wait_for_log("printed") == "printed"
    assert serving.wait_for_log("warned") == "warned 2"
    assert "warned 2" in serving.logs(level="warn")


def test_every_request_has_an_instance_of_its_own(client: httpx.Client) -> None:
    with ThreadPoolExecutor(3) as pool:
        instances = list(pool.map(lambda _: client.get("/instance").text, range(3)))
    assert len(set(instances)) == 3


def test_the_clock_stands_still_while_the_cpu_works(client: httpx.Client) -> None:
    moved = client.get("/clock").json()
    assert moved["cpu"] == 0
    assert moved["yield"] == 0
    assert 50 <= moved["timer"] < 5_000
    assert moved["performance"] == moved["new_date"] == 0
    assert 1 <= moved["python_cpu_ms"] <= 3, "time.time() moves 1 ms a call, whatever the CPU did"


def test_the_clock_moves_at_io(client: httpx.Client, upstream: Upstream) -> None:
    moved = client.get("/clock_io", params={"url": f"{upstream.url}/slow?s=0.1"}).json()
    assert moved["fetch"] >= 95


def test_a_blocking_sleep_ends_the_interpreter_rather_than_spin_for_ever(
    make_host: Callable[..., PyodideHost],
) -> None:
    with make_host("serving.py") as host:
        assert httpx.get(f"{host.url}/block", timeout=PATIENCE_S).status_code == 500
        host.wait_for_log("a clock that stands still")


def test_cryptography_is_work_and_not_io(client: httpx.Client) -> None:
    answer = client.get("/digest")
    assert answer.text.startswith("ba7816bf")
    assert answer.headers["x-moved"] == "0"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"url": "http://127.0.0.1:9/"}, "Error: Network connection lost."),
        ({"url": "{up}/reset"}, "Error: Network connection lost."),
        ({"url": "{up}/truncated"}, "Error: Network connection lost."),
        (
            {"url": "{up}/slow?s=20", "timeout": "80"},
            "TimeoutError: The operation was aborted due to timeout",
        ),
        ({"url": "no url"}, "TypeError: Invalid URL"),
        ({"url": "ftp://127.0.0.1/"}, "TypeError: Fetch API cannot load"),
        ({"url": "{up}/echo", "redirect": "error"}, "TypeError: Invalid redirect value"),
        ({"url": "{up}/echo", "credentials": "include"}, "The 'credentials' field"),
        ({"url": "{up}/echo", "mutate": "1"}, "TypeError: Can't modify immutable headers."),
    ],
)
def test_a_fetch_fails_as_in_production(
    client: httpx.Client, upstream: Upstream, query: dict[str, str], says: str
) -> None:
    params = {name: value.format(up=upstream.url) for name, value in query.items()}
    answer = client.get("/fetch", params=params)
    assert answer.status_code == 599
    assert says in answer.text


def test_a_fetch_sends_and_receives(client: httpx.Client, upstream: Upstream) -> None:
    seen = client.get(
        "/fetch", params={"url": f"{upstream.url}/echo", "method": "POST", "body": "sent"}
    ).json()
    assert (seen["method"], seen["body"], seen["headers"]["x-sent"]) == ("POST", "sent", "yes")


def test_a_redirect_is_followed_or_handed_out(client: httpx.Client, upstream: Upstream) -> None:
    assert client.get("/fetch", params={"url": f"{upstream.url}/redirect"}).status_code == 200
    manual = client.get("/fetch", params={"url": f"{upstream.url}/redirect", "redirect": "manual"})
    assert (manual.status_code, manual.headers["x-location"]) == (302, "/echo")


def test_an_upstream_response_passes_through_untouched(client: httpx.Client, upstream: Upstream) -> None:
    answer = client.get("/fetch", params={"url": f"{upstream.url}/chunks?n=3", "through": "1"})
    assert answer.text == "chunk 0\nchunk 1\nchunk 2\n"
    assert answer.headers["content-type"] == "text/event-stream"


def test_a_promise_rejected_with_no_error_hangs_its_awaiter(client: httpx.Client) -> None:
    assert client.get("/rejected_with_text").text == "hung"


def test_tidy_requests_leak_no_proxy_and_leaky_ones_are_counted(
    serving: PyodideHost, client: httpx.Client
) -> None:
    client.get("/tidy")
    before = serving.live_proxies()
    for _ in range(20):
        assert client.get("/tidy").text == "tidy"
    assert serving.live_proxies() == before
    for _ in range(5):
        client.get("/leak")
    assert serving.live_proxies() == before + 5


def test_scheduled_runs_to_the_end_of_its_background_work(serving: PyodideHost) -> None:
    assert serving.control("scheduled") == {"outcome": "ok"}
    held = serving.state()["bindings"]["KV"]
    assert held["cron"]["text"] == "*/5 * * * *"
    assert held["cron later"]["text"] == "done"
    failed = serving.control("scheduled", cron="fail")
    assert failed["outcome"] == "exception"
    assert "no luck" in failed["error"]


def test_tail_gets_the_events_as_objects_of_the_runtime(serving: PyodideHost) -> None:
    """No dicts: what has no value is JavaScript's null, or undefined, which Python knows as None."""
    assert serving.control("tail", events=[{"outcome": "exceededCpu"}]) == {"outcome": "ok"}
    assert serving.state()["bindings"]["KV"]["tail"]["text"] == "[('exceededCpu', jsnull, None)]"


def test_the_control_channel_is_no_route_of_the_worker(serving: PyodideHost, client: httpx.Client) -> None:
    assert client.get("/__host/state").status_code == 599
    assert httpx.get(f"{serving.control_url}/describe", timeout=PATIENCE_S).status_code == 404


def test_the_host_ends_cleanly(make_host: Callable[..., PyodideHost]) -> None:
    host = make_host("echo.py").start()
    process = host._process
    assert process is not None
    host.stop()
    assert process.returncode == 0
