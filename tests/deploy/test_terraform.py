"""What Terraform makes is what wrangler.toml binds, and nothing secret is written down."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from lumigate.arrival import KNOWN_METHODS
from lumigate.http.settings import HttpSettings

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "deploy" / "terraform"
FILES = sorted(TERRAFORM.glob("*.tf"))
TEXT = "\n".join(path.read_text("utf-8") for path in FILES)
WRANGLER = tomllib.loads((ROOT / "wrangler.toml").read_text("utf-8"))
ENVIRONMENTS = {"development": WRANGLER} | {
    name: table for name, table in WRANGLER["env"].items() if "kv_namespaces" in table
}
GOOD: dict[str, Any] = {
    "cloudflare_account_id": "0" * 32,
    "cloudflare_api_token": "token",
    "environment": "production",
    "grafana_token": "token",
    "grafana_url": "https://grafana.example.com",
    "loki_url": "http://loki:3100",
    "manage_alerting": True,
    "own_notification_policies": True,
    "page_webhook_url": "https://pager.example.com",
    "prometheus_url": "http://prometheus:9090",
    "tempo_url": "http://tempo:3200",
    "ticket_webhook_url": "https://tickets.example.com",
}
"""Every variable that has no default."""


def parsed(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Blocks of one kind in all files, by their labels joined with a dot."""
    for path in FILES:
        for labelled in hcl2.loads(path.read_text("utf-8")).get(kind, []):
            for label, body in labelled.items():
                if kind == "resource":
                    for name, inner in body.items():
                        yield f"{label}.{name}".replace('"', ""), inner
                else:
                    yield label.strip('"'), body


VARIABLES = dict(parsed("variable"))
RESOURCES = dict(parsed("resource"))


