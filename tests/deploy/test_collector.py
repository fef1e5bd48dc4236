"""The collector and the stores behind it fit together: pipelines, ports, mounts, tokens, images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from slo.settings import load_settings
from tests.slo.promtool import promtool, run

ROOT = Path(__file__).resolve().parents[2]
COLLECTOR = ROOT / "deploy" / "collector"
VARIANTS = {"otlp": (), "remote-write": ("remote-write.yaml",), "scrape": ("scrape.yaml",)}
"""Configurations given after config.yaml."""
PORTS = {"tempo": {4317, 3200}, "loki": {3100}, "prometheus": {9090}}
"""On which each store listens; Loki's and Prometheus's are their own defaults."""


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((COLLECTOR / name).read_text("utf-8"))
    return content


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """As the collector merges several --config: maps by key, anything else replaced."""
    both = dict(base)
    for key, value in over.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def configuration(variant: str) -> dict[str, Any]:
    content = load("config.yaml")
    for name in VARIANTS[variant]:
        content = merged(content, load(name))
    return content


COMPOSE = load("compose.yaml")["services"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_component_of_a_pipeline_is_defined(variant: str) -> None:
    content = configuration(variant)
    pipelines = content["service"]["pipelines"]
    assert set(pipelines) == {"traces", "logs", "metrics"}
    for pipeline in pipelines.values():
        for kind in ("receivers", "processors", "exporters"):
            assert pipeline[kind]
            assert set(pipeline[kind]) <= set(content[kind])
    assert set(content["service"]["extensions"]) == set(content["extensions"])


def test_every_component_is_used_by_some_variant() -> None:
    for kind in ("receivers", "processors", "exporters"):
        used: set[str] = set()
        defined: set[str] = set()
        for variant in VARIANTS:
            content = configuration(variant)
            defined |= set(content[kind])
            used |= {each for pipe in content["service"]["pipelines"].values() for each in pipe[kind]}
        assert used == defined


@pytest.mark.parametrize("variant", VARIANTS)
def test_memory_is_watched_first_and_batches_come_last(variant: str) -> None:
    for pipeline in configuration(variant)["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"
        assert pipeline["processors"][-1] == "batch"


def test_batches_are_stored_before_the_rules_count_them() -> None:
    timeout = load("config.yaml")["processors"]["batch"]["timeout"]
    assert int(timeout.removesuffix("s")) < load_settings(ROOT / "slo" / "settings.yaml").settle_seconds


def test_a_series_has_the_same_resource_labels_whichever_way_it_came() -> None:
    """By OTLP Prometheus promotes them; for remote write the collector has to."""
    promoted = load("prometheus.yaml")["otlp"]["promote_resource_attributes"]
    statements = load("remote-write.yaml")["processors"]["transform/promote"]["metric_statements"]
    wanted = {f'set(datapoint.attributes["{key}"], resource.attributes["{key}"])' for key in promoted}
    assert set(statements) == wanted


def test_nobody_sends_without_the_token() -> None:
    content = load("config.yaml")
    for protocol in content["receivers"]["otlp"]["protocols"].values():
        assert protocol["auth"]["authenticator"] in content["extensions"]
    assert content["extensions"]["bearertokenauth"]["token"] == "${env:OTLP_TOKEN}"
    assert COMPOSE["collector"]["environment"]["OTLP_TOKEN"].startswith("${OTLP_TOKEN:?"), "no default"


def test_every_variable_that_a_configuration_reads_is_given() -> None:
    text = "".join((COLLECTOR / name).read_text("utf-8") for name in ("config.yaml", "remote-write.yaml"))
    text += (COLLECTOR / "scrape.yaml").read_text("utf-8")
    assert set(re.findall(r"\$\{env:(\w+)", text)) == set(COMPOSE["collector"]["environment"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_exporters_meet_a_service_of_the_compose_file_on_its_port(variant: str) -> None:
    for exporter in configuration(variant)["exporters"].values():
        endpoint = exporter["endpoint"]
        address = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
        assert address.hostname in COMPOSE
        assert address.port in PORTS[str(address.hostname)]


def test_published_ports_are_those_that_are_listened_on() -> None:
    content = load("config.yaml")
    endpoints = [each["endpoint"] for each in content["receivers"]["otlp"]["protocols"].values()]
    endpoints.append(content["extensions"]["health_check"]["endpoint"])
    listened = {"collector": {int(each.rpartition(":")[2]) for each in endpoints}, "grafana": {3000}} | PORTS
    for name, service in COMPOSE.items():
        for port in service.get("ports", []):
            host, outside, inside = port.split(":")
            assert host == "127.0.0.1"
            assert outside == inside
            assert int(inside) in listened[name]
    tempo = load("tempo.yaml")
    assert {
        tempo["server"]["http_listen_port"],
        int(tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].rpartition(":")[2]),
    } == PORTS["tempo"]
    for variable in ("TEMPO_URL", "LOKI_URL", "PROMETHEUS_URL"):
        address = urlsplit(COMPOSE["grafana"]["environment"][variable])
        assert address.port in PORTS[str(address.hostname)]


def test_images_are_pinned() -> None:
    for name, service in COMPOSE.items():
        assert re.fullmatch(r"[a-z./-]+:v?\d+\.\d+\.\d+", service["image"]), name


def test_mounts_are_there_and_named_volumes_are_declared() -> None:
    volumes = set(load("compose.yaml")["volumes"])
    used: set[str] = set()
    for service in COMPOSE.values():
        for mount in service["volumes"]:
            outside = mount.split(":")[0]
            if outside.startswith("."):
                assert (COLLECTOR / outside).exists(), outside
            else:
                used.add(outside)
    assert used == volumes
    for service in ("collector", "tempo", "prometheus"):
        (file,) = [
            word.partition("=")[2]
            for word in COMPOSE[service]["command"]
            if "config" in word.partition("=")[0]
        ]
        assert file in [mount.split(":")[1] for mount in COMPOSE[service]["volumes"]]


def test_grafana_has_what_the_provisioning_reads() -> None:
    text = (ROOT / "deploy/grafana/provisioning/datasources/lumigate.yaml").read_text("utf-8")
    environment = set(COMPOSE["grafana"]["environment"])
    assert set(re.findall(r"(?<!\$)\$\{(\w+)\}", text)) <= environment


def test_prometheus_takes_what_the_collector_sends(tmp_path: Path) -> None:
    flags = COMPOSE["prometheus"]["command"]
    assert {"--web.enable-otlp-receiver", "--web.enable-remote-write-receiver"} <= set(flags)
    content = load("prometheus.yaml")
    assert content["storage"]["tsdb"]["out_of_order_time_window"]
    assert (
        content["otlp"]
        == yaml.safe_load((ROOT / "deploy/grafana/prometheus.yaml").read_text("utf-8"))["otlp"]
    )
    # Prometheus has `otlp` since version 2.55, Debian's is older
    known = {key: value for key, value in content.items() if key != "otlp"}
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(known), "utf-8")
    run(promtool(), "check", "config", "--syntax-only", tmp_path / "prometheus.yaml")


def test_the_collector_scrapes_as_prometheus_would(tmp_path: Path) -> None:
    """The same job as deploy/prometheus, but for where token and host come from; promtool takes both."""
    (job,) = load("scrape.yaml")["receivers"]["prometheus"]["config"]["scrape_configs"]
    production = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text("utf-8"))
    (other,) = production["scrape_configs"]
    assert {key: job[key] for key in ("job_name", "scheme", "metrics_path", "honor_labels")} == {
        key: other[key] for key in ("job_name", "scheme", "metrics_path", "honor_labels")
    }
    for key in ("scrape_interval", "scrape_timeout"):
        assert job[key] == production["global"][key]
    job["static_configs"] = other["static_configs"]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump({"scrape_configs": [job]}), "utf-8")
    run(promtool(), "check", "config", "--syntax-only", tmp_path / "prometheus.yaml")
