"""The IAB Tech Lab Audience Taxonomy 1.1 (`segtax` 4), reduced to what may be used.

"Audience Taxonomy 1.1" by IAB Tech Lab is licensed under Creative Commons Attribution 3.0
(https://creativecommons.org/licenses/by/3.0/); `data/audience_taxonomy_1.1.tsv` is the published
table, unchanged. Demographic nodes are not loaded: an account's demographics are never inferred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from glasses_signals.errors import BadInput
from glasses_signals.records import InterestKind
from glasses_signals.tsv import read_tsv

DATA = files("glasses_signals.interests") / "data"
TAXONOMY_FILE = "audience_taxonomy_1.1.tsv"
PURCHASE_INTENT_FILE = "purchase_intent_interests.tsv"
NAME = "IAB Audience Taxonomy"
VERSION = "1.1"
SEGTAX = 4  # OpenRTB's number for this taxonomy (IAB "Segment Taxonomies" extension)

_KINDS = {
    "Interest": InterestKind.INTEREST,
    "Purchase Intent": InterestKind.PURCHASE_INTENT,
}


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `path` runs from the root ("Interest" or "Purchase Intent") to `name`."""

    id: str
    parent_id: str | None
    name: str
    path: tuple[str, ...]
    kind: InterestKind


class Taxonomy:
    """The Interest and Purchase Intent trees, and the bridge from the second to the first."""

    def __init__(self, nodes: Mapping[str, Node], nearest_interests: Mapping[str, str]) -> None:
        """`nearest_interests`: purchase intent id -> id of the Interest node it stands for."""
        self._nodes = dict(nodes)
        self._nearest = dict(nearest_interests)
        self._children: dict[str, list[str]] = {id_: [] for id_ in nodes}
        for node in nodes.values():
            if node.parent_id is not None:
                self._children[node.parent_id].append(node.id)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._nodes

    def node(self, id_: str) -> Node:
        """Raises BadInput for an id that is not an Interest or Purchase Intent node."""
        try:
            return self._nodes[id_]
        except KeyError:
            raise BadInput(
                f"{id_!r} is not an Interest or Purchase Intent node of {NAME} {VERSION}"
                " (demographic nodes are never used): check the id"
            ) from None

    def ancestors(self, id_: str) -> tuple[Node, ...]:
        """The nodes above `id_`, nearest first, the root last."""
        above: list[Node] = []
        parent_id = self.node(id_).parent_id
        while parent_id is not None:
            above.append(self._nodes[parent_id])
            parent_id = above[-1].parent_id
        return tuple(above)

    def children(self, id_: str) -> tuple[Node, ...]:
        """The nodes right below `id_`, in the order of the published table."""
        self.node(id_)
        return tuple(self._nodes[child] for child in self._children[id_])

    def nearest_interest(self, id_: str) -> Node:
        """The Interest node that `id_` stands for: itself, or a purchase intent's nearest one.

        For purchase intents: the reviewed table, where a node without a line takes its parent's.
        Raises BadInput for the root of the purchase intents, which stands for nothing.
        """
        node = self.node(id_)
        if node.kind is InterestKind.INTEREST:
            return node
        for candidate in (node, *self.ancestors(id_)):
            if candidate.id in self._nearest:
                return self._nodes[self._nearest[candidate.id]]
        raise BadInput(f"taxonomy id {id_!r} ({node.name}) has no nearest interest")

    def tier2(self, id_: str) -> Node:
        """The Interest tier-2 node above (or at) `id_`; of a purchase intent's nearest interest.

        Raises BadInput for a root.
        """
        interest = self.nearest_interest(id_)
        if len(interest.path) < 2:
            raise BadInput(f"taxonomy id {id_!r} is the root {interest.name!r}: it has no tier 2")
        return (interest, *self.ancestors(interest.id))[len(interest.path) - 2]


@cache
def load_taxonomy() -> Taxonomy:
    """The shipped taxonomy: 497 Interest and 864 Purchase Intent nodes, roots included."""
    rows = [
        (row["Unique ID"].strip(), path)
        for row in read_tsv(DATA / TAXONOMY_FILE)
        if (path := _path(row))[0] in _KINDS
    ]
    ids = {path: id_ for id_, path in rows}
    nodes = {
        id_: Node(id_, _parent_id(path, ids), path[-1], path, _KINDS[path[0]]) for id_, path in rows
    }
    nearest = {
        row["purchase_intent_id"]: row["interest_id"]
        for row in read_tsv(DATA / PURCHASE_INTENT_FILE)
    }
    return Taxonomy(nodes, nearest)


def _path(row: Mapping[str, str]) -> tuple[str, ...]:
    names = (row[f"Tier {tier}"] for tier in range(1, 7))
    # The asterisk of "Purchase Intent*" points to a footnote of the published sheet.
    return tuple(name.strip().rstrip("*") for name in names if name.strip())


def _parent_id(path: tuple[str, ...], ids: Mapping[tuple[str, ...], str]) -> str | None:
    """The id of the longest proper prefix of `path` that is a node.

    Not the "Parent ID" column: it is wrong for ten purchase intents (it puts Home Insurance under
    Auto Insurance, and ham under Refrigerated Meals).
    """
    for length in range(len(path) - 1, 0, -1):
        if path[:length] in ids:
            return ids[path[:length]]
    return None