def terraform(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run it without network; skips the test where there is none."""
    if (program := shutil.which("terraform") or shutil.which("tofu")) is None:
        pytest.skip("neither terraform nor tofu is installed")
    configuration = cwd / "empty.tfrc" if cwd != TERRAFORM else Path(os.devnull)
    if cwd != TERRAFORM:
        configuration.write_text("", "utf-8")
    environment = os.environ | {
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_IN_AUTOMATION": "1",
    }
    return subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def evaluate(expression: str, folder: Path, **variables: Any) -> Any:
    """What Terraform itself makes of an expression."""
    (folder / "given.tfvars.json").write_text(json.dumps(GOOD | variables), "utf-8")
    done = terraform(
        "console", "-var-file", "given.tfvars.json", cwd=folder, stdin=f"jsonencode({expression})\n"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(json.loads(done.stdout))


def bound(table: dict[str, Any], kind: str, binding: str) -> dict[str, Any]:
    (found,) = [each for each in table[kind] if each["binding"] == binding]
    return dict(found)


def test_every_file_parses() -> None:
    assert len(FILES) >= 8
    assert {name.partition(".")[0] for name in RESOURCES} == {
        "cloudflare_logpush_job",
        "cloudflare_r2_bucket",
        "cloudflare_r2_bucket_lifecycle",
        "cloudflare_ruleset",
        "cloudflare_workers_kv_namespace",
        "grafana_contact_point",
        "grafana_dashboard",
        "grafana_data_source",
        "grafana_folder",
        "grafana_notification_policy",
        "grafana_rule_group",
    }


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_is_described_and_used(name: str) -> None:
    assert len(VARIABLES[name]["description"]) > 20
    used = re.sub(rf'variable "{name}" {{.*?\n}}\n', "", TEXT, flags=re.DOTALL)
    assert f"var.{name}" in used


def test_what_is_secret_is_marked_and_has_no_value() -> None:
    secret = re.compile(r"token|secret|access_key|authorization|webhook")
    marked = {name for name, body in VARIABLES.items() if body.get("sensitive") is True}
    assert marked == {name for name in VARIABLES if secret.search(name)}
    assert {VARIABLES[name].get("default", '""') for name in marked} == {'""'}


def test_no_secret_is_written_down() -> None:
    """No long literal of random letters, no known prefix of keys, no credential assigned a literal."""
    assert re.findall(r"\b[0-9A-Za-z+/_-]{40,}\b", re.sub(r"[a-z_.]+\.[a-z_.]+|https?://\S+", "", TEXT)) == []
    assert not re.search(r"sk-|glsa_|ghp_|AKIA|BEGIN [A-Z ]*PRIVATE", TEXT)
    assert not re.search(r'(?:token|secret\w*|auth|password)\s*=\s*"[^"$]', TEXT)


@pytest.mark.parametrize("environment", sorted(ENVIRONMENTS))
def test_names_are_those_of_wrangler_toml(environment: str, names: Path) -> None:
    table = ENVIRONMENTS[environment]
    given = evaluate(
        "[local.worker, local.blobs_bucket, local.blobs_eu_bucket, local.analytics_points, local.table]",
        names,
        environment=environment,
    )
    assert given == [
        table["name"],
        bound(table, "r2_buckets", "BLOBS")["bucket_name"],
        bound(table, "r2_buckets", "BLOBS_EU")["bucket_name"],
        bound(table, "analytics_engine_datasets", "POINTS")["dataset"],
        "" if environment == "development" else f"env.{environment}.",
    ]


def test_the_wall_in_front_lets_through_every_address_that_the_gateway_takes() -> None:
    (most,) = re.findall(r"len\(http\.request\.uri\) gt (\d+)", TEXT)
    assert int(most) == HttpSettings().max_url_bytes
    methods = re.search(r"http\.request\.method in \{([^}]*)\}", TEXT)
    assert methods is not None
    assert set(re.findall(r"[A-Z]+", methods[1])) == KNOWN_METHODS


def test_the_eu_bucket_is_in_the_eu_on_both_sides() -> None:
    for table in ENVIRONMENTS.values():
        assert bound(table, "r2_buckets", "BLOBS_EU")["jurisdiction"] == "eu"
    for resource in ("cloudflare_r2_bucket.blobs_eu", "cloudflare_r2_bucket_lifecycle.blobs_eu"):
        assert RESOURCES[resource]["jurisdiction"] == '"eu"'


@pytest.mark.parametrize("environment", sorted(ENVIRONMENTS))
def test_what_the_output_pastes_is_every_binding_that_is_made_here(environment: str) -> None:
    """KV, R2 and Analytics Engine, complete; the other bindings need nothing that exists before the deployment."""
    table = ENVIRONMENTS[environment]
    pasted = dict(parsed("output"))["wrangler_toml"]["value"]
    assert sorted(re.findall(r'binding = \\?"(\w+)\\?"', pasted)) == sorted(
        each["binding"]
        for kind in ("kv_namespaces", "r2_buckets", "analytics_engine_datasets")
        for each in table[kind]
    )


def examples() -> dict[str, Any]:
    """The tables that wrangler.toml has as comments, as they read without the mark."""
    lines = (ROOT / "wrangler.toml").read_text("utf-8").splitlines()
    found: list[str] = []
    for line in lines:
        if line.startswith("# [[") or (line.startswith("# ") and found and found[-1] and " = " in line):
            found.append(line.removeprefix("# "))
        elif found and found[-1]:
            found.append("")
    return tomllib.loads("\n".join(found))


def test_what_comes_from_the_secrets_store_is_called_the_same_in_both(names: Path) -> None:
    """The example that wrangler.toml has as a comment, and whatever is in it for real."""
    shown = examples()["env"]["production"]["secrets_store_secrets"]
    real = [
        (environment, each)
        for environment, table in ENVIRONMENTS.items()
        for each in table.get("secrets_store_secrets", [])
    ]
    for environment, reference in [("production", shown[0]), *real]:
        stored, tables = evaluate(
            "[local.stored, local.stored_tables]",
            names,
            environment=environment,
            store_id=reference["store_id"],
            store_settings=[reference["binding"]],
        )
        assert stored == {reference["binding"]: reference["secret_name"]}
        pasted = tomllib.loads(tables)
        table = pasted if environment == "development" else pasted["env"][environment]
        assert table == {"secrets_store_secrets": [reference]}


def test_a_secret_is_put_into_the_worker_or_into_the_store(names: Path) -> None:
    chosen = {"store_id": "a" * 32, "store_settings": ["METRICS_TOKEN", "MISTRAL_API_KEY"]}
    put = evaluate("local.secret_commands", names, **chosen)
    assert "npx wrangler secret put OPENAI_API_KEY --env production" in put
    assert [each for each in put if "METRICS_TOKEN" in each or "MISTRAL" in each] == [
        f"npx wrangler secrets-store secret create {'a' * 32} --name lumigate_production_{name}"
        " --scopes workers --remote"
        for name in chosen["store_settings"]
    ]


def test_no_value_of_the_secrets_store_passes_through_terraform() -> None:
    """The provider's resource for a secret would write it into the state; only names and scopes are looked at."""
    (held,) = dict(parsed("data"))["cloudflare_secrets_store_secrets"].values()
    assert {name for name in held if not name.startswith("__")} == {
        "account_id",
        "count",
        "lifecycle",
        "store_id",
    }
    assert "cloudflare_secrets_store_secret" not in {name.partition(".")[0] for name in RESOURCES}


def test_the_environments_are_those_of_wrangler_toml(names: Path) -> None:
    assert evaluate("local.worker", names, environment="staging") == ENVIRONMENTS["staging"]["name"]
    condition = VARIABLES["environment"]["validation"][0]["condition"]
    assert set(re.findall(r'"(\w+)"', condition)) == set(ENVIRONMENTS)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"environment": "prod"}, "environment is"),
        ({"cloudflare_account_id": "mine"}, "32 hexadecimal"),
        ({"cache_expire_days": 0.5}, "whole number"),
        ({"log_expire_days": 0}, "whole number"),
        ({"logpush_sink": "s3"}, "logpush_sink is"),
        ({"logpush_sink": "r2"}, "wants logpush_r2_access_key_id"),
        ({"logpush_sink": "r2", "logpush_r2_access_key_id": "id"}, "wants logpush_r2_secret_access_key"),
        ({"logpush_sink": "http", "logpush_http_url": "http://logs.example.com"}, "wants logpush_http_url"),
        ({"zone_id": "zone", "hostname": "gateway.example.com"}, "32 hexadecimal"),
        ({"zone_id": "0" * 32}, "wants the hostname"),
        ({"zone_id": "0" * 32, "hostname": 'a.b" or true or "'}, "wants the hostname"),
        ({"rate_limit_requests": 0}, "at least 1"),
        ({"page_webhook_url": "http://pager.example.com"}, "https address"),
        ({"store_id": "mine"}, "store_id is 32 hexadecimal"),
        ({"store_settings": ["OPENAI_API_KEY"]}, "store_settings want store_id"),
        ({"store_id": "0" * 32, "store_settings": ["my key"]}, "names of settings"),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: dict[str, Any], told: str, names: Path) -> None:
    (names / "given.tfvars.json").write_text(json.dumps(GOOD | wrong), "utf-8")
    done = terraform("plan", "-input=false", "-no-color", "-var-file", "given.tfvars.json", cwd=names)
    assert done.returncode != 0
    assert told in " ".join(done.stderr.replace("│", " ").split())


