"""The first tier: isolate memory, bounded in bytes and time, least recently used out first.

It outlives requests and is shared by all of the isolate's; that is safe because it holds finished answers only, plain
data, and because keys contain the tenant.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

from lumigate.cache.entry import Entry

CAPACITY, EXPIRED, PURGED, REPLACED = "capacity", "expired", "purged", "replaced"
"""Why an entry left."""


class MemoryTier:
    """Not thread-safe; an isolate has one thread."""

    def __init__(self, capacity_bytes: int, ttl_seconds: float) -> None:
        self._capacity_bytes = capacity_bytes
        self._ttl_ns = int(ttl_seconds * 1e9)
        self._entries: OrderedDict[str, tuple[int, Entry]] = OrderedDict()
        self.bytes = 0
        self.left: Counter[str] = Counter()
        """How many entries left before they were asked for again, by reason; see `take_left`."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def capacity_bytes(self) -> int:
        return self._capacity_bytes

    def get(self, key: str, now_ns: int) -> tuple[str, Entry | None]:
        """`("hit", entry)`, `("miss", None)` or `("expired", None)`."""
        found = self._entries.get(key)
        if found is None:
            return "miss", None
        expires_ns, entry = found
        if now_ns >= expires_ns:
            self.remove(key, EXPIRED)
            return "expired", None
        self._entries.move_to_end(key)
        return "hit", entry

    def peek(self, key: str, now_ns: int) -> Entry | None:
        """The entry, without counting that as a use."""
        found = self._entries.get(key)
        return None if found is None or now_ns >= found[0] else found[1]

    def put(self, key: str, entry: Entry, now_ns: int, ttl_seconds: float | None = None) -> bool:
        """Keep an entry until this tier's time or its own is up. False if it is larger than the tier takes."""
        self.remove(key, REPLACED)
        if entry.size > self._capacity_bytes // 4:
            return False
        ttl_ns = self._ttl_ns if ttl_seconds is None else int(ttl_seconds * 1e9)
        self._entries[key] = (min(now_ns + ttl_ns, entry.expires_ns), entry)
        self.bytes += entry.size
        while self.bytes > self._capacity_bytes:
            _, (expires_ns, oldest) = self._entries.popitem(last=False)
            self.bytes -= oldest.size
            self.left[EXPIRED if now_ns >= expires_ns else CAPACITY] += 1
        return True

    def remove(self, key: str, reason: str = PURGED) -> bool:
        """Whether it was there."""
        found = self._entries.pop(key, None)
        if found is None:
            return False
        self.bytes -= found[1].size
        self.left[reason] += 1
        return True

    def remove_where(self, dead: Callable[[str, Entry], bool]) -> int:
        """Purge every entry of which that is so; how many there were."""
        keys = [key for key, (_, entry) in self._entries.items() if dead(key, entry)]
        for key in keys:
            self.remove(key, PURGED)
        return len(keys)

    def take_left(self) -> Counter[str]:
        """What left since the last time this was asked, by reason."""
        left, self.left = self.left, Counter()
        return left
