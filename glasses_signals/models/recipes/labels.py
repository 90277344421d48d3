"""A classifier's label list, put into its build as `labels.txt`; its own table as `labels.tsv`."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest
from glasses_signals.tsv import read_tsv

LABELS = "labels.txt"
TABLE = "labels.tsv"


def copy_labels(manifest: Manifest, out: Path) -> list[str]:
    """Write the labels, one a line in the model's order; gives them.

    `output.labels` is a list that comes with the package or a text file; without it the labels are
    the names of `output.table`, when that is a file. Files are sought beside the manifest. Raises
    BadModel when there are no labels, or an empty one.
    """
    table = str(manifest.output.get("table", ""))
    if table.endswith(".tsv"):
        shutil.copyfile(_beside(manifest, "table", table), out / TABLE)
    if "labels" in manifest.output:
        name = str(manifest.output["labels"])
        packaged = resources.files("glasses_signals.vision") / "data" / f"{name}.txt"
        source = packaged if packaged.is_file() else _beside(manifest, "labels", name)
        labels = source.read_text(encoding="utf-8").splitlines()
    elif (out / TABLE).is_file():
        labels = [row.get("name") or "" for row in read_tsv(out / TABLE)]
    else:
        raise BadModel(f"{manifest.path}: [output] needs labels: a list of ours or a text file")
    if not labels or not all(label.strip() for label in labels):
        raise BadModel(f"{manifest.path}: its label list is empty or has an empty line")
    (out / LABELS).write_text("\n".join(labels) + "\n", encoding="utf-8")
    return labels


def _beside(manifest: Manifest, key: str, name: str) -> Path:
    path = manifest.path.parent / name
    if not path.is_file():
        raise BadModel(f"{manifest.path}: output.{key} {name!r} is none of ours and no file")
    return path
