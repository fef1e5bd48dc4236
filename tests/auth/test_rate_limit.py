from __future__ import annotations

import pytest

from lumigate.auth.rate_limit import RateLimiter
from lumigate.errors import RateLimited
from tests.fakes import FakeRateLimit, fake_ports, make_scope

DECISIONS = "lumigate.rate_limit.decisions"


async def test_the_limiter_is_asked_about_the_tenant() -> None:
    limit = FakeRateLimit(True)
    rig = make_scope(tenant="acme", ports=fake_ports(rate_limit=limit))
    await RateLimiter(60).check(rig.scope)
    assert limit.asked == ["acme"]
    assert rig.observed.labels(DECISIONS) == [{"lumigate.rate_limit.result": "allowed"}]


async def test_a_tenant_over_the_limit_is_told_when_to_come_again() -> None:
    rig = make_scope(ports=fake_ports(rate_limit=FakeRateLimit(False)))
    with pytest.raises(RateLimited) as caught:
        await RateLimiter(10).check(rig.scope)
    assert caught.value.headers == {"retry-after": "10"}
    assert rig.observed.labels(DECISIONS) == [{"lumigate.rate_limit.result": "limited"}]
    assert rig.observed.span("rate_limit.check").attributes["error.type"] == "rate_limited"


async def test_a_limiter_that_cannot_be_asked_lets_the_request_pass_and_is_counted() -> None:
    rig = make_scope(ports=fake_ports(rate_limit=FakeRateLimit(OSError("unreachable"))))
    await RateLimiter(60).check(rig.scope)
    assert rig.observed.labels(DECISIONS) == [{"lumigate.rate_limit.result": "unavailable"}]
    assert rig.observed.span("rate_limit.check").status.is_unset


async def test_a_deployment_without_a_limiter_has_no_limit() -> None:
    rig = make_scope(ports=fake_ports(rate_limit=None))
    await RateLimiter(60).check(rig.scope)
    assert rig.observed.spans == []
