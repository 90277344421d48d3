"""From what a picture shows to interests, by a reviewed table of every class a tagger knows.

Classes that suggest the same interest add up: three unsure dog breeds are one sure dog. Where no
interest is sure by itself but several under one node are together, that node is suggested.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glasses_signals.errors import BadModel
from glasses_signals.interests.taxonomy import DATA, Taxonomy, load_taxonomy
from glasses_signals.models.store import open_model
from glasses_signals.policy.policy import TOPICS
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import InterestKind, Label, MappedInterest
from glasses_signals.tsv import read_tsv
from glasses_signals.vision.classes import classes_of

TABLES = ("imagenet", "coco", "taxonomy")
_COLUMNS = ("class_id", "name", "interests", "left_out")
_SENSITIVE = "sensitive:"

# Measured on 500 dev photos, one a class (docs/vision.md): least summed probability at which what
# is suggested is right often enough, and at which a sensitive class must be feared.
EMIT_AT = 0.5
FEAR_AT = 0.05

# Temples and mosques are most often taken for palaces (one at 0.75, with 0.055 for all sensitive
# classes), while the palaces of the scenes, benchmarks/scenes.tsv, had under 0.02 or over 0.07.
FEAR_BESIDE = {"imagenet:698": 0.03}

# Nodes so wide that two classes under them have nothing in common.
_TOO_WIDE = frozenset({"206", "268", "305", "422"})

# (summed probability, share that was right) on the dev photos, a little pulled towards doubt where
# few were counted (11 of 0.5 to 0.6, 49 of 0.6 to 0.8, 130 over 0.8); straight lines between.
_CALIBRATION = (
    (0.15, 0.19),
    (0.35, 0.55),
    (0.5, 0.8),
    (0.55, 0.9),
    (0.7, 0.94),
    (0.85, 0.98),
    (1, 0.99),
)


@dataclass(frozen=True, slots=True)
class LabelVerdict:
    """What one picture suggests; `labels` are the classes that fired, none for an exclusion."""

    interests: tuple[MappedInterest, ...] = ()
    excluded: str | None = None  # "sensitive:<topic>"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One reviewed class: the interests it suggests, or why none (a code, `sensitive:<topic>`)."""

    name: str
    interests: tuple[str, ...]
    left_out: str


class LabelMapper:
    """Maps the labels of one picture. A class that no table knows is an error, never a guess."""

    def __init__(self, tables: Sequence[str] = TABLES) -> None:
        """`tables` as for `load_label_tables`, which says what it raises."""
        self._taxonomy = load_taxonomy()
        self.rows = load_label_tables(tables, self._taxonomy)

    def map(self, labels: Sequence[Label]) -> LabelVerdict:
        """Interests of a picture with these labels (one per class), sorted by id."""
        topic = self._feared_topic(labels)
        if topic is not None:
            return LabelVerdict(excluded=_SENSITIVE + topic)
        scores: dict[str, float] = defaultdict(float)
        firing: dict[str, list[str]] = defaultdict(list)
        for label in labels:
            for node in self._nodes(self._row(label).interests):
                scores[node] += label.probability
                firing[node].append(label.name)
        sure = [node for node, score in scores.items() if score >= EMIT_AT]
        covered = {up.id for node in sure for up in self._taxonomy.ancestors(node)}
        chosen = sorted(node for node in sure if node not in covered)
        names = dict.fromkeys(name for node in chosen for name in firing[node])
        return LabelVerdict(
            interests=tuple(
                MappedInterest(node, InterestKind.INTEREST, confidence(scores[node]))
                for node in chosen
            ),
            labels=tuple(names),
        )

    def _feared_topic(self, labels: Sequence[Label]) -> str | None:
        """The sensitive topic with most probability, when all of them together must be feared."""
        fears: dict[str, float] = defaultdict(float)
        for label in labels:
            left_out = self._row(label).left_out
            if left_out.startswith(_SENSITIVE):
                fears[left_out.removeprefix(_SENSITIVE)] += label.probability
        best = max(labels, key=lambda label: label.probability, default=None)
        if sum(fears.values()) < FEAR_BESIDE.get(best.class_id if best else "", FEAR_AT):
            return None
        return max(sorted(fears), key=lambda topic: fears[topic])

    def _nodes(self, interests: Iterable[str]) -> set[str]:
        """These nodes and every node above them that says something."""
        above = {up.id for node in interests for up in self._taxonomy.ancestors(node)}
        return (above | set(interests)) - _TOO_WIDE

    def _row(self, label: Label) -> ClassRow:
        try:
            return self.rows[label.class_id]
        except KeyError:
            raise BadModel(
                f"class {label.class_id} ({label.name}) is in no label table: "
                "name a table that has it with --labels or in the model's manifest (output.table)"
            ) from None


