"""What the providers of Terraform take, kept beside the tests: a misspelt attribute is found without a provider.

`provider_schemas.json` is an extract of `terraform providers schema -json`: the resources that deploy/terraform has,
their nested objects and blocks as deep as it goes. A level is a table of names; each tells whether it is required,
optional or computed (the provider's to set) and its kind, and, where deploy/terraform enters it, the level below:

    "name": "required string", "rules": ["optional objects", {"id": "required string"}], "part": ["optional block", {}]

Make it again for an attribute or a resource that it does not know, where the registry is in reach:

    terraform -chdir=deploy/terraform init -backend=false
    terraform -chdir=deploy/terraform providers schema -json > schemas.json
    uv run python -m tests.deploy.provider_schemas cloudflare=5.24.0 grafana=4.38.0 < schemas.json

with the versions that `init` chose. A provider that is not named keeps what was there. What is there now: Cloudflare's
from the provider, built from its source; Grafana's from the schema of 4.x that its provider for Crossplane publishes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "deploy" / "terraform"
EXTRACT = Path(__file__).with_name("provider_schemas.json")

type Body = dict[str, Any]
type Level = dict[str, Any]

META = {"count", "for_each", "depends_on", "lifecycle", "provider"}
"""Terraform's own, in any resource."""
COMPREHENSION = re.compile(r"\$\{\[for [^:]+ : (\{.*\})\]\}", re.DOTALL)
LITERALS = {str: "string", bool: "bool", int: "number", float: "number", list: "list", dict: "map"}


def resources(text: str) -> Iterator[tuple[str, str, Body]]:
    """Every resource in a file: its type, its name, and its body without what is Terraform's own.

    A data source is a resource that is only read: `data.` stands before its type.
    """
    content = hcl2.loads(text)
    for prefix, labelled in (("", content.get("resource", [])), ("data.", content.get("data", []))):
        for kind, name, body in (
            (k, n, b) for each in labelled for k, named in each.items() for n, b in named.items()
        ):
            own = {key: value for key, value in body.items() if key not in META}
            yield prefix + kind.strip('"'), name.strip('"'), own


def providers(text: str) -> Iterator[tuple[str, Body]]:
    for labelled in hcl2.loads(text).get("provider", []):
        for name, body in labelled.items():
            yield name.strip('"'), body


def arguments(body: Body) -> dict[str, list[Any]]:
    """Name to values, with `dynamic` blocks as the blocks that they make."""
    found: dict[str, list[Any]] = {}
    for name, value in body.items():
        if name == "dynamic":
            for dynamic in value:
                for label, inner in dynamic.items():
                    found.setdefault(label.strip('"'), []).extend(inner["content"])
        elif not name.startswith("__"):
            found.setdefault(name.strip('"'), []).append(value)
    return found


def objects(value: Any) -> list[Body] | None:
    """The objects or blocks that a value consists of; None where it takes Terraform to know."""
    if isinstance(value, str) and (made := COMPREHENSION.fullmatch(value)):
        value = hcl2.loads(f"each = {made[1]}\n")["each"]
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    return None


def literal(value: Any) -> str | None:
    """The kind of what is written out; None for an expression."""
    if isinstance(value, str) and not value.startswith(('"', "<<")):
        return None
    return LITERALS.get(type(value))


def complaints(level: Level, body: Body, where: str) -> list[str]:
    """What the provider would refuse in one block or object."""
    found = []
    given = arguments(body)
    for name, values in given.items():
        path = f"{where}.{name}"
        if (entry := level.get(name)) is None:
            found.append(f"{path}: there is no such attribute")
            continue
        described, below = entry if isinstance(entry, list) else (entry, None)
        use, kind = described.split()
        if use == "computed":
            found.append(f"{path}: the provider sets it")
        for value in values:
            if below is None:
                if kind in ("block", "object", "objects"):
                    found.append(f"{path}: the extract does not go there; make it again")
                elif kind != "any" and (written := literal(value)) not in (None, kind):
                    found.append(f"{path}: a {kind}, not a {written}")
            elif (inner := objects(value)) is None:
                found.append(f"{path}: neither an object nor a list of them made by `for`")
            else:
                for each in inner:
                    found += complaints(below, each, path)
    wanted = [name for name, entry in level.items() if str(entry).strip("['").startswith("required ")]
    return found + [f"{where}: {name} is missing" for name in wanted if name not in given]


def kind_of(attribute: dict[str, Any]) -> str:
    if nested := attribute.get("nested_type"):
        return "object" if nested["nesting_mode"] == "single" else "objects"
    described = attribute["type"]
    outer = described if isinstance(described, str) else described[0]
    return {"set": "list", "tuple": "list", "dynamic": "any"}.get(outer, outer)


def shortened(block: dict[str, Any], bodies: list[Body]) -> Level:
    """A level of the extract from a block of the real schema, as deep as these bodies of the configuration go."""
    used: dict[str, list[Body]] = {}
    for body in bodies:
        for name, values in arguments(body).items():
            used.setdefault(name, []).extend(each for value in values for each in objects(value) or [])
    level: Level = {}
    for name, attribute in block.get("attributes", {}).items():
        use = next(use for use in ("required", "optional", "computed") if attribute.get(use))
        nested = attribute.get("nested_type")
        below = shortened(nested, used[name]) if nested and used.get(name) else None
        level[name] = (
            f"{use} {kind_of(attribute)}" if below is None else [f"{use} {kind_of(attribute)}", below]
        )
    for name, nested in block.get("block_types", {}).items():
        described = f"{'required' if nested.get('min_items') else 'optional'} block"
        level[name] = [described, shortened(nested["block"], used[name])] if name in used else described
    return dict(sorted(level.items()))


def extracted(schemas: dict[str, Any], versions: dict[str, str], text: str) -> dict[str, Any]:
    """The extract for the named providers, from what `terraform providers schema -json` printed."""
    ours: dict[str, list[Body]] = {}
    for kind, _, body in resources(text):
        ours.setdefault(kind, []).append(body)
    made = {}
    for address, schema in schemas["provider_schemas"].items():
        if (provider := address.rpartition("/")[2]) in versions:
            settings = [body for name, body in providers(text) if name == provider]
            known = schema.get("resource_schemas", {}) | {
                f"data.{kind}": each for kind, each in schema.get("data_source_schemas", {}).items()
            }
            made[provider] = {
                "version": versions[provider],
                "provider": shortened(schema["provider"]["block"], settings),
                "resources": {
                    kind: shortened(known[kind]["block"], bodies)
                    for kind, bodies in sorted(ours.items())
                    if kind in known
                },
            }
    return made


def main() -> None:
    versions = dict(each.split("=", 1) for each in sys.argv[1:])
    kept = json.loads(EXTRACT.read_text("utf-8")) if EXTRACT.is_file() else {}
    text = "\n".join(path.read_text("utf-8") for path in sorted(TERRAFORM.glob("*.tf")))
    both = kept | extracted(json.load(sys.stdin), versions, text)
    EXTRACT.write_text(json.dumps(both, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
