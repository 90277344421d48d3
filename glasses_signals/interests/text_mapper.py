"""From a text to the interests that it means, with calibrated probabilities, or to nothing.

A few small networks over the Interest nodes and "nothing", on top of sentence embeddings, say how
probable each node is; a node's probability includes its descendants'. Two more such heads say
whether the text wants to buy something, and what. `benchmarks/train_mapper.py` trains all three on
the example sentences of `data/examples`; `docs/interests.md` has what else was tried. Arrays are
float32, rows first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glasses_signals.errors import BadModel
from glasses_signals.interests.meaning import is_meant
from glasses_signals.interests.taxonomy import DATA, Taxonomy, load_taxonomy
from glasses_signals.models.softmax import softmax
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import InterestKind, MappedInterest
from glasses_signals.text.rows import by_row

Float = NDArray[np.float32]

BUYS = "yes"
NOTHING = "none"  # ids of the classes without an interest start with this
HEADS_FILE = "text_heads.npz"
INTEREST_ROOT = "206"
PURCHASE_ROOT = "752"
DIGITS = 4

# Ways of saying "I want to buy this"; each is one more input of the head that judges it.
_BUYING = (
    r"\b(buy|buying|purchase|shop(ping)? for|pre-?order|reorder|subscribe)\b",
    r"\b(order|get|find|grab|pick up|bring)( me| us)?( a| an| some| the| two| three| another)\b",
    r"\bwhere (can|could|do|would|should) (i|we|you|they) (get|find|buy|sell|order|pick up)\b",
    r"\b(how much|what)('s| is| are| does| do| would)?\b.*\b(cost|price|charge|for)\b",
    r"\bhow much (is|are)\b",
    r"\b(prices?|costs?|cheap(est|er)?|deals?|discount|on sale|for sale|in stock|worth it)\b",
    r"\b(looking (for|to (buy|get|rent))|in the market for|shopping|i'm after)\b",
    r"\bneed (a|an|some|new)\b",
    r"\b(which|what|best|recommend|good|decent)\b.*\b(should i (get|buy|order)|to buy|under|for)\b",
    r"\b(book|rent|reserve|hire|quote|tickets?|subscription|delivered|basket|cart)\b",
    r"\bhow (do|can|should) i (?!buy|get|order|find)\b",
)


@dataclass(frozen=True, slots=True)
class TextMapperSettings:
    """Least calibrated probabilities (0..1) that something is said with.

    `min_interest` for any interest at all, `min_descent` for a node rather than its parent,
    `min_purchase` for a purchase intent. `min_shared` is how probable it must be, by the purchase
    head alone, that what is bought belongs to the interest's topic. `heads` names other trained
    heads than the shipped ones.
    """

    min_interest: float = 0.65
    min_descent: float = 0.75
    min_purchase: float = 0.7
    min_shared: float = 0.2
    heads: Path | None = None


def buying_signs(texts: Sequence[str]) -> Float:
    """float32 [B, P]: 1 where the text has the P-th way of saying that something is wanted."""
    lowered = [text.lower() for text in texts]
    return np.array(
        [[bool(pattern.search(text)) for pattern in _buying()] for text in lowered], np.float32
    ).reshape(len(texts), len(_BUYING))


@cache
def _buying() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in _BUYING)


class Tree:
    """Probabilities of classes added up along the taxonomy, and the way down to a node."""

    def __init__(self, taxonomy: Taxonomy, classes: Sequence[str], root: str) -> None:
        """`classes`: taxonomy ids under `root`, or anything else for classes without a node."""
        self.root = root
        inside = {
            id_: [id_, *(above.id for above in taxonomy.ancestors(id_))]
            for id_ in classes
            if id_ in taxonomy
        }
        self.nodes = sorted({id_ for line in inside.values() for id_ in line}, key=int)
        place = {id_: column for column, id_ in enumerate(self.nodes)}
        self._sums = np.zeros((len(classes), len(self.nodes)), np.float32)
        for row, class_ in enumerate(classes):
            for id_ in inside.get(class_, ()):
                self._sums[row, place[id_]] = 1
        self._place = place
        self._children = {
            id_: [child.id for child in taxonomy.children(id_) if child.id in place]
            for id_ in self.nodes
        }

    def mass(self, probabilities: Float) -> Float:
        """Class probabilities [B, C] -> node probabilities [B, N], each with its descendants'."""
        return by_row(probabilities, self._sums)

    def way_down(self, mass: Float) -> list[tuple[str, float]]:
        """Node probabilities [N] of one text -> (id, probability) of the most probable child of
        the root, of its most probable child, and so on down to a leaf."""
        way: list[tuple[str, float]] = []
        id_ = self.root
        while children := self._children.get(id_):
            id_ = max(children, key=lambda child: mass[self._place[child]])
            way.append((id_, float(mass[self._place[id_]])))
        return way


@dataclass(frozen=True, slots=True)
class Network:
    """One small network: a hidden layer of GELU units beside a direct linear path.

    `hidden` [D, H], `hidden_bias` [H], `out` [H, C], `direct` [D, C], `bias` [C].
    """

    hidden: Float
    hidden_bias: Float
    out: Float
    direct: Float
    bias: Float

    def __call__(self, inputs: Float) -> Float:
        """[B, D] -> probabilities [B, C]."""
        units = _gelu(by_row(inputs, self.hidden) + self.hidden_bias)
        return softmax(by_row(units, self.out) + by_row(inputs, self.direct) + self.bias)


