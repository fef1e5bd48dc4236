"""The first tier: isolate memory, bounded in bytes and time, least recently used out first.

It outlives requests and is shared by all of the isolate's; that is safe because it holds finished answers only, plain
data, and because keys contain the tenant.
"""

from __future__ import annotations

from collections import OrderedDict

from lumigate.cache.entry import Entry


class MemoryTier:
    """Not thread-safe; an isolate has one thread."""

    def __init__(self, capacity_bytes: int, ttl_seconds: float) -> None:
        self._capacity_bytes = capacity_bytes
        self._ttl_ns = int(ttl_seconds * 1e9)
        self._entries: OrderedDict[str, tuple[int, Entry]] = OrderedDict()
        self.bytes = 0
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now_ns: int) -> tuple[str, Entry | None]:
        """`("hit", entry)`, `("miss", None)` or `("expired", None)`."""
        found = self._entries.get(key)
        if found is None:
            return "miss", None
        expires_ns, entry = found
        if now_ns >= expires_ns:
            self.remove(key)
            return "expired", None
        self._entries.move_to_end(key)
        return "hit", entry

    def put(self, key: str, entry: Entry, now_ns: int) -> bool:
        """Keep an entry until this tier's time or its own is up. False if it is larger than the tier takes."""
        self.remove(key)
        if entry.size > self._capacity_bytes // 4:
            return False
        self._entries[key] = (min(now_ns + self._ttl_ns, entry.expires_ns), entry)
        self.bytes += entry.size
        while self.bytes > self._capacity_bytes:
            _, (_, oldest) = self._entries.popitem(last=False)
            self.bytes -= oldest.size
            self.evictions += 1
        return True

    def remove(self, key: str) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self.bytes -= found[1].size
