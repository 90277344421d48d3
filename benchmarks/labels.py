"""How good the interests of photos are, as they come and enlarged to 12 megapixels.

    python benchmarks/labels.py [--photos 500] [--json FILE]

Over the evaluation photos (one a class, even ImageNet classes), judged by what the reviewed table
says of a photo's true class. An interest is right when the class suggests it, a node below it, or
one above it. Enlarged photos are cut to 3:4, which loses edges, and decoded at 1/8.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from results import share, write_json
from vision_media import enlarged_photos, eval_photos

from glasses_signals.interests.label_mapper import LabelMapper, LabelVerdict
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.media.pool import DecodePool, DecodeTask
from glasses_signals.records import Label
from glasses_signals.vision.tagger import Tagger, VisionSettings

BATCH = 16
CHUNK = 50  # enlarged photos that lie on disk at a time


def seen(files: Sequence[str], tagger: Tagger, pool: DecodePool) -> list[tuple[Label, ...]]:
    tasks = [DecodeTask(name, name, "photo") for name in files]
    images = [result.image for result in pool.decode(tasks) if result.image is not None]
    assert len(images) == len(files)
    starts = range(0, len(images), BATCH)
    return [labels for at in starts for labels in tagger.tag(images[at : at + BATCH])]


def judged(found: Sequence[tuple[Label, ...]], classes: Sequence[int]) -> dict[str, list[int]]:
    """Each figure as [hits, of]."""
    mapper = LabelMapper()
    truth = [mapper.rows[f"imagenet:{index}"] for index in classes]
    verdicts = [mapper.map(labels) for labels in found]
    both = list(zip(truth, verdicts, strict=True))
    right = [[fits(i.interest_id, row.interests) for i in v.interests] for row, v in both]
    clear = [number for number, row in enumerate(truth) if row.interests]
    fearful = [v for row, v in both if row.left_out.startswith("sensitive:")]
    firsts = [labels[0].class_id if labels else "" for labels in found]
    top1 = [first == f"imagenet:{c}" for first, c in zip(firsts, classes, strict=True)]
    return {
        "top1": [sum(top1), len(top1)],
        "emitted_right": [sum(map(sum, right)), sum(map(len, right))],
        "clear_found": [sum(any(right[number]) for number in clear), len(clear)],
        "sensitive_emitting": [sum(bool(v.interests) for v in fearful), len(fearful)],
        "sensitive_excluded": [sum(is_excluded(v) for v in fearful), len(fearful)],
        "clear_excluded": [sum(is_excluded(verdicts[number]) for number in clear), len(clear)],
    }


def is_excluded(verdict: LabelVerdict) -> bool:
    return verdict.excluded is not None


def fits(said: str, suggested: Sequence[str]) -> bool:
    """Whether one lies above the other, or both are one."""
    taxonomy = load_taxonomy()
    line = {said, *(node.id for node in taxonomy.ancestors(said))}
    return any(
        node in line or said in {up.id for up in taxonomy.ancestors(node)} for node in suggested
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    photos, classes = eval_photos()
    photos, classes = photos[: arguments.photos], classes[: arguments.photos]
    enlarged: list[tuple[Label, ...]] = []
    with DecodePool(2) as pool, tempfile.TemporaryDirectory(prefix="labels-") as name:
        tagger = Tagger(VisionSettings(device="cpu"))
        small = seen(photos, tagger, pool)
        for at in range(0, len(photos), CHUNK):
            made = enlarged_photos(photos[at : at + CHUNK], Path(name))
            enlarged += seen(made, tagger, pool)
            for file in made:
                Path(file).unlink()
    found = {"as_they_are": judged(small, classes), "enlarged": judged(enlarged, classes)}
    for way, figures in found.items():
        for figure, (hits, of) in figures.items():
            print(f"{way}: {figure} {hits} of {of}: {share(hits, of)}")
    if arguments.json:
        write_json(arguments.json, found)


if __name__ == "__main__":
    main()
