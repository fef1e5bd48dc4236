"""Which shard an isolate writes to: one, for its life.

The shard count may change from deploy to deploy. An isolate keeps the count it was born with, and with it its shard,
so a batch and its retries meet the same memory of what was counted. Shards keep their names whatever the count: shard
0 of one is shard 0 of eight. Each is a series identity of its own (`service.instance.id`), so traffic that moves from
one shard to another is another counter growing, never the same count twice; PromQL sums over instances.
"""

from __future__ import annotations

import zlib


def shard_index(isolate: str, count: int) -> int:
    """0 to `count - 1`, evenly spread."""
    return zlib.crc32(isolate.encode()) % max(1, count)


def shard_name(index: int) -> str:
    """What the shard is called: the Durable Object's name, and the end of its `service.instance.id`."""
    return f"shard-{index}"


def shard_names(count: int, retiring: int = 0) -> list[str]:
    """All shards to ask for a scrape. `retiring`: how many there were before the count was lowered.

    A shard that no isolate writes to any more must be asked until its series have expired, or the last increments
    before the change are never seen.
    """
    return [shard_name(index) for index in range(max(1, count, retiring))]
