"""A pull request gets a Worker of its own; its key is known to it by digest only."""

from __future__ import annotations

import hashlib
import json

import pytest

from local.cli import main
from tests.local.rollout.conftest import Cloudflare


def preview(cloudflare: Cloudflare, action: str, *more: str) -> int:
    return main(["preview", action, "--number", "7", "--bundle", str(cloudflare.bundle), *more])


def test_it_is_deployed_under_its_number_with_the_secrets_that_were_given(
    cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUMIGATE_TOKEN", "hidden-key")
    monkeypatch.setenv("OPENAI_API_KEY", "hidden-too")
    monkeypatch.setenv("CACHE_L1_BYTES", "1")
    assert preview(cloudflare, "deploy") == 0
    captured = capsys.readouterr()
    assert captured.out == "https://lumigate-preview-7.example.workers.dev\n"
    secrets = json.loads((cloudflare.folder / "secrets.json").read_text("utf-8"))
    assert secrets["OPENAI_API_KEY"] == "hidden-too"
    assert secrets["API_KEYS"] == f"preview:{hashlib.sha256(b'hidden-key').hexdigest()}"
    assert "CACHE_L1_BYTES" not in secrets
    assert (cloudflare.folder / "mode").read_text("utf-8") == "0o600"
    assert "hidden" not in captured.out + captured.err + str(cloudflare.calls)
    (call,) = cloudflare.calls
    assert call[-4:] == ["--env", "staging", "--name", "lumigate-preview-7"]


def test_it_is_removed(cloudflare: Cloudflare) -> None:
    assert preview(cloudflare, "delete") == 0
    assert cloudflare.calls[0][:2] == ["delete", "--force"]


def test_what_is_missing_or_fails_is_said(
    cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LUMIGATE_TOKEN", raising=False)
    assert preview(cloudflare, "deploy") == 2
    assert "LUMIGATE_TOKEN" in capsys.readouterr().err
    assert main(["preview", "deploy", "--number", "7; rm"]) == 2
    monkeypatch.setenv("LUMIGATE_TOKEN", "k")
    cloudflare.fails("deploy")
    assert preview(cloudflare, "deploy") == 1
    assert "the API is not well" in capsys.readouterr().err
    assert main(["preview", "delete", "--number", "7", "--bundle", str(cloudflare.folder / "no")]) == 2


@pytest.mark.parametrize("action", ["deploy", "delete"])
def test_a_dry_run_does_nothing(
    cloudflare: Cloudflare, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preview(cloudflare, action, "--dry-run") == 0
    assert f"wrangler {action}" in capsys.readouterr().out
    assert cloudflare.calls == []