def test_good_values_are_taken(names: Path) -> None:
    sink = {"logpush_sink": "http", "logpush_http_url": "https://logs.example.com/in"}
    (names / "given.tfvars.json").write_text(json.dumps(GOOD | sink), "utf-8")
    done = terraform("plan", "-input=false", "-no-color", "-var-file", "given.tfvars.json", cwd=names)
    assert done.returncode == 0, done.stderr
    assert {name for name, body in VARIABLES.items() if "default" not in body} == set(GOOD)


def test_logpush_takes_this_workers_invocations_to_the_chosen_sink(names: Path) -> None:
    chosen = {"logpush_http_url": "https://logs.example.com/in", "logpush_http_authorization": "Bearer a&b"}
    filtered, sink = evaluate(
        "[local.logpush_filter, nonsensitive(local.logpush_http)]", names, logpush_sink="http", **chosen
    )
    assert json.loads(filtered) == {
        "where": {"key": "ScriptName", "operator": "eq", "value": "lumigate-production"}
    }
    assert re.fullmatch(r"https://logs\.example\.com/in\?header_Authorization=Bearer(\+|%20)a%26b", sink)
    job = RESOURCES["cloudflare_logpush_job.wide_events"]
    assert job["dataset"] == '"workers_trace_events"'
    assert '"Event"' not in job["output_options"]["field_names"], "headers of callers stay out"


