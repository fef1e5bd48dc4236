from collections.abc import Iterator

import pytest

from tests.shard.deltas import EvictableShard


@pytest.fixture
def held() -> Iterator[EvictableShard]:
    """A shard with default settings."""
    shard = EvictableShard()
    yield shard
    shard.close()
