"""Audience sizes: how many accounts hold an interest, never told for small groups."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.policy.policy import Policy
from glasses_signals.profiles.document import Document


@dataclass(frozen=True, slots=True)
class Audience:
    """A taxonomy node and about how many accounts hold it or a node below it."""

    interest_id: str
    path: tuple[str, ...]
    about_accounts: int


def told_size(
    segment: str, accounts: int, everyone: int, policy: Policy, key: bytes = b""
) -> int | None:
    """What may be said of a segment that `accounts` of `everyone` belong to; None for nothing.

    Rounded down to a multiple of the policy's step after 0 to step - 1 accounts are taken off:
    how many follows from `segment` and the secret `key` alone, so asking again never helps, and
    who knows all members but one still can't tell whether that one belongs: over the keys, at most
    one answer in `step` changes with one account. Nothing is said of a segment, or of the rest
    when it is taken from `everyone`, that would come out under the policy's minimum.
    """
    if accounts == 0:
        return None
    size = _blurred(segment, accounts, policy, key)
    rest = _blurred(f"all but {segment}", everyone - accounts, policy, key)
    return size if min(size, rest) >= policy.min_audience else None


def _blurred(segment: str, accounts: int, policy: Policy, key: bytes) -> int:
    step = policy.audience_step
    digest = hashlib.blake2b(segment.encode(), key=key, digest_size=8).digest()
    off = int.from_bytes(digest, "big") % step
    return (accounts - off) // step * step


def audience_sizes(
    profiles: Iterable[Document], policy: Policy, key: bytes = b""
) -> list[Audience]:
    """Sizes of single segments that `told_size` tells, by falling size, then id.

    `key` is the ledger's `audience_key`. There is no way to ask for intersections or differences of
    segments.
    """
    taxonomy = load_taxonomy()
    sizes: Counter[str] = Counter()
    everyone = 0
    for profile in profiles:
        everyone += 1
        held = {entry["id"] for entry in profile["interests"]}
        held |= {node.id for id_ in held for node in taxonomy.ancestors(id_) if node.parent_id}
        sizes.update(held)
    found = [
        Audience(id_, taxonomy.node(id_).path, told)
        for id_, size in sizes.items()
        if (told := told_size(id_, size, everyone, policy, key)) is not None
    ]
    return sorted(found, key=lambda a: (-a.about_accounts, int(a.interest_id)))
