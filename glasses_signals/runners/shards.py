"""Shards: the same accounts always in the same shard, so that machines can share the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from glasses_signals.errors import CannotStart
from glasses_signals.records import Item
from glasses_signals.uploads.bundles import Refusal
from glasses_signals.uploads.fields import stable_id


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` (from 1) of `count`."""

    number: int
    count: int

    def holds(self, key: str) -> bool:
        """Whether an account id, or the place of a refused upload, belongs here."""
        return int(stable_id("shard", key), 16) % self.count == self.number - 1

    def select(self, uploads: Iterable[Item | Refusal]) -> Iterator[Item | Refusal]:
        """The uploads of this shard's accounts. What was refused is told by one shard only."""
        for upload in uploads:
            if self.holds(upload.where if isinstance(upload, Refusal) else upload.account_id):
                yield upload


def parse_shard(text: str) -> Shard:
    """`3/16` is the third of sixteen. Raises CannotStart when it is no such thing."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= 1 << 20):
        raise CannotStart(f"{text!r} is not a shard; write K/N with K from 1 to N, such as 3/16")
    return Shard(int(number), int(count))
