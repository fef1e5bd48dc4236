"""Publishing by Grafana's HTTP API, against a stand-in that answers as the API's documentation says."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dashboards.publish import FOLDER_UID, PublishError, publish
from local import cli

TOKEN = "glsa_secret"


@dataclass(kw_only=True)
class FakeGrafana:
    url: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)


@contextlib.contextmanager
def grafana() -> Iterator[FakeGrafana]:
    fake = FakeGrafana()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            uid = self.path.removeprefix("/api/folders/")
            if self.headers["authorization"] != f"Bearer {TOKEN}":
                self.answer(401, {"message": "Invalid API key"})
            elif uid in fake.folders:
                self.answer(200, {"uid": uid, "title": fake.folders[uid]})
            else:
                self.answer(404, {"message": "folder not found"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/api/folders":
                fake.folders[body["uid"]] = body["title"]
                self.answer(200, body)
                return
            uid = body["dashboard"]["uid"]
            if body["folderUid"] not in fake.folders:
                self.answer(400, {"message": "folder not found"})
            elif uid in fake.dashboards and not body["overwrite"]:
                self.answer(412, {"message": "The dashboard has been changed by someone else"})
            else:
                fake.dashboards[uid] = body
                self.answer(200, {"status": "success", "uid": uid, "url": f"/d/{uid}/slug"})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_folder_and_dashboards_are_made_and_replaced(generated: dict[str, dict[str, Any]]) -> None:
    with grafana() as fake:
        publish(fake.url, TOKEN, "Lumigate", generated.values())
        found = publish(fake.url, TOKEN, "Lumigate", generated.values(), message="a change")
        assert fake.folders == {FOLDER_UID: "Lumigate"}
        assert set(fake.dashboards) == {content["uid"] for content in generated.values()}
        assert {one.url for one in found} == {f"{fake.url}/d/{uid}/slug" for uid in fake.dashboards}
        assert fake.dashboards["lumigate-cache"]["message"] == "a change"


def test_a_wrong_token_is_named_and_never_shown() -> None:
    with grafana() as fake, pytest.raises(PublishError) as raised:
        publish(fake.url, "glsa_wrong", "Lumigate", [])
    assert "GRAFANA_TOKEN" in str(raised.value)
    assert "glsa_wrong" not in str(raised.value)


def test_a_grafana_that_is_not_there_is_one_line() -> None:
    with pytest.raises(PublishError, match="cannot be reached"):
        publish("http://127.0.0.1:1", TOKEN, "Lumigate", [])


def test_the_command_publishes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    assert cli.main(["dashboards", "publish"]) == 1
    assert "GRAFANA_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    with grafana() as fake:
        assert cli.main(["dashboards", "publish", "--grafana", fake.url]) == 0
        assert len(fake.dashboards) == 8
    said = capsys.readouterr().out
    assert "/d/lumigate-slo/" in said
    assert TOKEN not in said
