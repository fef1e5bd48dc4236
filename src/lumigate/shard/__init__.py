"""Metrics that stay correct: deltas of thousands of isolates become cumulative series with one writer.

Pure logic: no I/O of its own, no clock. Isolates use `Outbox` and `placement`; the Durable Object, or the embedded
runtime in its place, holds one `Shard` over a `SqlStore`.
"""

from lumigate.shard.collecting import GENERATION, Collection
from lumigate.shard.outbox import Outbox, SealedBatch
from lumigate.shard.placement import shard_index, shard_name, shard_names
from lumigate.shard.readers import Reader
from lumigate.shard.self_metrics import SHARD_METRICS
from lumigate.shard.settings import ShardSettings
from lumigate.shard.shard import Shard
from lumigate.shard.store import ShardStore, SqlStore
from lumigate.shard.wire import BatchRefused

__all__ = [
    "GENERATION",
    "SHARD_METRICS",
    "BatchRefused",
    "Collection",
    "Outbox",
    "Reader",
    "SealedBatch",
    "Shard",
    "ShardSettings",
    "ShardStore",
    "SqlStore",
    "shard_index",
    "shard_name",
    "shard_names",
]
