from __future__ import annotations

import pytest

from lumigate.errors import MethodNotAllowed, UnknownRoute
from lumigate.http.paths import parameter, shown_path
from lumigate.http.routing import Endpoint, RouteTable

ID = "ses_" + "A1_-" * 10 + "abc"
TABLE: RouteTable[str] = RouteTable(
    {
        ("POST", "/sessions"): Endpoint(template="/sessions", handler="create"),
        ("GET", "/sessions/{id}"): Endpoint(template="/sessions/{id}", handler="show"),
        ("DELETE", "/sessions/{id}"): Endpoint(template="/sessions/{id}", handler="delete"),
        ("GET", "/sessions/{id}/code"): Endpoint(template="/sessions/{id}/code", handler="code"),
    }
)


@pytest.mark.parametrize(
    ("method", "path", "handler"),
    [
        ("POST", "/sessions", "create"),
        ("GET", f"/sessions/{ID}", "show"),
        ("HEAD", f"/sessions/{ID}", "show"),
        ("DELETE", "/sessions/x", "delete"),
        ("GET", "/sessions/a%2Fb/code", "code"),
    ],
)
def test_a_part_in_braces_stands_for_any(method: str, path: str, handler: str) -> None:
    assert TABLE.match(method, path).handler == handler
    assert TABLE.template(path) == TABLE.match(method, path).template


@pytest.mark.parametrize(
    "path", ["/sessions/", "/sessions//code", "/sessions/x/", "/sessions/x/y", "/x/sessions/y"]
)
def test_for_any_but_none(path: str) -> None:
    with pytest.raises(UnknownRoute):
        TABLE.match("GET", path)


def test_the_other_methods_of_such_a_path_are_told() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        TABLE.match("PUT", "/sessions/x")
    assert caught.value.headers["allow"] == "GET, DELETE, HEAD"


@pytest.mark.parametrize(
    ("template", "path", "name", "value"),
    [
        ("/sessions/{id}/code", "/sessions/x/code", "id", "x"),
        ("/admin/subjects/{subject}", "/admin/subjects/a%2Fb%20c", "subject", "a/b c"),
        ("/admin/subjects/{subject}", "/admin/subjects/%ff", "subject", "\ufffd"),
        ("/sessions", "/sessions", "id", ""),
    ],
)
def test_what_stands_there_can_be_read(template: str, path: str, name: str, value: str) -> None:
    assert parameter(template, path, name) == value


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/health", "/health"),
        ("/sessions", "/sessions"),
        (f"/sessions/{ID}", "/sessions/{id}"),
        (f"/sessions/{ID}/messages", "/sessions/{id}/messages"),
        (f"/sessions/%73{ID[1:]}/nonsense", "/sessions/{id}/nonsense"),
        ("/admin/subjects/ann@example.org", "/admin/subjects/{subject}"),
        (f"//sessions/{ID}", "//sessions/{id}"),
        (f"/v1/{ID}", "/v1/{id}"),
    ],
)
def test_telemetry_gets_no_id_and_no_subject(path: str, shown: str) -> None:
    assert shown_path(path) == shown
