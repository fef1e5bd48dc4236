from __future__ import annotations

import json

from lumigate.http.types import Disconnect, json_response


def test_a_disconnect_tells_each_subscriber_once() -> None:
    told: list[str] = []
    disconnect = Disconnect()
    disconnect.subscribe(lambda: told.append("first"))
    disconnect.subscribe(lambda: told.append("second"))
    assert told == []
    disconnect.fire()
    disconnect.fire()
    assert told == ["first", "second"]


def test_who_subscribes_after_the_client_left_is_told_at_once() -> None:
    told: list[str] = []
    disconnect = Disconnect()
    disconnect.fire()
    disconnect.subscribe(lambda: told.append("late"))
    assert told == ["late"]


def test_a_json_answer_is_compact_utf8_with_its_headers() -> None:
    response = json_response(201, {"a": "ü", "b": [1, None]}, {"cache-control": "no-store"})
    assert response.status == 201
    assert response.body == '{"a":"ü","b":[1,null]}'.encode()
    assert response.headers == {"content-type": "application/json", "cache-control": "no-store"}


def test_text_that_utf8_cannot_carry_does_not_break_an_answer() -> None:
    body = json_response(400, {"message": "\ud800"}).body
    assert isinstance(body, bytes)
    assert json.loads(body) == {"message": "?"}
