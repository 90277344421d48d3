"""What a built classifier can say: its classes' ids and names, and which table judges them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glasses_signals.models.store import BuiltModel

_TABLE_FILE = "labels.tsv"


@dataclass(frozen=True, slots=True)
class Classes:
    """`ids` and `names` in the model's order. `table`: the model's own label table, if any."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    table: Path | None = None


def classes_of(model: BuiltModel) -> Classes:
    """Ids are `TABLE:INDEX` by the manifest's `output.table`; `MODEL:INDEX` if that is a file."""
    names = tuple(model.file("labels.txt").read_text(encoding="utf-8").splitlines())
    table = str(model.manifest.output.get("table", model.name))
    own = table.endswith(".tsv")
    prefix = model.name if own else table
    ids = tuple(f"{prefix}:{index}" for index in range(len(names)))
    return Classes(ids, names, model.file(_TABLE_FILE) if own else None)
