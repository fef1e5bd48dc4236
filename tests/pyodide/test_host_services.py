"""Services and secrets of a Secrets Store, as workerd shows them to a Worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.pyodide.runner import PATIENCE_S, HostFailed, PyodideHost

STORE = "0" * 32
BINDINGS: dict[str, Any] = {
    "services": [{"binding": "PARTNER"}],
    "secrets_store_secrets": [
        {"binding": "SECRET", "store_id": STORE, "secret_name": "one"},
        {"binding": "MISSING", "store_id": STORE, "secret_name": "two"},
    ],
    "secrets_stores": {STORE: {"one": {"value": "first"}}},
}


@pytest.fixture(scope="module")
def bound(started: Callable[..., PyodideHost]) -> PyodideHost:
    return started("services.py", bindings=BINDINGS)


@pytest.fixture
def client(bound: PyodideHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=bound.url, timeout=PATIENCE_S) as client:
        yield client


def test_a_secret_looks_like_any_service_and_has_every_method_until_it_is_called(
    client: httpx.Client,
) -> None:
    assert client.get("/looks").json() == [["Fetcher", True, True, False]] * 2
    answer = client.get("/get?of=PARTNER")
    assert answer.status_code == 599
    assert 'The RPC receiver does not implement the method "get".' in answer.text


def calls(bound: PyodideHost) -> int:
    """How often the secret was asked for."""
    return int(bound.state()["bindings"]["SECRET"]["calls"])


def test_a_secret_is_what_the_store_holds_now(bound: PyodideHost, client: httpx.Client) -> None:
    bound.control("secret", store_id=STORE, name="one", value="first")
    before = calls(bound)
    assert client.get("/get?of=SECRET").text == "first"
    assert client.get("/wrapped").text == "first"
    bound.control("secret", store_id=STORE, name="one", value="second")
    assert client.get("/get?of=SECRET").text == "second"
    assert calls(bound) == before + 3


def test_a_secret_that_the_store_does_not_have_is_refused(client: httpx.Client) -> None:
    answer = client.get("/get?of=MISSING")
    assert (answer.status_code, 'Secret "two" not found' in answer.text) == (599, True)


def test_what_one_request_asked_the_store_is_no_other_requests(bound: PyodideHost) -> None:
    bound.control("secret", store_id=STORE, name="one", held=True)
    before = calls(bound)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.get, f"{bound.url}/keep", timeout=PATIENCE_S)
        try:
            bound.wait_for_state(lambda state: state["bindings"]["SECRET"]["calls"] > before)
            other = httpx.get(f"{bound.url}/share", timeout=PATIENCE_S)
        finally:
            bound.control("secret", store_id=STORE, name="one", value="slow")
        assert other.status_code >= 500
        assert first.result().text == "slow"


def test_a_secret_cannot_be_asked_for_while_the_worker_starts(make_host: Callable[..., PyodideHost]) -> None:
    with pytest.raises(HostFailed) as failure:
        make_host("fails_secret.py", bindings=BINDINGS).start()
    assert failure.value.rule == "io"
