"""Audience sizes: how many accounts hold an interest, never told for small groups."""

from __future__ import annotations

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


def audience_sizes(profiles: Iterable[Document], policy: Policy) -> list[Audience]:
    """Sizes of single segments, by falling size, then id.

    Sizes under the policy's minimum are left out, others rounded down to its step. There is no way
    to ask for intersections or differences of segments, and rounding keeps a segment's size from
    telling whether one account came or went; two segments that differ by a small group therefore
    look the same.
    """
    taxonomy = load_taxonomy()
    sizes: Counter[str] = Counter()
    for profile in profiles:
        held = {entry["id"] for entry in profile["interests"]}
        held |= {node.id for id_ in held for node in taxonomy.ancestors(id_) if node.parent_id}
        sizes.update(held)
    step = policy.audience_step
    found = [
        Audience(id_, taxonomy.node(id_).path, size // step * step)
        for id_, size in sizes.items()
        if size >= policy.min_audience
    ]
    return sorted(found, key=lambda a: (-a.about_accounts, int(a.interest_id)))
