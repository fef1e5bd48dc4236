"""What the doctor takes for read is what the code reads, and what the documents describe."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from local.doctor import code_reads
from local.toolchain import ROOT
from lumigate.config import is_setting

SETTINGS = (ROOT / "docs" / "settings.md").read_text("utf-8")
READERS = {"get", "text", "string", "choice", "boolean", "integer", "number", "names", "pairs", "url"}


def names_passed_to_readers() -> set[str]:
    """Every constant that looks like a setting and is passed to a reader of the environment, anywhere under src/."""
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in READERS
                and "environ" in ast.unparse(node.func.value)
            ):
                found |= {
                    each.value
                    for each in node.args
                    if isinstance(each, ast.Constant)
                    and isinstance(each.value, str)
                    and re.fullmatch(r"[A-Z][A-Z0-9_]+", each.value)
                }
    return found


def test_no_reader_of_the_environment_is_overlooked() -> None:
    asked = names_passed_to_readers()
    assert len(asked) > 20
    assert asked - code_reads.settings() - code_reads.bindings().keys() == set()


def test_every_setting_that_the_documents_name_is_known() -> None:
    described = set()
    for row in re.findall(r"^\| (`[A-Z].*?) \|", SETTINGS, re.MULTILINE):
        described |= set(re.findall(r"`([A-Z][A-Z0-9_]+)`", row))
    assert len(described) > 60
    assert described - code_reads.settings() == set()


def test_secrets_are_those_that_the_documents_mark() -> None:
    marked = set(re.findall(r"`([A-Z][A-Z0-9_]+)` ●", SETTINGS))
    assert marked
    assert {name for name in code_reads.settings() if code_reads.is_secret(name)} >= marked
    plain = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", SETTINGS, re.MULTILINE))
    assert {name for name in plain if code_reads.is_secret(name)} == set()


def test_destinations_and_providers_bring_settings_of_their_own() -> None:
    known = code_reads.settings(("azure",), "grafana")
    assert {
        "AZURE_API_KEY",
        "AZURE_BASE_URL",
        "LUMIGATE_OTLP_GRAFANA_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    } <= known
    assert "LUMIGATE_OTLP_GRAFANA_TRACES_HEADERS" in known
    assert "AZURE_API_KEY" not in code_reads.settings()


def test_bindings_have_the_kind_of_their_adapter() -> None:
    found = code_reads.bindings()
    assert found["CACHE"] == "kv_namespaces"
    assert found["METRICS_SHARD"] == "durable_objects"
    assert found["VERSION_METADATA"] == "version_metadata"


def test_classes_and_handlers_are_read_from_the_entry_modules(tmp_path: Path) -> None:
    exported = code_reads.exported_classes(ROOT / "src" / "entry.py")
    assert exported["MetricsShard"]
    assert not exported["Default"]
    assert code_reads.handlers(ROOT / "src" / "tail.py") == {"tail"}


def test_a_worker_knows_its_settings_by_name_and_takes_no_binding_for_one() -> None:
    """What is bound under the name of a setting is asked for its value (Secrets Store); all else is left alone."""
    known = code_reads.settings(("mine",), "second")
    assert {name for name in known if not is_setting(name)} == set()
    assert {name for name in (*code_reads.bindings(), "PARTNER", "DB") if is_setting(name)} == set()
