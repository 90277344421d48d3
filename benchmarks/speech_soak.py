"""Memory over many clips: `speech.py --soak N`.

One `Transcriber` hears N short clips in batches, as a long job gives them to it. A few hundred
distinct clips of 1 to 3 s, cut out of `voice_dev`, go round and round. What the process holds is
printed as it goes; flat means that the last part of the run holds no more than the part before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
CUTS = 2  # of each clip, of different lengths
BATCH = 16
PRINTS = 20


def short_clips(clips: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Pieces of 1 to 3 s, each of another length."""
    random = np.random.default_rng(0)
    pieces = []
    for clip in clips:
        for _ in range(CUTS):
            length = int(random.uniform(1.0, 3.0) * RATE)
            start = int(random.integers(0, max(1, len(clip) - length)))
            pieces.append(clip[start : start + length])
    return pieces


def held_mb() -> float:
    """Memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def soak(clips: Sequence[NDArray[np.float32]], count: int, model: str, device: str) -> None:
    from glasses_signals.records import Waveform
    from glasses_signals.speech.transcriber import SpeechSettings, Transcriber

    transcriber = Transcriber(SpeechSettings(model=model, device=device))
    print(f"clips      0  held {held_mb():6.1f} MB  (models loaded)")
    held = [held_mb()]
    every = max(1, count // BATCH // PRINTS)
    began = time.perf_counter()
    for number, batch in enumerate(_batches(short_clips(clips), count), 1):
        transcriber.transcribe([Waveform(clip) for clip in batch])
        held.append(held_mb())
        if number % every == 0:
            print(f"clips {number * BATCH:6}  held {held[-1]:6.1f} MB", flush=True)
    rate = len(held[1:]) * BATCH / (time.perf_counter() - began)
    half, most = held[len(held) // 2 :], max(held)
    quarter = len(half) // 2
    print(f"{rate:.1f} clips/s, at most {most:.0f} MB held")
    if quarter:
        rise = float(np.mean(half[quarter:]) - np.mean(half[:quarter]))
        print(f"mean of the last quarter less that of the third: {rise:+.1f} MB")


def _batches(
    pieces: Sequence[NDArray[np.float32]], count: int
) -> Iterator[list[NDArray[np.float32]]]:
    """`count` clips by sixteen, in a new order each time round."""
    random = np.random.default_rng(1)
    order: list[int] = []
    for _ in range(count // BATCH):
        if len(order) < BATCH:
            order += [int(i) for i in random.permutation(len(pieces))]
        yield [pieces[i] for i in order[:BATCH]]
        del order[:BATCH]
