"""Compiles the prices of the package `genai-prices` into the small table that the Worker carries.

    uv run --with genai-prices python -m local.prices          writes src/lumigate/llm/price_table.py
    uv run --with genai-prices python -m local.prices --check  says whether it is up to date

Kept: the providers below; what matches a model's name; per million tokens, the prices of input, of input read from and
written to a prompt cache, of output and of reasoning; tiers by the length of the prompt; other prices for other
service tiers. Prices that hold at some hours of the day only are left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import sys
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parents[1] / "src/lumigate/llm/price_table.py"
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "cohere": "cohere",
    "mistral": "mistral",
    "cloudflare": "workers_ai",
    "groq": "groq",
    "deepseek": "deepseek",
    "x-ai": "x_ai",
    "perplexity": "perplexity",
}
"""Their name for a provider, and ours. OpenRouter says itself what it took."""
_UNITS = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok", "output_reasoning_mtok")
_SERVICE_TIERS = frozenset({"batch", "flex", "priority"})

type Nested = tuple[Any, ...]


def compile_table(date: str) -> str:
    """The module's text, with the prices that hold on `date`."""
    data = importlib.import_module("genai_prices.data")
    moment = datetime.combine(datetime.fromisoformat(date), time(12), tzinfo=UTC)
    lines = []
    for provider in data.providers:
        if provider.id not in PROVIDERS:
            continue
        rows = [row for model in provider.models if (row := _row(model, moment)) is not None]
        lines.append(f'    "{PROVIDERS[provider.id]}": (\n')
        lines += [f"        {row!r},\n" for row in rows]
        lines.append("    ),\n")
    version = importlib.metadata.version("genai-prices")
    return _HEAD.format(version=version, date=date) + "".join(lines) + "}\n"


_HEAD = '''"""Prices of models, USD per million tokens: made by `local/prices.py`, not written by hand.

A row: the rule that a model's name must meet; the prices of input, of input read from and written to a prompt cache, of
output and of reasoning (None: as for other input, or output); tiers `(longer than, *prices)`; prices by service tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SOURCE = "genai-prices {version}"
DATE = "{date}"
"""The prices that held then."""

PRICES: Mapping[str, tuple[tuple[Any, ...], ...]] = {{
'''


def _row(model: Any, moment: datetime) -> Nested | None:
    standard = _standing(model.prices, moment)
    prices = _prices(standard)
    if prices[0] is None and prices[3] is None:
        return None
    starts = sorted({tier.start for unit in _UNITS for tier in getattr(getattr(standard, unit), "tiers", ())})
    tiers = tuple((start, *_prices(standard, start)) for start in starts)
    variants: dict[str, Nested] = {}
    for variant in model.price_variants or ():
        active = variant.constraint is None or variant.constraint.active(moment)
        (name,) = set(variant.when.values()) if len(variant.when) == 1 else ("",)
        if active and name in _SERVICE_TIERS:
            own = _prices(variant.prices)
            whole = tuple(b if a is None else a for a, b in zip(own, prices, strict=True))
            variants.setdefault(name, (name, *whole))
    return (_rule(model.match), prices, tiers, tuple(variants.values()))


def _standing(prices: Any, moment: datetime) -> Any:
    """The price that holds at `moment` whatever the hour."""
    if not isinstance(prices, list):
        return prices
    for conditional in reversed(prices):
        constraint = conditional.constraint
        if constraint is None or (hasattr(constraint, "start_date") and constraint.active(moment)):
            return conditional.prices
    return prices[0].prices


def _prices(prices: Any, above: int | None = None) -> Nested:
    return tuple(_number(getattr(prices, unit), above) for unit in _UNITS)


def _number(price: Any, above: int | None) -> float | None:
    if price is None:
        return None
    base = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if above is not None and tier.start <= above:
            base = tier.price
    return float(base)


def _rule(clause: Any) -> Nested:
    """A clause as a tuple: what kind, and what of."""
    kind = type(clause).__name__.removeprefix("Clause")
    match kind:
        case "Or":
            return ("or", *map(_rule, clause.or_))
        case "And":
            return ("and", *map(_rule, clause.and_))
        case "Equals":
            return ("is", clause.equals.lower())
        case "StartsWith":
            return ("starts", clause.starts_with.lower())
        case "EndsWith":
            return ("ends", clause.ends_with.lower())
        case "Contains":
            return ("has", clause.contains.lower())
        case "Regex":
            return ("regex", clause.regex)
    raise ValueError(f"a rule of an unknown kind: {kind}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile the prices of models.")
    parser.add_argument("--check", action="store_true", help="compare with the table that is there")
    arguments = parser.parse_args()
    if arguments.check:
        table = importlib.import_module("lumigate.llm.price_table")
        fresh = compile_table(table.DATE)
        if fresh == TABLE.read_text("utf-8"):
            return 0
        print("src/lumigate/llm/price_table.py is not what the package says", file=sys.stderr)
        return 1
    TABLE.write_text(compile_table(datetime.now(UTC).date().isoformat()), "utf-8")
    print(f"wrote {TABLE.relative_to(TABLE.parents[3])}, {TABLE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
