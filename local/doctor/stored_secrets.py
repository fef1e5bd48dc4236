"""Checks settings that are bound to the account's Secrets Store: that each is read, well formed, alone, and there.

Values are asked of nobody. Names of the store are listed by wrangler, which prints a table and needs a login; those of
`wrangler dev` are in a store of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from local.doctor.environments import Binding, Environment
from local.doctor.finding import Finding, Part
from local.doctor.settings_check import known_settings, suggestion
from local.wrangler import last_words, plain

KIND: Final = "secrets_store_secrets"
_STORE_ID: Final = re.compile(r"[0-9a-f]{32}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_NONE: Final = "returned no secrets"
"""What wrangler says of a store that is empty, with exit code 1."""
_PAGE: Final = "100"
"""As many secrets as an account may have."""

type Wrangler = Callable[[list[str]], tuple[int, str, str]]
"""Runs wrangler with arguments: exit code, standard output, standard error."""


def references(environment: Environment) -> list[Binding]:
    """The settings that this environment takes from a store."""
    return [binding for binding in environment.bindings if binding.kind == KIND]


def check_references(
    environment: Environment, secrets: Mapping[str, str | None] | None, wrangler: Wrangler | None
) -> Iterator[Finding]:
    """`secrets` are those that the Worker has besides; `wrangler` is None where nobody may be asked."""
    part = Part(check="secrets", where=environment.name)
    known = known_settings(environment, secrets or {})
    found = references(environment)
    well_formed = []
    for binding in found:
        name = binding.name
        if name not in known:
            yield part.error(
                f"{name} is bound to the Secrets Store, and nothing reads it", suggestion(name, known)
            )
        elif name in environment.variables:
            yield part.error(
                f"{name} is a var and bound to the Secrets Store at once, and a deployment would fail",
                "Take the var out of wrangler.toml.",
            )
        elif name in (secrets or {}):
            yield part.error(
                f"{name} is a secret of the Worker and bound to the Secrets Store at once",
                _drop(environment, name),
            )
        if problem := _malformed(binding):
            yield part.error(f"{name}: {problem}", "Take both from `npx wrangler secrets-store secret list`.")
        else:
            well_formed.append(binding)
    if wrangler is not None:
        for store in sorted({str(binding.table["store_id"]) for binding in well_formed}):
            chosen = [binding for binding in well_formed if binding.table["store_id"] == store]
            yield from _look(part, environment, store, chosen, wrangler)


def _drop(environment: Environment, name: str) -> str:
    if environment.is_development:
        return f"Take {name} out of .dev.vars, or the binding out of wrangler.toml."
    return f"Keep one of them: npx wrangler secret delete {name}{environment.flag}"


def _malformed(binding: Binding) -> str:
    if not _STORE_ID.fullmatch(str(binding.table.get("store_id", ""))):
        return "its store_id is not 32 hexadecimal digits"
    if not _NAME.fullmatch(str(binding.table.get("secret_name", ""))):
        return "its secret_name is not made of letters, digits, dashes and underscores"
    return ""


def _look(
    part: Part, environment: Environment, store: str, bindings: list[Binding], wrangler: Wrangler
) -> Iterator[Finding]:
    """Whether the store has them, and lets Workers read them."""
    remote = () if environment.is_development else ("--remote",)
    code, out, err = wrangler(["secrets-store", "secret", "list", store, "--per-page", _PAGE, *remote])
    if code != 0 and _NONE not in out + err:
        yield part.skipped(
            f"whether the Secrets Store has {_names(bindings)} cannot be told: {last_words(err or out)}",
            "Log in: npx wrangler login; or set CLOUDFLARE_API_TOKEN.",
        )
        return
    listed = _listed(out)
    for binding in bindings:
        wanted = str(binding.table["secret_name"])
        if wanted not in listed:
            create = [
                "npx wrangler secrets-store secret create",
                store,
                "--name",
                wanted,
                "--scopes workers",
                *remote,
            ]
            yield part.error(
                f"{binding.name}: the Secrets Store has no secret called {wanted}", " ".join(create)
            )
        elif remote and "workers" not in listed[wanted]:
            yield part.error(
                f"{binding.name}: the secret {wanted} is not for Workers",
                "Give it the scope `workers`: npx wrangler secrets-store secret update.",
            )


def _names(bindings: list[Binding]) -> str:
    return ", ".join(binding.name for binding in bindings)


def _listed(out: str) -> dict[str, set[str]]:
    """Scopes by name, from wrangler's table."""
    rows = [
        [cell.strip() for cell in line.strip("│ ").split("│")]
        for line in plain(out).splitlines()
        if line.startswith("│")
    ]
    if not rows:
        return {}
    heading, *rows = rows
    if "Name" not in heading or "Scopes" not in heading:
        return {}
    name, scopes = heading.index("Name"), heading.index("Scopes")
    return {row[name]: set(row[scopes].split(", ")) for row in rows if len(row) == len(heading)}