def test_expiry_reaches_what_the_cache_writes(names: Path) -> None:
    swept = evaluate("local.swept", names, cache_expire_days=4)
    assert swept == {"cache/": 4, "near/": 4, "purge/": 5}
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src/lumigate/cache").rglob("*.py"))
    assert {f'f"{prefix}' in source for prefix in swept} == {True}


def test_alerting_is_what_the_generator_wrote(names: Path) -> None:
    generated = ROOT / "slo" / "generated" / "grafana"
    groups = yaml.safe_load((generated / "rules.yaml").read_text("utf-8"))["groups"]
    assert evaluate("[for group in local.alert_groups : group.name]", names) == [
        each["name"] for each in groups
    ]
    intervals, receivers, addresses = evaluate(
        "[local.interval_seconds, local.alert_receivers, nonsensitive(keys(local.receiver_urls))]", names
    )
    assert set(intervals.values()) == {60}
    assert set(receivers) == set(addresses)
    read = re.findall(r"rule\.value\.(\w+)", (TERRAFORM / "alerting.tf").read_text("utf-8"))
    for group in groups:
        for rule in group["rules"]:
            assert set(read) == set(rule), "every field of a rule is taken over"


def test_data_sources_have_the_uids_that_the_dashboards_name(names: Path) -> None:
    provisioned = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/lumigate.yaml").read_text("utf-8")
    )["datasources"]
    ours = {
        (body["uid"].strip('"'), body["type"].strip('"'))
        for name, body in RESOURCES.items()
        if name.startswith("grafana_data_source.")
    }
    assert ours == {(each["uid"], each["type"]) for each in provisioned}
    assert evaluate("local.dashboards", names) == sorted(
        path.name for path in (ROOT / "dashboards" / "generated").glob("*.json")
    )


@pytest.mark.parametrize("uid", ["tempo", "loki"])
def test_traces_lead_to_logs_and_back_as_in_the_files_for_grafana(uid: str, names: Path) -> None:
    """One fewer place to forget when what the logs look like changes."""
    text = (ROOT / "deploy/grafana/provisioning/datasources/lumigate.yaml").read_text("utf-8")
    (provisioned,) = [each for each in yaml.safe_load(text)["datasources"] if each["uid"] == uid]
    written = RESOURCES[f"grafana_data_source.{uid}"]["json_data_encoded"]
    ours = json.loads(evaluate(written.removeprefix("${").removesuffix("}"), names))
    # in both files `$$` is a dollar sign
    assert ours == json.loads(json.dumps(provisioned["jsonData"]).replace("$$", "$"))


def test_secrets_are_settings_that_the_gateway_reads(names: Path) -> None:
    documented = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert [name for name in evaluate("local.secrets", names) if f"`{name}` ●" not in documented] == []


def test_terraform_finds_it_well_formatted() -> None:
    done = terraform("fmt", "-check", "-diff", "-no-color", ".", cwd=TERRAFORM)
    assert done.returncode == 0, done.stdout + done.stderr


def test_terraform_finds_it_valid_against_the_providers() -> None:
    """After `terraform init -backend=false` in that folder, which fetches the providers."""
    if not (TERRAFORM / ".terraform" / "providers").is_dir():
        pytest.skip("the providers are not there: terraform init -backend=false in deploy/terraform")
    done = terraform("validate", "-no-color", cwd=TERRAFORM)
    assert done.returncode == 0, done.stdout + done.stderr
