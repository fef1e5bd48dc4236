"""Settings that documents show are taken as they are shown, from the file that they are shown for."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from local.dev_vars import parse_dev_vars
from local.runtime.development import development_settings
from lumigate.config import Settings
from tests.test_commands_shown import DOCUMENTS, named

NAME = re.compile(r"^([A-Z][A-Z0-9_]+)=", re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    """Document and text of each block in a language."""
    return [
        (named(path), block)
        for path in DOCUMENTS
        for block in re.findall(rf"```{language}\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    ]


LOCAL = [(document, block) for document, block in blocks("sh") if NAME.match(block) and "uv run" not in block]
TABLES = [(document, tomllib.loads(block)["vars"]) for document, block in blocks("toml") if "[vars" in block]


def settings(**shown: Any) -> Settings:
    """Development's, with what a document shows."""
    ours = development_settings(jwks_url="http://127.0.0.1:1/jwks", openai_base_url="http://127.0.0.1:2/v1")
    return Settings.from_environ(ours | shown)


@pytest.mark.parametrize(("document", "block"), LOCAL, ids=[document for document, _ in LOCAL])
def test_lines_for_dev_vars_are_read_whole(document: str, block: str) -> None:
    shown = parse_dev_vars(block)
    assert list(shown) == NAME.findall(block), document
    settings(**shown)


@pytest.mark.parametrize(("document", "shown"), TABLES, ids=[document for document, _ in TABLES])
def test_tables_for_wrangler_toml_are_taken(document: str, shown: dict[str, Any]) -> None:
    # a route that a document speaks of is the reader's own
    routes = {route: {"provider": "openai", "model": "gpt-5"} for route in shown.get("CACHE_ROUTES", ())}
    settings(**{"MODELS": routes} | shown if routes else shown)


def test_the_limits_that_a_document_shows_are_taken() -> None:
    (shown,) = [block for document, block in blocks("json") if document == "docs/limits.md"]
    assert settings(TENANT_LIMITS=shown).tenant_limits is not None


def test_documents_show_settings() -> None:
    assert {document for document, _ in LOCAL} >= {"README.md", "docs/access.md"}
    assert {document for document, _ in TABLES} >= {"docs/cache.md", "docs/providers.md"}
