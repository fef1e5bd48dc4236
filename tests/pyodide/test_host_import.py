"""What a Worker may do while it is imported: the host refuses what the snapshot of production cannot hold."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.pyodide.runner import PATIENCE_S, HostFailed, PyodideHost

REFUSED = {
    "os.urandom": "OSError",
    "uuid.uuid4": "OSError",
    "secrets.token_hex": "OSError",
    "random.random": "RuntimeError",
    "random.randint": "RuntimeError",
    "crypto.getRandomValues": "JsException",
    "crypto.randomUUID": "JsException",
    "crypto.subtle.digest": "JsException",
    "fetch": "JsException",
    "setTimeout": "JsException",
    "AbortSignal.timeout": "JsException",
    "create_task": "JsException",
    "env.KV.get": "JsException",
    "env.POINTS.writeDataPoint": "JsException",
    "js.process": "AttributeError",
    "js.eval": "JsException",
}
ALLOWED = {
    "random.Random(1)": "ok 0.13436424411240122",
    "Date.now": "ok 0",
    "time.time": "ok True",
    "sha256": "ok 2d71",
    "tempfile": "ok True",
    "Headers": "ok True",
}
BINDINGS = {"kv_namespaces": [{"binding": "KV"}], "analytics_engine_datasets": [{"binding": "POINTS"}]}


@pytest.fixture(scope="module")
def outcomes(started: Callable[..., PyodideHost]) -> dict[str, Any]:
    host = started("import_rules.py", bindings=BINDINGS)
    answer: dict[str, Any] = httpx.get(host.url, timeout=PATIENCE_S).raise_for_status().json()
    return answer


@pytest.mark.parametrize(("action", "error"), REFUSED.items())
def test_the_top_level_may_not_use_it(outcomes: dict[str, Any], action: str, error: str) -> None:
    assert outcomes["import"][action].startswith(f"{error}:")


@pytest.mark.parametrize(("action", "result"), ALLOWED.items())
def test_the_top_level_may_use_it(outcomes: dict[str, Any], action: str, result: str) -> None:
    assert outcomes["import"][action] == result


def test_a_refusal_says_what_to_do(outcomes: dict[str, Any]) -> None:
    assert "Randomness is not allowed while a Worker is starting" in outcomes["import"]["uuid.uuid4"]
    assert "perform this operation within a handler" in outcomes["import"]["fetch"]


def test_entropy_and_the_clock_are_there_once_requests_are_served(outcomes: dict[str, Any]) -> None:
    request = outcomes["request"]
    assert request["os.urandom"] == 4
    assert len(request["uuid4"]) == 36
    assert request["now"] > 1_700_000_000_000


def test_the_hash_seed_is_fixed_and_the_random_seed_is_not(
    outcomes: dict[str, Any], make_host: Callable[..., PyodideHost]
) -> None:
    with make_host("import_rules.py", bindings=BINDINGS) as host:
        again = httpx.get(host.url, timeout=PATIENCE_S).json()
    assert again["import"]["hash"] == outcomes["import"]["hash"]
    assert again["request"]["random"] != outcomes["request"]["random"]


@pytest.mark.parametrize(
    ("main", "rule", "says"),
    [
        ("fails_entropy.py", "entropy", "Randomness is not allowed"),
        ("fails_unseeded.py", "entropy", ""),
        ("fails_io.py", "io", "Disallowed operation called within global scope"),
        ("fails_timer.py", "timers", "Disallowed operation called within global scope"),
        ("fails_snapshot.py", "snapshot", "Can't serialize top-level variable"),
        ("fails_missing.py", "import", "No module named 'numpy'"),
        ("fails_no_default.py", "entrypoint", "exports no class `Default`"),
        ("not_there.py", "import", "No module named 'not_there'"),
    ],
)
def test_a_worker_that_breaks_a_rule_does_not_start(
    make_host: Callable[..., PyodideHost], main: str, rule: str, says: str
) -> None:
    with pytest.raises(HostFailed) as failed, make_host(main):
        pass
    assert failed.value.rule == rule
    assert says in failed.value.error


def test_packages_the_sdk_knows_get_their_hash_seeds(started: Callable[..., PyodideHost]) -> None:
    host = started("packages.py")
    answer = httpx.post(host.url, content=json.dumps({"role": "user", "content": "hi"}), timeout=PATIENCE_S)
    assert answer.json() == {"role": "user", "baggage": 1, "recording": False}
    assert host.ready["import_seconds"] > 0
