"""Data that must stay in a region: who says so, and what such a request may touch.

Marked is a request whose tenant is (`TENANT_REGIONS`), whose token says so (`JWT_REGION_CLAIM`), or that says so itself
(`x-lumigate-region`); each of them can only tighten. From then on it sees `ConfinedPorts`: there is no KV, which is
global; cached answers go to the region's own bucket or to none below memory; sessions live in objects of the region's
jurisdiction. Who may answer is the router's part. What cannot be had inside the region is refused, never had outside.

A tenant has one ledger, so that it has one budget: in the region of `TENANT_REGIONS`, whatever a single request says.
It holds numbers and request ids.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lumigate.errors import CallerError, InvalidRequest

if TYPE_CHECKING:
    from lumigate.config import Settings
    from lumigate.ports import (
        Aead,
        BlobStore,
        Clock,
        Console,
        CounterShard,
        Crypto,
        DataPoints,
        Entropy,
        Fetch,
        Ledger,
        ModelBinding,
        Ports,
        Post,
        RateLimit,
        SessionIndex,
        SessionObject,
        Timeout,
    )
    from lumigate.scope import Scope

EU = "eu"
REGIONS = (EU,)
"""Cloudflare's jurisdictions, of which the providers' `region` in `MODELS` is another name."""
HEADER = "x-lumigate-region"


class RegionUnavailable(CallerError):
    """Nobody in the region can answer; somebody elsewhere may not."""

    status = 403
    type = "permission_error"
    code = "region_unavailable"

    def __init__(self, region: str) -> None:
        super().__init__(
            f"This data must stay in the region '{region}', and nobody there answers for this model."
        )


class Regions:
    """Finds out whether a request is bound to a region, and binds it. Holds settings only."""

    def __init__(self, settings: Settings) -> None:
        self._tenants = settings.tenant_regions

    def confine(self, scope: Scope) -> None:
        """Raises `InvalidRequest` for a region that nobody knows: what cannot be honoured is not passed over."""
        found = self._marked(scope)
        if found is None:
            return
        region, source = found
        scope.facts.region, scope.region_source = region, source
        scope.span.set_attribute("lumigate.region", region)
        scope.ports = ConfinedPorts(scope.ports, region)
        _count(scope, "confined")

    def _marked(self, scope: Scope) -> tuple[str, str] | None:
        header = scope.headers.get(HEADER)
        asked = "" if header is None else header.strip().lower()
        if header is not None and asked not in REGIONS:
            raise InvalidRequest(f"must be one of: {', '.join(REGIONS)}", param=HEADER)
        if own := self._tenants.get(scope.facts.tenant):
            return own, "tenant"
        if scope.caller is not None and scope.caller.region:
            return scope.caller.region, "claim"
        return (asked, "header") if asked else None


def refuse(scope: Scope) -> RegionUnavailable:
    """Nobody in the region can answer: counted, and what to raise."""
    _count(scope, "refused")
    return RegionUnavailable(scope.facts.region)


def _count(scope: Scope, result: str) -> None:
    labels = {
        "lumigate.region": scope.facts.region,
        "lumigate.region.source": scope.region_source,
        "lumigate.region.result": result,
    }
    scope.instruments.region_decisions.add(1, labels)


class ConfinedPorts:
    """The ports of a request that is bound to a region: as they are, but for what keeps something."""

    key_value: None = None
    vectors: None = None
    """Vectorize has no jurisdictions."""

    def __init__(self, ports: Ports, region: str) -> None:
        self.outside = ports
        self.region = region

    @property
    def clock(self) -> Clock:
        return self.outside.clock

    @property
    def entropy(self) -> Entropy:
        return self.outside.entropy

    @property
    def fetch(self) -> Fetch:
        return self.outside.fetch

    @property
    def post(self) -> Post:
        return self.outside.post

    @property
    def crypto(self) -> Crypto:
        return self.outside.crypto

    @property
    def aead(self) -> Aead:
        return self.outside.aead

    def background(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        self.outside.background(coroutine)

    @property
    def timeout(self) -> Timeout:
        return self.outside.timeout

    @property
    def console(self) -> Console:
        return self.outside.console

    @property
    def blobs(self) -> BlobStore | None:
        return self.outside.blobs_in(self.region)

    def blobs_in(self, jurisdiction: str) -> BlobStore | None:
        return self.outside.blobs_in(jurisdiction)

    @property
    def data_points(self) -> DataPoints | None:
        return self.outside.data_points

    @property
    def rate_limit(self) -> RateLimit | None:
        return self.outside.rate_limit

    @property
    def address_limit(self) -> RateLimit | None:
        return self.outside.address_limit

    @property
    def ai(self) -> ModelBinding | None:
        return self.outside.ai

    def shard(self, name: str) -> CounterShard | None:
        return self.outside.shard(name)

    def ledger(self, tenant: str, jurisdiction: str = "") -> Ledger | None:
        return self.outside.ledger(tenant, jurisdiction)

    def session(self, name: str, jurisdiction: str = "") -> SessionObject | None:
        return self.outside.session(name, jurisdiction or self.region)

    def session_index(self, owner: str, jurisdiction: str = "") -> SessionIndex | None:
        return self.outside.session_index(owner, jurisdiction or self.region)


def outside(ports: Ports) -> Ports:
    """The ports without the confinement, for what is the gateway's own and not the request's."""
    return ports.outside if isinstance(ports, ConfinedPorts) else ports


def everywhere(scope: Scope) -> Iterator[Scope]:
    """The scope as it sees the world, and as it would see each region: for what must find data wherever it lies."""
    ports = outside(scope.ports)
    yield replace(scope, ports=ports)
    for region in REGIONS:
        yield replace(scope, ports=ConfinedPorts(ports, region))