@dataclass(frozen=True, slots=True)
class Head:
    """Networks that differ by their random start only; what they say is averaged."""

    classes: tuple[str, ...]
    networks: tuple[Network, ...]

    def __call__(self, inputs: Float) -> Float:
        """[B, D] -> probabilities [B, C] of `classes`."""
        total = sum(network(inputs) for network in self.networks)
        return np.asarray(total / len(self.networks), np.float32)


def _gelu(x: Float) -> Float:
    """Gaussian error linear unit, tanh form (Hendrycks and Gimpel, arXiv 1606.08415)."""
    scale = np.float32(math.sqrt(2 / math.pi))
    return np.asarray(0.5 * x * (1 + np.tanh(scale * (x + 0.044715 * x * x * x))), np.float32)


class TextMapper:
    """Maps texts that the sensitive gate has passed. Picklable, without state between calls."""

    def __init__(self, settings: TextMapperSettings = TextMapperSettings()) -> None:
        """Load the heads. Raises BadModel when they are missing or malformed."""
        self.settings = settings
        arrays = _load(settings.heads)
        taxonomy = load_taxonomy()
        blocked = blocked_nodes()
        self._interest = _head(arrays, "interest")
        self._purchase = _head(arrays, "purchase")
        self._buys = _head(arrays, "buys")
        self._interests = Tree(
            taxonomy, [_usable(id_, blocked) for id_ in self._interest.classes], INTEREST_ROOT
        )
        self._purchases = Tree(
            taxonomy, [_usable(id_, blocked) for id_ in self._purchase.classes], PURCHASE_ROOT
        )
        self._purchase_tier2 = np.array(
            [
                "" if _usable(id_, blocked).startswith(NOTHING) else taxonomy.tier2(id_).id
                for id_ in self._purchase.classes
            ]
        )
        self._calibration = {
            name: arrays[f"{name}_calibration"] for name in ("tier2", "deeper", "purchase")
        }
        self._taxonomy = taxonomy
        self._blocked = blocked

    def map(self, texts: Sequence[str], embeddings: Float) -> list[tuple[MappedInterest, ...]]:
        """Texts [B] and their sentence embeddings, float32 [B, 384] of unit length -> for each
        text nothing, an interest, or an interest and the purchase intent beside it.

        `confidence` is the calibrated probability that the node is right.
        """
        if not texts:
            return []
        interests = self._interests.mass(self._interest(embeddings))
        buys = self._buys(np.concatenate([embeddings, buying_signs(texts)], axis=1))
        wants = buys[:, self._buys.classes.index(BUYS)]
        purchases = self._purchase(embeddings)
        return [
            self._of_one(interests[row], float(wants[row]), purchases[row])
            if is_meant(text)
            else ()
            for row, text in enumerate(texts)
        ]

    def _of_one(
        self, interests: Float, buys: float, purchases: Float
    ) -> tuple[MappedInterest, ...]:
        interest = self._deepest(self._interests.way_down(interests))
        if interest is None:
            return ()
        found = (MappedInterest(interest[0], InterestKind.INTEREST, interest[1]),)
        purchase = self._wanted(purchases, buys, interest[0])
        if purchase is None:
            return found
        return (*found, MappedInterest(purchase[0], InterestKind.PURCHASE_INTENT, purchase[1]))

    def _deepest(self, way: Sequence[tuple[str, float]]) -> tuple[str, float] | None:
        best: tuple[str, float] | None = None
        for depth, (id_, probability) in enumerate(way):
            confidence = self._calibrated("deeper" if depth else "tier2", probability)
            least = self.settings.min_descent if depth else self.settings.min_interest
            if confidence < least or id_ in self._blocked:
                break
            best = id_, confidence
        return best

    def _wanted(self, purchases: Float, buys: float, interest: str) -> tuple[str, float] | None:
        """The deepest sure purchase intent, given that what is bought is about what interests.

        `purchases` are the purchase classes' probabilities [C]. Two heads that see the same text
        know more together: guitar strings look like sporting goods until music is certain. None
        where the purchase head all but rules that topic out.
        """
        tier2 = self._taxonomy.tier2(interest).id
        about = purchases * (self._purchase_tier2 == tier2)
        share = float(about.sum())
        if share < self.settings.min_shared:
            return None
        best: tuple[str, float] | None = None
        mass = self._purchases.mass((about / share)[None])[0]
        for id_, probability in self._purchases.way_down(mass):
            confidence = self._calibrated("purchase", buys * probability)
            if confidence < self.settings.min_purchase or id_ in self._blocked:
                break
            if self._taxonomy.tier2(id_).id == tier2:
                best = id_, confidence
        return best

    def _calibrated(self, name: str, probability: float) -> float:
        raw, calibrated = self._calibration[name]
        return round(float(np.interp(probability, raw, calibrated)), DIGITS)


def _usable(id_: str, blocked: frozenset[str]) -> str:
    return NOTHING if id_ in blocked else id_


def _head(arrays: Mapping[str, NDArray[np.generic]], name: str) -> Head:
    parts = {
        field.name: arrays[f"{name}_{field.name}"].astype(np.float32) for field in fields(Network)
    }
    return Head(
        tuple(str(class_) for class_ in arrays[f"{name}_classes"]),
        tuple(
            Network(**{part: values[index] for part, values in parts.items()})
            for index in range(len(parts["bias"]))
        ),
    )


def _load(path: Path | None) -> Mapping[str, NDArray[np.generic]]:
    place = path or DATA / HEADS_FILE
    try:
        with place.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise BadModel(
            f"{place}: can't read the trained heads ({error}); reinstall glasses-signals, or train"
            " them with benchmarks/train_mapper.py"
        ) from error