def confidence(score: float) -> float:
    """Calibrated probability that an interest with this summed class probability is right."""
    score = min(1.0, max(0.0, score))
    below_x, below_y = 0.0, 0.0
    for x, y in _CALIBRATION:
        if score <= x:
            return below_y + (y - below_y) * (score - below_x) / (x - below_x)
        below_x, below_y = x, y
    return below_y


def label_mapper(model: str, labels: str | None = None) -> LabelMapper:
    """The mapper for a built tagger model: the shipped tables, the model's own, the user's.

    BadModel when a table is wrong, or a class of the model is in none.
    """
    classes = classes_of(open_model(model))
    own = [str(table) for table in (classes.table, labels) if table is not None]
    mapper = LabelMapper([*TABLES, *own])
    missing = [id_ for id_ in classes.ids if id_ not in mapper.rows]
    if missing:
        name = classes.names[classes.ids.index(missing[0])]
        raise BadModel(
            f"{len(missing)} of the {len(classes.ids)} classes of {model} are in no label table, "
            f"such as {missing[0]} ({name}): add a line for each, with interests or why it is left "
            "out, to the table that --labels or the manifest's output.table names"
        )
    return mapper


def load_label_tables(tables: Iterable[str], taxonomy: Taxonomy) -> Mapping[str, ClassRow]:
    """Rows by class id, of tables by name or by the path of a .tsv file with the same columns.

    Later tables replace lines of earlier ones. BadModel when a file or a line of it is wrong.
    """
    rows: dict[str, ClassRow] = {}
    for table in tables:
        for number, line in enumerate(_lines(table), start=2):
            try:
                rows[line["class_id"]] = _class_row(line, taxonomy)
            except ValueError as error:
                raise BadModel(f"label table {table}, line {number}: {error}") from None
    return rows


def _lines(table: str) -> list[dict[str, str]]:
    path = Path(table) if table.endswith(".tsv") else DATA / f"labels_{table}.tsv"
    try:
        lines = list(read_tsv(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadModel(f"label table {table} can't be read: {error}") from None
    missing = [column for column in _COLUMNS if not lines or column not in lines[0]]
    if missing:
        raise BadModel(
            f"label table {table} has no column {missing[0]!r}, or no lines: it needs a header of "
            f"{', '.join(_COLUMNS)}, separated by tabs"
        )
    return lines


def _class_row(line: Mapping[str, str | None], taxonomy: Taxonomy) -> ClassRow:
    """ValueError says what is wrong with the line."""
    fields = [line[column] for column in _COLUMNS]
    if None in fields or None in line:
        raise ValueError(f"not {len(_COLUMNS)} fields separated by tabs")
    class_id, name, interests, left_out = (str(field).strip() for field in fields)
    nodes = tuple(interests.split())
    if not class_id:
        raise ValueError("no class_id")
    if bool(nodes) == bool(left_out):
        raise ValueError(f"{class_id} needs interests or a reason to leave it out, one of them")
    for node in nodes:
        if node not in taxonomy or taxonomy.node(node).kind is not InterestKind.INTEREST:
            raise ValueError(f"{class_id}: {node} is no Interest node of the taxonomy")
        if node in blocked_nodes():
            raise ValueError(
                f"{class_id}: {node} ({taxonomy.node(node).name}) is a sensitive node, never used; "
                f"to exclude such pictures, write {_SENSITIVE}<topic> under left_out"
            )
    topic = left_out.removeprefix(_SENSITIVE)
    if left_out.startswith(_SENSITIVE) and topic not in TOPICS:
        raise ValueError(f"{class_id}: {topic!r} is no topic; known: {', '.join(TOPICS)}")
    return ClassRow(name, nodes, left_out)
