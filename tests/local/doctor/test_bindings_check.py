"""Every kind of mistake in the bindings is made, and the doctor names it and says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.doctor.bindings_check import check_apart, check_bindings
from local.doctor.environments import read_environments
from local.doctor.finding import Finding, Level
from tests.local.doctor.checkout import change, environment

type Mutation = Callable[[dict[str, Any]], object]


def examined(root: Path, name: str = "staging") -> list[Finding]:
    found = [*check_bindings(environment(root, name), root), *check_apart(read_environments(root))]
    return [each for each in found if each.level is not Level.OK]


def shard(top: dict[str, Any]) -> dict[str, Any]:
    """The binding of the counter shard in staging."""
    objects = top["env"]["staging"]["durable_objects"]["bindings"]
    found: dict[str, Any] = next(each for each in objects if each["name"] == "METRICS_SHARD")
    return found


def test_the_checkout_as_it_is_has_no_fault(root: Path) -> None:
    for each in read_environments(root):
        assert examined(root, each.name) == []


def _unmigrated(top: dict[str, Any]) -> None:
    for migration in top["env"]["staging"]["migrations"]:
        classes = migration.get("new_sqlite_classes", [])
        migration["new_sqlite_classes"] = [name for name in classes if name != "MetricsShard"]


def _twice(top: dict[str, Any]) -> None:
    migrations = top["env"]["staging"]["migrations"]
    migrations.append({"tag": migrations[0]["tag"]})


def _without_flag(top: dict[str, Any]) -> None:
    top["compatibility_flags"].remove("enable_request_signal")


def _of_staging(key: str, **members: Any) -> Mutation:
    """Change the first table of a list in staging."""
    return lambda top: top["env"]["staging"][key][0].update(members)


def _without(key: str) -> Mutation:
    return lambda top: top["env"]["staging"].pop(key)


def _added(key: str, **members: Any) -> Mutation:
    return lambda top: top["env"]["staging"].setdefault(key, []).append(members)


@pytest.mark.parametrize(
    ("mutate", "level", "words", "step"),
    [
        (
            _of_staging("kv_namespaces", binding="CASH"),
            Level.ERROR,
            "CASH (kv_namespaces) is declared",
            "CACHE",
        ),
        (_without("kv_namespaces"), Level.WARNING, "looks up CACHE", "[[env.staging.kv_namespaces]]"),
        (_of_staging("r2_buckets", binding="CACHE"), Level.ERROR, "CACHE is declared twice", "Keep one"),
        (
            lambda top: (_without("kv_namespaces")(top), _of_staging("r2_buckets", binding="CACHE")(top)),
            Level.ERROR,
            "CACHE is declared as r2_buckets",
            "[[env.staging.kv_namespaces]]",
        ),
        (_added("d1_databases", binding="DB"), Level.ERROR, "DB (d1_databases) is declared", "Remove it"),
        (
            _without("version_metadata"),
            Level.WARNING,
            "one deployment from another",
            "[env.staging.version_metadata]",
        ),
        (
            lambda top: shard(top).update(name="SHARD"),
            Level.ERROR,
            "looks up METRICS_SHARD",
            "[[env.staging.durable_obj",
        ),
        (
            lambda top: shard(top).update(class_name="Shard"),
            Level.ERROR,
            "class 'Shard', which",
            "MetricsShard",
        ),
        (_unmigrated, Level.ERROR, "no migration creates the class MetricsShard", "new_sqlite_classes"),
        (
            _added("migrations", tag="v99", new_classes=["Old"]),
            Level.ERROR,
            "keeps the class Old",
            "deleted_classes",
        ),
        (_twice, Level.ERROR, "two migrations have the tag", "tag of its own"),
        (
            lambda top: top["env"]["staging"]["triggers"].update(crons=[]),
            Level.WARNING,
            "no cron trigger",
            "crons",
        ),
        (
            lambda top: top.update(compatibility_date="2025-01-01"),
            Level.ERROR,
            "date is 2025-01-01",
            "2026-09-08",
        ),
        (lambda top: top.pop("compatibility_date"), Level.ERROR, "date is missing", "2026-09-08"),
        (_without_flag, Level.ERROR, "enable_request_signal is missing", "compatibility_flags"),
        (lambda top: top.update(main="src/worker.py"), Level.ERROR, "src/worker.py", "src/entry.py"),
        (
            lambda top: _of_staging(
                "r2_buckets", bucket_name=top["env"]["production"]["r2_buckets"][0]["bucket_name"]
            )(top),
            Level.ERROR,
            "and so it is in staging",
            "one of its own",
        ),
        (
            _of_staging("ratelimits", namespace_id="1001"),
            Level.ERROR,
            "'1001', and so it is in development",
            "of its own",
        ),
        (
            _of_staging("tail_consumers", service="tale"),
            Level.ERROR,
            "tail_consumers names 'tale'",
            "lumigate-tail",
        ),
    ],
)
def test_each_kind_of_mistake_is_named(
    mutate: Mutation, level: Level, words: str, step: str, root: Path
) -> None:
    change(root, mutate)
    found = [each for each in examined(root) if words in each.what]
    assert found, [each.what for each in examined(root)]
    assert {each.level for each in found} == {level}
    assert all(step in each.next_step for each in found)


def test_a_shard_may_be_missing_where_metrics_go_another_way(root: Path) -> None:
    change(root, lambda top: top["env"]["staging"]["vars"].update(METRICS_VIA="otlp"))
    change(root, lambda top: shard(top).update(name="OTHER"))
    (about,) = [each for each in examined(root) if "looks up METRICS_SHARD" in each.what]
    assert about.level is Level.WARNING


def test_an_index_of_vectors_is_missed_only_where_the_settings_ask_for_it(root: Path) -> None:
    assert not [each for each in examined(root) if "VECTORS" in each.what]
    change(root, lambda top: top["env"]["staging"]["vars"].update(CACHE_NEAR_VECTORS="true"))
    (about,) = [each for each in examined(root) if "looks up VECTORS (vectorize)" in each.what]
    assert about.level is Level.ERROR
    assert "[[env.staging.vectorize]]" in about.next_step
    change(root, _added("vectorize", binding="VECTORS", index_name="lumigate-near-staging"))
    assert examined(root) == []


def test_near_matches_by_vectors_cannot_do_without_kv(root: Path) -> None:
    """The gateway would not start; without them, it would, and cache less."""

    def level() -> Level:
        return next(each.level for each in examined(root) if "looks up CACHE (kv_namespaces)" in each.what)

    change(root, lambda top: top["env"]["staging"].pop("kv_namespaces"))
    assert level() is Level.WARNING
    change(root, lambda top: top["env"]["staging"]["vars"].update(CACHE_NEAR_VECTORS="true"))
    assert level() is Level.ERROR


def test_a_cron_trigger_for_a_worker_that_handles_none_is_named(root: Path) -> None:
    change(root, lambda top: top["env"]["tail"]["triggers"].update(crons=["* * * * *"]))
    assert any("handles none" in each.what for each in examined(root, "tail"))


def test_a_class_that_was_renamed_or_deleted_is_followed(root: Path) -> None:
    def mutate(top: dict[str, Any]) -> None:
        _unmigrated(top)
        top["env"]["staging"]["migrations"] += [
            {"tag": "v97", "new_sqlite_classes": ["Counter", "Old"]},
            {"tag": "v98", "renamed_classes": [{"from": "Counter", "to": "MetricsShard"}]},
            {"tag": "v99", "deleted_classes": ["Old"]},
        ]

    before = examined(root)
    change(root, mutate)
    assert examined(root) == before
