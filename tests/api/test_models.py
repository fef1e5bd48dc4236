"""The names of models, told to clients of either kind; and errors that each of them can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.http.types import Response
from tests.fakes.gateway import WITH_KEY, make_gateway

ANTHROPICS = {**WITH_KEY, "anthropic-version": "2023-06-01"}


def document_of(response: Response) -> dict[str, Any]:
    assert isinstance(response.body, bytes)
    document: dict[str, Any] = json.loads(response.body)
    return document


async def test_one_model_is_shown_as_it_is_listed() -> None:
    rig = make_gateway()
    for headers in (WITH_KEY, ANTHROPICS):
        listed = document_of(await rig.send("GET", "/v1/models", headers=headers, body=b""))["data"]
        for model in listed:
            shown = await rig.send("GET", f"/v1/models/{model['id']}", headers=headers, body=b"")
            assert (shown.status, document_of(shown)) == (200, model)


async def test_the_name_of_a_model_may_be_escaped() -> None:
    response = await make_gateway().send("GET", "/v1/models/f%61st", headers=WITH_KEY, body=b"")
    assert document_of(response)["id"] == "fast"


async def test_an_unknown_model_is_not_found_and_the_closest_is_named() -> None:
    response = await make_gateway().send("GET", "/v1/models/fasst", headers=WITH_KEY, body=b"")
    error = document_of(response)["error"]
    assert (response.status, error["code"]) == (404, "model_not_found")
    assert "'fasst'" in error["message"]
    assert "fast" in error["message"].replace("'fasst'", "")


@pytest.mark.parametrize("path", ["/v1/models/%ff%00", "/v1/models/" + "x" * 4000, "/v1/models/..%2f.."])
async def test_junk_for_a_name_is_not_found(path: str) -> None:
    response = await make_gateway().send("GET", path, headers=WITH_KEY, body=b"")
    assert (response.status, document_of(response)["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("POST", "/v1/messages/count_tokens", WITH_KEY, 404, "not_found_error"),
        ("GET", "/v1/messages/batches", ANTHROPICS, 404, "not_found_error"),
        ("GET", "/v1/files", ANTHROPICS, 404, "not_found_error"),
        ("GET", "/v1/models/none", ANTHROPICS, 404, "not_found_error"),
        ("GET", "/v1/models", {"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ("GET", "/v1/messages", ANTHROPICS, 405, "invalid_request_error"),
    ],
)
async def test_anthropics_clients_read_every_refusal_and_find_the_requests_id(
    method: str, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    response = await make_gateway().send(method, path, headers=headers, body=b"")
    document = document_of(response)
    assert response.status == status
    assert (document["type"], document["error"]["type"]) == ("error", kind)
    assert response.headers["request-id"] == response.headers["x-request-id"]
    assert len(document["trace_id"]) == 32


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/completions", "/v1/chat/completions/x"])
async def test_openais_clients_read_that_there_is_no_such_route(path: str) -> None:
    response = await make_gateway().send("POST", path)
    assert (response.status, document_of(response)["error"]["code"]) == (404, "unknown_route")


async def test_the_door_decides_not_the_client() -> None:
    response = await make_gateway().send(headers=ANTHROPICS, body=b"{")
    assert document_of(response)["error"]["code"] == "invalid_json"
    assert "type" not in document_of(response)
