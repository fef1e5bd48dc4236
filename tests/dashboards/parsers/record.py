"""What was validated: a digest of each query of logs and traces, as the dashboards hold it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.dashboards.filled import Query, queries

RECORD: Final = Path(__file__).with_name("validated.json")
KINDS: Final = ("loki", "tempo")


def asked(dashboards: Mapping[str, Mapping[str, Any]]) -> list[Query]:
    return [query for kind in KINDS for query in queries(dashboards, kind)]


def digests(dashboards: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """By the query's id, with the language, since the same text means another thing in another."""
    return {
        query.id: hashlib.sha256(f"{query.kind}\n{query.text}".encode()).hexdigest()
        for query in asked(dashboards)
    }


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return found
