"""What is shipped for Grafana fits together: mounts exist, uids agree, paths meet, Prometheus takes its file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from dashboards import targets
from dashboards.publish import FOLDER_UID
from local.runtime.development import METRICS_TOKEN
from slo.settings import load_settings
from tests.slo.promtool import promtool, run

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
SETTINGS = load_settings(ROOT / "slo" / "settings.yaml")


def data_sources() -> dict[str, dict[str, Any]]:
    """As provisioned, by uid; `$$` is a dollar sign that Grafana is to leave alone."""
    content = yaml.safe_load((GRAFANA / "provisioning/datasources/lumigate.yaml").read_text("utf-8"))
    return {each["uid"]: each for each in content["datasources"]}


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((GRAFANA / "compose.yaml").read_text("utf-8"))
    return content


def mounts() -> dict[str, str]:
    """Paths in the container, and what of the checkout is there."""
    pairs = [volume.split(":") for service in compose()["services"].values() for volume in service["volumes"]]
    return {inside: outside for outside, inside, _ in pairs}


def test_every_mount_is_there() -> None:
    assert [outside for outside in mounts().values() if not (GRAFANA / outside).exists()] == []


def test_every_kind_of_data_source_that_panels_ask_is_provisioned() -> None:
    assert {each["type"] for each in data_sources().values()} == set(targets.DATA_SOURCES)


def test_alert_rules_and_dashboards_meet_the_data_source_and_the_folder() -> None:
    assert SETTINGS.dashboards.datasource_uid in data_sources()
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/lumigate.yaml").read_text("utf-8"))[
        "providers"
    ]
    assert provider["folder"] == SETTINGS.dashboards.folder
    assert provider["folderUid"] == FOLDER_UID
    assert mounts()[provider["options"]["path"]] == "../../dashboards/generated"
    assert mounts()["/otel-lgtm/grafana/conf/provisioning/alerting"] == "../../slo/generated/grafana"


def test_every_variable_of_the_data_sources_is_given() -> None:
    text = (GRAFANA / "provisioning/datasources/lumigate.yaml").read_text("utf-8")
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)\}", text))
    given = set(compose()["services"]["lgtm"]["environment"])
    assert wanted <= given
    assert not re.search(r"(?<!\$)\$[a-z_]", text), "Grafana would read it from its environment"


def test_the_plug_in_is_installed_that_the_dashboards_ask() -> None:
    installed = compose()["services"]["lgtm"]["environment"]["GF_PLUGINS_PREINSTALL"]
    assert installed == targets.CLICKHOUSE["type"]


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    content = yaml.safe_load((GRAFANA / "prometheus.yaml").read_text("utf-8"))
    # Prometheus has `otlp` since version 2.55, Debian's is older
    known = {key: value for key, value in content.items() if key != "otlp"}
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(known), "utf-8")
    run(promtool(), "check", "config", "--syntax-only", tmp_path / "prometheus.yaml")
    (rules,) = content["rule_files"]
    assert mounts()[str(Path(rules).parent)] == "../../slo/generated/prometheus"
    (scrape,) = content["scrape_configs"]
    assert mounts()[scrape["authorization"]["credentials_file"]] == "./metrics.token"
    assert scrape["honor_labels"] is True
    assert (GRAFANA / "metrics.token").read_text("utf-8") == METRICS_TOKEN


def test_no_secret_is_in_the_files() -> None:
    for path in GRAFANA.rglob("*"):
        if path.is_file():
            assert not re.search(r"glsa_[A-Za-z0-9]{8}|[A-Za-z0-9_-]{40}", path.read_text("utf-8")), path.name
