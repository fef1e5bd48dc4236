"""Questions as the cache sees them, and real vectors of them."""

from __future__ import annotations

from collections.abc import Sequence

from lumigate.cache.asked import Asked
from lumigate.cache.policy import Ruling
from lumigate.cache.settings import CacheRules
from lumigate.llm.dialects.openai import OPENAI_DIALECT
from lumigate.scope import Scope
from tests.cache.near.make_vectors import vector_of
from tests.fakes import ScopeUnderTest


def question(rig: ScopeUnderTest, text: str, *, tenant: str = "acme") -> Asked:
    body = {"model": "fast", "messages": [{"role": "user", "content": text}]}
    return Asked.of(
        OPENAI_DIALECT.parse(body, {}),
        body,
        tenant=tenant,
        policy="openai",
        rules=CacheRules(near_threshold=0.8),
        ruling=Ruling(reads=True, writes=True, ttl_seconds=600, max_age_seconds=None, tags=()),
        now_ns=rig.ports.clock.now_ns(),
        any_form=True,
    )


async def embed(_: Scope, asked: Asked) -> Sequence[float]:
    """What the model says of a labelled prompt."""
    assert asked.near is not None
    return vector_of(asked.near.text)
