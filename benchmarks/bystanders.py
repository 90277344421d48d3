"""How many of a bystander's words are used as evidence, and how many of the wearer's are lost.

    python benchmarks/bystanders.py [EVAL] [--mixes 48] [--thresholds 6,8,10] [--json FILE]

Mixes are made of two clips of `voice_dev` in different voices. The near one is as it is; the far
one goes through a made room (noise that decays exponentially, after a direct sound) and is 12 dB
lower. They speak one after the other, in turns, or partly at once, in two rooms. Half of the mixes
are for choosing the threshold, the other half says how good it is. Words count as used when the
transcript has them, right or misheard, in an utterance that is not marked a bystander's.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import jiwer
import numpy as np
from numpy.typing import NDArray
from results import write_json
from sets import EVAL
from whisper.normalizers import EnglishTextNormalizer

from glasses_signals.media.audio import decode_audio
from glasses_signals.records import Transcript, Waveform
from glasses_signals.speech.distance import DistanceSettings
from glasses_signals.speech.transcriber import SpeechSettings, Transcriber

RATE = 16_000
FAR_DB = -12.0
LEAST_SNR_DB = 20  # of the clips: a clip's own noise would be in both voices
LEAST_WORDS = 4
ROOMS = {"living room": (0.35, 0.0), "hall": (0.7, -4.0)}  # seconds to -60 dB, direct sound in dB
ORDERS = ("near, far", "far, near", "near, far, near, far", "overlap")
PAUSES_S = (0.2, 1.0)
OVERLAP = 0.4  # of the shorter clip
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mix:
    """A recording of two voices; `said` in the order of time: (by the far voice?, words)."""

    samples: Samples
    said: tuple[tuple[bool, str], ...]
    kind: str
    room: str


def impulse_response(seconds: float, direct_db: float, random: np.random.Generator) -> Samples:
    """A room, float32 [N]: a direct sound, then noise that is 60 dB down after `seconds`.

    `direct_db`: energy of the direct sound against all that follows (the model of Polack 1988).
    """
    count = int(seconds * RATE)
    decay = np.exp(-np.log(1000) * np.arange(count) / count)
    response = random.standard_normal(count) * decay
    response[: int(0.004 * RATE)] = 0.0  # first reflections: paths a metre longer
    response /= np.sqrt(np.sum(response**2))
    response[0] = 10 ** (direct_db / 20)
    whole: Samples = (response / np.sqrt(np.sum(response**2))).astype(np.float32)
    return whole


def _level(samples: Samples) -> float:
    """Root mean square of what is not silence."""
    frames = samples[: len(samples) // 400 * 400].reshape(-1, 400)
    power = np.mean(frames**2, axis=1)
    return float(np.sqrt(np.mean(power[power > power.max() / 1000])))


def _trimmed(samples: Samples) -> Samples:
    """Without the silence that clips begin and end with."""
    envelope = np.convolve(samples**2, np.ones(400) / 400, "same")
    loud = np.nonzero(envelope > envelope.max() / 300)[0]
    return samples[max(0, loud[0] - 800) : loud[-1] + 800]


def mixes(folder: Path, count: int) -> list[Mix]:
    lines = (folder / "voice_dev.jsonl").read_text(encoding="utf-8").splitlines()
    known = [json.loads(line) for line in lines]
    enough = [
        k for k in known if k["snr_db"] >= LEAST_SNR_DB and len(k["text"].split()) >= LEAST_WORDS
    ]
    voices = Counter(k["voice"] for k in enough)
    fit = [k for k in enough if voices[k["voice"]] > 1]
    random = np.random.default_rng(0)
    made = []
    kinds = cycle([(order, room) for order in ORDERS for room in ROOMS for _ in range(2)])
    for _ in range(count):
        order, room = next(kinds)
        near = fit[int(random.integers(len(fit)))]
        others = [k for k in fit if k["voice"] != near["voice"]]
        far = others[int(random.integers(len(others)))]
        more = [_another(near, fit, random), _another(far, fit, random)]
        made.append(_mix(folder / "voice_dev", [near, far, *more], order, room, random))
    return made


def _another(
    like: dict[str, object], fit: Sequence[dict[str, object]], random: np.random.Generator
) -> dict[str, object]:
    same = [k for k in fit if k["voice"] == like["voice"] and k is not like]
    return same[int(random.integers(len(same)))]


def _mix(
    folder: Path,
    clips: Sequence[dict[str, object]],
    order: str,
    room: str,
    random: np.random.Generator,
) -> Mix:
    """`clips`: near, far, and another of each."""
    response = impulse_response(*ROOMS[room], random)
    sounds = []
    for number, clip in enumerate(clips):
        samples = _trimmed(decode_audio(folder / str(clip["file"])).samples)
        samples = samples * (0.08 / _level(samples))
        if number % 2:
            samples = np.convolve(samples, response).astype(np.float32)
            samples *= 0.08 * 10 ** (FAR_DB / 20) / _level(samples)
        sounds.append(samples)
    texts = [str(clip["text"]) for clip in clips]
    numbers = {"far, near": [1, 0], "near, far, near, far": [0, 1, 2, 3]}.get(order, [0, 1])
    if order == "overlap" and random.random() < 0.5:
        numbers = [1, 0]
    places: list[int] = []
    now = RATE // 2
    for number in numbers:
        if order == "overlap" and places:
            now = places[0] + len(sounds[numbers[0]])
            now -= int(OVERLAP * min(len(sounds[n]) for n in numbers))
        places.append(now)
        now += len(sounds[number]) + int(random.uniform(*PAUSES_S) * RATE)
    whole = random.standard_normal(now + RATE // 2).astype(np.float32) * np.float32(3e-4)
    for number, place in zip(numbers, places, strict=True):
        whole[place : place + len(sounds[number])] += sounds[number]
    said = tuple((number % 2 == 1, texts[number]) for number in numbers)
    return Mix(whole, said, order, room)


def counted(mix: Mix, transcript: Transcript, plain: EnglishTextNormalizer) -> dict[str, int]:
    """Words said by each voice, those of the far one that are used, of the near one that are lost.

    The transcript's words are aligned with the words said, in the order of time.
    """
    said = [(far, word) for far, text in mix.said for word in plain(text).split()]
    heard = [
        (utterance.speaker == "bystander", word)
        for utterance in transcript.utterances
        for word in plain(utterance.text).split()
    ]
    counts = {"far": sum(far for far, _ in said), "used": 0, "lost": 0}
    counts["near"] = len(said) - counts["far"]
    if not heard:
        return counts
    words = jiwer.process_words(" ".join(w for _, w in said), " ".join(w for _, w in heard))
    for chunk in words.alignments[0]:
        if chunk.type not in ("equal", "substitute"):
            continue
        for step in range(chunk.ref_end_idx - chunk.ref_start_idx):
            far = said[chunk.ref_start_idx + step][0]
            marked = heard[chunk.hyp_start_idx + step][0]
            counts["used"] += far and not marked
            counts["lost"] += marked and not far
    return counts


def measure(made: Sequence[Mix], settings: DistanceSettings) -> list[dict[str, int]]:
    plain = EnglishTextNormalizer()
    transcriber = Transcriber(replace(SpeechSettings(), language="en", distance=settings))
    transcripts = transcriber.transcribe([Waveform(mix.samples) for mix in made])
    return [counted(mix, t, plain) for mix, t in zip(made, transcripts, strict=True)]


def shares(counts: Sequence[dict[str, int]]) -> dict[str, object]:
    total = {key: sum(c[key] for c in counts) for key in ("far", "near", "used", "lost")}
    return {
        "mixes": len(counts),
        "far words": total["far"],
        "used %": round(100 * total["used"] / max(1, total["far"]), 1),
        "near words": total["near"],
        "lost %": round(100 * total["lost"] / max(1, total["near"]), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("eval", nargs="?", type=Path, default=EVAL)
    parser.add_argument("--mixes", type=int, default=48)
    parser.add_argument("--thresholds", default="6,8,10", help="decibels to choose from")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    made = mixes(arguments.eval, arguments.mixes)
    choose, report = made[::2], made[1::2]
    rows: list[dict[str, object]] = []
    for threshold in map(float, arguments.thresholds.split(",")):
        counts = measure(choose, DistanceSettings(far_below_db=threshold))
        rows.append({"set": f"to choose, {threshold:g} dB"} | shares(counts))
    counts = measure(report, DistanceSettings())
    rows.append({"set": f"to report, {DistanceSettings().far_below_db:g} dB"} | shares(counts))
    for kind in (*ORDERS, *ROOMS):
        some = [c for c, mix in zip(counts, report, strict=True) if kind in (mix.kind, mix.room)]
        rows.append({"set": f"  {kind}"} | shares(some))
    if arguments.json:
        write_json(arguments.json, rows)
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
