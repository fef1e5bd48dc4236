"""Stand-in for the module that tells the Workers SDK which compatibility flags are on."""

import _import_rules


def __getattr__(name: str) -> bool:
    if name.startswith("__"):
        raise AttributeError(name)
    return bool(_import_rules.hasCompatFlag(name))
