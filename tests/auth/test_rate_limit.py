from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.rate_limit import RateLimiter, network_of
from lumigate.errors import LimitsUnavailable, RateLimited
from tests.fakes import FakeRateLimit, ScopeUnderTest, fake_ports, make_gateway, make_request, make_scope

DECISIONS = "lumigate.rate_limit.decisions"
ADDRESS = "203.0.113.7"


def labels(wall: str, result: str) -> dict[str, str]:
    return {"lumigate.rate_limit.wall": wall, "lumigate.rate_limit.result": result}


def from_address(address: str, limit: FakeRateLimit | None) -> ScopeUnderTest:
    rig = make_scope(ports=fake_ports(address_limit=limit))
    request = make_request(headers={"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.1"})
    rig.scope.request = type(request)(
        method=request.method,
        path=request.path,
        headers=request.headers,
        read_body=request.read_body,
        client_address=address,
    )
    return rig


async def test_the_limiter_is_asked_about_the_key_or_subject_within_its_tenant() -> None:
    limit = FakeRateLimit(True)
    rig = make_scope(tenant="acme", ports=fake_ports(rate_limit=limit))
    rig.scope.facts.subject_hash = "0123456789abcdef"
    await RateLimiter(60).check(rig.scope)
    assert limit.asked == ["acme:0123456789abcdef"]
    assert rig.observed.labels(DECISIONS) == [labels("key", "allowed")]


async def test_the_address_is_what_the_platform_says_whatever_headers_claim() -> None:
    limit = FakeRateLimit(True)
    rig = from_address(ADDRESS, limit)
    await RateLimiter(60).check_address(rig.scope)
    assert limit.asked == [ADDRESS]
    assert rig.observed.labels(DECISIONS) == [labels("address", "allowed")]


async def test_a_caller_over_the_limit_is_told_when_to_come_again() -> None:
    rig = make_scope(ports=fake_ports(rate_limit=FakeRateLimit(False)))
    with pytest.raises(RateLimited) as caught:
        await RateLimiter(10).check(rig.scope)
    assert caught.value.headers == {"retry-after": "10"}
    assert rig.observed.labels(DECISIONS) == [labels("key", "limited")]
    assert rig.observed.span("rate_limit.check").attributes["error.type"] == "rate_limited"


async def test_an_address_over_the_limit_is_turned_away_before_its_token_is_looked_at() -> None:
    rig = make_gateway(fake_ports(address_limit=FakeRateLimit(False)))
    request = make_request("GET", "/v1/models", headers={"authorization": "Bearer junk"})
    request = type(request)(
        method=request.method,
        path=request.path,
        headers=request.headers,
        read_body=request.read_body,
        client_address=ADDRESS,
    )
    response = await rig.gateway.handle(request, rig.ports)
    assert (response.status, response.headers["retry-after"]) == (429, "60")
    assert [span.name for span in rig.observed.spans] == ["rate_limit.check", "GET /v1/models"]


async def test_a_limiter_that_cannot_be_asked_lets_the_request_pass_and_is_counted() -> None:
    rig = make_scope(ports=fake_ports(rate_limit=FakeRateLimit(OSError("unreachable"))))
    await RateLimiter(60).check(rig.scope)
    assert rig.observed.labels(DECISIONS) == [labels("key", "unavailable")]
    assert rig.observed.span("rate_limit.check").status.is_unset


async def test_or_refuses_it_where_the_setting_says_so() -> None:
    broken = FakeRateLimit(OSError("unreachable"))
    rig = from_address(ADDRESS, broken)
    with pytest.raises(LimitsUnavailable):
        await RateLimiter(60, open_on_failure=False).check_address(rig.scope)
    assert rig.observed.labels(DECISIONS) == [labels("address", "unavailable")]
    rig = make_scope(ports=fake_ports(rate_limit=broken))
    with pytest.raises(LimitsUnavailable):
        await RateLimiter(60, open_on_failure=False).check(rig.scope)


async def test_the_setting_reaches_the_limiter() -> None:
    for setting, status in (("open", 200), ("closed", 503)):
        rig = make_gateway(
            fake_ports(rate_limit=FakeRateLimit(OSError("unreachable"))), RATE_LIMIT_FAILURE=setting
        )
        assert (await rig.send("GET", "/v1/models")).status == status


async def test_a_deployment_without_a_limiter_has_no_limit() -> None:
    rig = from_address(ADDRESS, None)
    rig.ports.rate_limit = None
    await RateLimiter(60).check(rig.scope)
    await RateLimiter(60).check_address(rig.scope)
    assert rig.observed.spans == []


async def test_a_caller_without_an_address_is_not_lumped_with_others() -> None:
    limit = FakeRateLimit(False)
    rig = from_address("", limit)
    await RateLimiter(60).check_address(rig.scope)
    assert limit.asked == []


@given(st.ip_addresses(v=6))
def test_an_ipv6_caller_is_known_by_its_64_however_it_is_written(address: ipaddress.IPv6Address) -> None:
    if address.ipv4_mapped is not None:
        return
    forms = {str(address), address.exploded, address.exploded.upper()}
    networks = {network_of(form) for form in forms}
    assert len(networks) == 1
    (network,) = networks
    assert ipaddress.ip_network(network) == ipaddress.ip_network((int(address) >> 64 << 64, 64))


@given(st.ip_addresses(v=4))
def test_an_ipv4_caller_is_known_by_its_address_in_ipv6s_clothes_too(address: ipaddress.IPv4Address) -> None:
    assert network_of(str(address)) == network_of(f"::ffff:{address}") == str(address)
