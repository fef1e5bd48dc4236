from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.errors import ConfigurationError
from lumigate.ledger import TenantLimits
from lumigate.ledger.limits import LARGEST, limits_of, nano_usd, nano_usd_at_most
from tests.fakes import make_settings, raised_by

FEW, MANY, ALL = (TenantLimits(requests_per_minute=n) for n in (1, 100, 10))
TABLE = {"acme": FEW, "class:gold": MANY, "*": ALL, "free": TenantLimits()}


@pytest.mark.parametrize(
    ("tenant", "tenant_class", "expected"),
    [
        ("acme", "gold", FEW),
        ("globex", "gold", MANY),
        ("globex", "standard", ALL),
        ("free", "gold", None),
        ("class:gold", "standard", ALL),
        ("gold", "standard", ALL),
    ],
)
def test_a_tenants_own_limits_come_first_and_nobody_can_call_itself_like_a_class(
    tenant: str, tenant_class: str, expected: TenantLimits | None
) -> None:
    assert limits_of(TABLE, tenant, tenant_class) == expected


def test_who_is_named_nowhere_has_no_limits() -> None:
    assert limits_of({"acme": FEW}, "globex", "standard") is None


@pytest.mark.parametrize(
    "value",
    [
        "{",
        "[]",
        {"acme": 5},
        {"acme": {"requests": 5}},
        {"acme": {"requests_per_minute": -1}},
        {"acme": {"requests_per_minute": 1.5}},
        {"acme": {"usd_per_day": "plenty"}},
        {"acme": {"usd_per_month": 1e12}},
    ],
)
def test_limits_that_are_malformed_stop_the_start_with_their_name(value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    error = raised_by(ConfigurationError, lambda: make_settings(TENANT_LIMITS=text))
    assert error is not None
    assert str(error).startswith("TENANT_LIMITS")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEDGER_FAILURE", "ajar"),
        ("RATE_LIMIT_FAILURE", "ajar"),
        ("LEDGER_TIMEOUT_MS", "0"),
        ("LEDGER_LEASE_SECONDS", "0"),
    ],
)
def test_the_other_settings_are_checked_too(name: str, value: str) -> None:
    error = raised_by(ConfigurationError, lambda: make_settings(**{name: value}))
    assert error is not None
    assert str(error).startswith(name)


@given(st.floats(0, 1_000_000))
def test_money_is_whole_billionths_and_what_is_reserved_is_never_less(usd: float) -> None:
    assert abs(nano_usd(usd) - usd * 1e9) <= 0.5 + usd * 1e-6
    assert nano_usd(usd) <= nano_usd_at_most(usd) <= LARGEST
