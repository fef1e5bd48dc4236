from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.errors import CallerError, MethodNotAllowed, UnknownRoute
from lumigate.http.routing import Endpoint, RouteTable
from tests.fakes import raised_by

TABLE: RouteTable[str] = RouteTable(
    {
        ("GET", "/health"): Endpoint(template="/health", handler="health", authenticated=False),
        ("GET", "/things"): Endpoint(template="/things", handler="list"),
        ("POST", "/things"): Endpoint(template="/things", handler="create"),
        ("POST", "/chat"): Endpoint(template="/chat", handler="chat"),
    }
)


@pytest.mark.parametrize(
    ("method", "path", "handler"),
    [
        ("GET", "/health", "health"),
        ("HEAD", "/health", "health"),
        ("GET", "/things", "list"),
        ("HEAD", "/things", "list"),
        ("POST", "/things", "create"),
        ("POST", "/chat", "chat"),
    ],
)
def test_a_method_and_a_path_name_one_handler(method: str, path: str, handler: str) -> None:
    assert TABLE.match(method, path).handler == handler


@pytest.mark.parametrize(
    "path", ["", "/", "/health/", "/HEALTH", "//health", "/health%2f", "/thing", "/chat/1"]
)
def test_a_path_that_is_not_in_the_table_is_404(path: str) -> None:
    with pytest.raises(UnknownRoute):
        TABLE.match("GET", path)
    assert TABLE.template(path) == ""


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/health", "GET, HEAD"),
        ("get", "/health", "GET, HEAD"),
        ("DELETE", "/things", "GET, POST, HEAD"),
        ("GET", "/chat", "POST"),
        ("HEAD", "/chat", "POST"),
        ("OPTIONS", "/chat", "POST"),
        ("", "/chat", "POST"),
    ],
)
def test_another_method_on_a_known_path_is_405_and_says_which_would_do(
    method: str, path: str, allow: str
) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        TABLE.match(method, path)
    assert caught.value.headers == {"allow": allow}


def test_the_template_does_not_depend_on_the_method() -> None:
    """A 405 is counted under its route."""
    assert TABLE.template("/chat") == "/chat"


@given(method=st.text(max_size=10), path=st.text(max_size=30))
def test_no_request_line_raises_anything_but_a_callers_error(method: str, path: str) -> None:
    error = raised_by(CallerError, TABLE.match, method, path)
    assert error is None or error.status in (404, 405)
