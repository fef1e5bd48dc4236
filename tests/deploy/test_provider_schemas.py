"""deploy/terraform names only what the providers have, found without them."""

from __future__ import annotations

import json
import re
from typing import Any

import hcl2
import pytest
from packaging.specifiers import SpecifierSet

from tests.deploy.provider_schemas import EXTRACT, TERRAFORM, complaints, extracted, providers, resources

SCHEMAS: dict[str, Any] = json.loads(EXTRACT.read_text("utf-8"))
LEVELS = {kind: level for schema in SCHEMAS.values() for kind, level in schema["resources"].items()}
TEXT = "\n".join(path.read_text("utf-8") for path in sorted(TERRAFORM.glob("*.tf")))
BUCKET = """
resource "cloudflare_r2_bucket_lifecycle" "x" {
  account_id  = var.account
  bucket_name = "x"
  rules = [for days in local.days : {
    id         = "expire"
    enabled    = true
    conditions = { prefix = "" }
    delete_objects_transition = { condition = { type = "Age", max_age = days } }
  }]
}
"""
RULES = """
resource "cloudflare_r2_bucket_lifecycle" "x" {
  account_id  = "x"
  bucket_name = "x"
  rules       = []
}
"""
POLICY = """
resource "grafana_notification_policy" "x" {
  contact_point = "x"
  group_by      = ["service"]
  dynamic "policy" {
    for_each = local.routes
    content {
      contact_point = policy.value
      matcher {
        label = "a"
        match = "="
        value = "b"
      }
    }
  }
}
"""


def found(text: str) -> list[str]:
    return [
        complaint
        for kind, name, body in resources(text)
        for complaint in complaints(LEVELS[kind], body, f"{kind}.{name}")
    ]


def test_every_resource_is_in_the_extract() -> None:
    assert {kind for kind, _, _ in resources(TEXT)} <= set(LEVELS)


@pytest.mark.parametrize("path", sorted(TERRAFORM.glob("*.tf")), ids=lambda path: path.name)
def test_a_file_gives_each_resource_what_the_provider_takes(path: Any) -> None:
    assert found(path.read_text("utf-8")) == []


def test_the_providers_are_configured_as_they_take_it() -> None:
    configured = dict(providers(TEXT))
    assert set(configured) == set(SCHEMAS)
    for name, body in configured.items():
        assert complaints(SCHEMAS[name]["provider"], body, name) == []


def test_what_is_read_of_a_resource_is_there() -> None:
    read = re.findall(r"\b((?:data\.)?(?:cloudflare|grafana)_\w+)\.\w+(?:\[[^]]+\])?\.(\w+)", TEXT)
    assert len(read) > 5
    assert [f"{kind}: {name}" for kind, name in read if name not in LEVELS[kind]] == []


def test_the_extract_is_of_versions_that_the_configuration_allows() -> None:
    for required in hcl2.loads((TERRAFORM / "versions.tf").read_text("utf-8"))["terraform"]:
        for name, asked in required["required_providers"][0].items():
            if not name.startswith("__"):
                allowed = asked["version"].strip('"').replace("~>", "~=")
                assert SpecifierSet(allowed).contains(SCHEMAS[name]["version"]), name


@pytest.mark.parametrize(
    ("text", "right", "wrong", "told"),
    [
        (BUCKET, "bucket_name", "bucket", "lifecycle.x.bucket: there is no such attribute"),
        (BUCKET, "bucket_name", "bucket", "lifecycle.x: bucket_name is missing"),
        (BUCKET, "max_age =", "maximum_age =", "condition.maximum_age: there is no such attribute"),
        (BUCKET, 'type = "Age", ', "", "delete_objects_transition.condition: type is missing"),
        (BUCKET, "= true", '= "yes"', "rules.enabled: a bool, not a string"),
        (BUCKET, "delete_objects_transition", "storage_class_transitions", "the extract does not go there"),
        (RULES, "[]", "local.rules", "x.rules: neither an object nor a list"),
        (POLICY, '["service"]', '"service"', "group_by: a list, not a string"),
        (POLICY, 'dynamic "policy"', 'dynamic "policies"', "policy.x.policies: there is no such attribute"),
        (
            POLICY,
            "contact_point = policy.value",
            "receiver = policy.value",
            "policy.receiver: there is no such",
        ),
        (POLICY, 'label = "a"', "", "policy.matcher: label is missing"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, right: str, wrong: str, told: str) -> None:
    assert found(text) == []
    assert right in text
    assert told in "\n".join(found(text.replace(right, wrong, 1)))


def test_what_the_provider_sets_is_not_ours_to_give() -> None:
    told = found('resource "grafana_dashboard" "x" {\n  config_json = "{}"\n  url = "x"\n}')
    assert told == ["grafana_dashboard.x.url: the provider sets it"]


def test_a_data_source_is_a_resource_that_is_only_read() -> None:
    given = 'data "cloudflare_secrets_store_secrets" "x" {\n  account_id = "x"\n  store = "x"\n}'
    assert found(given) == [
        "data.cloudflare_secrets_store_secrets.x.store: there is no such attribute",
        "data.cloudflare_secrets_store_secrets.x: store_id is missing",
    ]


def test_an_extract_goes_as_deep_as_the_configuration() -> None:
    string = {"type": "string", "required": True}
    nested = {"nested_type": {"nesting_mode": "list", "attributes": {"deep": string}}, "optional": True}
    block = {"nesting_mode": "set", "min_items": 1, "block": {"attributes": {"inner": string}}}
    schema = {
        "provider": {"block": {"attributes": {"token": string | {"sensitive": True}}}},
        "resource_schemas": {
            "p_thing": {
                "block": {
                    "attributes": {
                        "entered": nested,
                        "left": nested,
                        "tags": {"type": ["set", "string"], "computed": True},
                    },
                    "block_types": {"part": block, "other": block},
                }
            },
            "p_unused": {"block": {}},
        },
    }
    text = 'resource "p_thing" "x" {\n  entered = [{ deep = "x" }]\n  part {\n    inner = "x"\n  }\n}\n'
    made = extracted({"provider_schemas": {"registry/a/p": schema}}, {"p": "1.0"}, text)
    assert made == {
        "p": {
            "version": "1.0",
            "provider": {"token": "required string"},
            "resources": {
                "p_thing": {
                    "entered": ["optional objects", {"deep": "required string"}],
                    "left": "optional objects",
                    "other": "required block",
                    "part": ["required block", {"inner": "required string"}],
                    "tags": "computed list",
                }
            },
        }
    }
