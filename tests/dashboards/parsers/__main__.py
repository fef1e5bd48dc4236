"""Validate the queries of logs and traces anew, and write down that it was done: `python -m tests.dashboards.parsers`.

LogQL is parsed by Loki's code, and its pipelines are run by it over wide events of the embedded runtime: over the lines
that it writes, and over its log records as Loki keeps what comes by OTLP; the same must be kept of both.
TraceQL is read by the grammar of Grafana's own editor. Both are built in a temporary folder.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from dashboards import build
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from tests.collector import attributes, running_collector
from tests.dashboards.filled import Query
from tests.dashboards.parsers.record import RECORD, asked, digests

HERE: Final = Path(__file__).parent
LOKI: Final = "github.com/grafana/loki/v3@v3.7.8"
FORK: Final = (
    "github.com/hashicorp/memberlist=github.com/grafana/memberlist@v0.3.1-0.20251126142931-6f9f62ab6f86"
)
"""Loki builds with this one only."""
GRAMMAR: Final = ("@grafana/lezer-traceql@1.0.0", "@lezer/lr@1.4.12")
TENANT: Final = "acme"
NONE_KEPT: Final = "tenant-that-nobody-is"


def main() -> int:
    dashboards = build.dashboards()
    everything = asked(dashboards)
    with tempfile.TemporaryDirectory() as folder:
        faults = [*_logs(everything, Path(folder) / "loki"), *_traces(everything, Path(folder) / "tempo")]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    if faults:
        return 1
    record = {"tools": {"loki": LOKI, "tempo": " ".join(GRAMMAR)}, "queries": digests(dashboards)}
    RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", "utf-8")
    sys.stdout.write(f"{len(everything)} queries are valid; written to {RECORD.name}\n")
    return 0


def _logs(everything: Sequence[Query], folder: Path) -> list[str]:
    """Each must parse, keep some of the events, keep as many of one tenant's, and none of nobody's."""
    folder.mkdir()
    shutil.copy(HERE / "logql.go", folder / "main.go")
    packages = [f"{LOKI.replace('@', f'/pkg/logql/{name}@')}" for name in ("syntax", "log")]
    for command in (
        ["mod", "init", "check"],
        ["mod", "edit", "-replace", FORK],
        ["get", *packages],
        ["build"],
    ):
        _run(["go", *command], folder)
    written, exported = _wide_events()
    wanted = [query for query in everything if query.kind == "loki"]
    faults = []
    for tenant, kept in (("", True), (TENANT, True), (NONE_KEPT, False)):
        texts = [_filled(query.text, tenant=tenant) for query in wanted]
        by_line, by_record = (
            _answers(["./check"], folder, queries=texts, lines=lines) for lines in (written, exported)
        )
        for query, text, line, record in zip(wanted, texts, by_line, by_record, strict=True):
            if line["error"]:
                faults.append(f"{query.id}: {line['error']}\n  {text}")
            elif (line["kept"] > 0) is not kept:
                faults.append(f"{query.id}: keeps {line['kept']} of {len(written)} events\n  {text}")
            elif line != record:
                faults.append(f"{query.id}: keeps {line['kept']} lines, {record['kept']} records\n  {text}")
    return faults


def _traces(everything: Sequence[Query], folder: Path) -> list[str]:
    folder.mkdir()
    (folder / "package.json").write_text("{}", "utf-8")
    _run(["npm", "install", "--silent", *GRAMMAR], folder)
    # the waterfall asks for one trace, by its id alone
    wanted = [query for query in everything if query.kind == "tempo" and query.text != "${trace_id:raw}"]
    texts = [_filled(query.text, tenant=tenant) for query in wanted for tenant in ("", TENANT)]
    results = _answers(
        ["node", str(shutil.copy(HERE / "traceql.cjs", folder))], folder, queries=[*texts, "{ kind = }"]
    )
    if not results.pop()["error"]:
        return ["the grammar takes what is no TraceQL"]
    return [
        f"{text}: {result['error']}" for text, result in zip(texts, results, strict=True) if result["error"]
    ]


def _filled(text: str, *, tenant: str) -> str:
    text = text.replace("${tenant:raw}", tenant).replace("$service", "lumigate").replace("$__auto", "1m")
    return re.sub(r"\$\{\w+:raw\}", "", text)


def _wide_events() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One answer that is well, one that is not, one refusal, all of one tenant's; and what is no request.

    As lines, and as records: Loki keeps a record's body as the line, its attributes and ids beside it.
    """
    lines: list[str] = ['{"event":"cron"}']
    with (
        running_collector() as collector,
        run_in_thread(EmbeddedRuntime({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})) as running,
    ):
        running.runtime.ports.console.listen(lines.append)
        headers = {"authorization": f"Bearer {running.runtime.issuer.valid(tenant=TENANT)}"}
        for model, prompt in (
            ("gpt-5-mini", "well"),
            ("gpt-5-mini", "[[mock fault=status-500]]"),
            ("no-such-model", "refused"),
        ):
            body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
            httpx.post(f"{running.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
        records = collector.wait_for(lambda it: it.logs() if len(it.logs()) == 3 else [])
    exported = [{"text": "cron", "metadata": {"event": "cron"}}]
    for record in records:
        ids = {"trace_id": record.trace_id.hex(), "span_id": record.span_id.hex()}
        texts = {key: _as_loki_writes(value) for key, value in attributes(record).items()}
        exported.append({"text": record.body.string_value, "metadata": texts | ids})
    return [{"text": line, "metadata": {}} for line in lines], exported


def _as_loki_writes(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)


def _answers(command: Sequence[str], folder: Path, **asked_for: Any) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads(_run(command, folder, json.dumps(asked_for)))
    return found


def _run(command: Sequence[str], folder: Path, given: str | None = None) -> str:
    done = subprocess.run(
        list(command), cwd=folder, input=given, text=True, capture_output=True, timeout=900, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
