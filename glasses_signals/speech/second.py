"""A second listener: Moonshine hears again the English words that Whisper is not sure of.

Two recognisers that were trained apart mishear different words. Both texts go on: what either of
them makes sensitive is left out, and what both of them suggest is likelier true.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasses_signals.models.sessions import Session, best_precision, cpu_flags, zeros
from glasses_signals.models.store import open_model
from glasses_signals.records import Hearing
from glasses_signals.speech.mel import SAMPLE_RATE

_TOKENS_PER_S = 6.5  # more are a runaway, as Moonshine's makers found
_SPARE_TOKENS = 4
_SHORTEST_S = 0.5
# Windows in a batch have as many positions, filled up to a multiple: what a window gives must not
# depend on the others.
_STEP_POSITIONS = 128


@dataclass(frozen=True, slots=True)
class SecondSettings:
    """`below`: windows are heard again whose words Whisper gives a lower probability, per token,
    with up to `margin_s` of what surrounds them, but not what is over `longest_s` then: it takes
    much memory, and has words enough around each word. `least`: words that get less from the second
    listener itself count as not heard."""

    model: str = "moonshine-base"
    below: float = 0.92
    margin_s: float = 0.8
    longest_s: float = 12.0
    least: float = 0.5
    batch_rows: int = 8
    batch_positions: int = 1024  # whose keys and values a batch may hold, 7 MB in 8 bit


class SecondListener:
    """Batch operator: sounds of English speech in, what was heard out, in the same order."""

    def __init__(
        self, settings: SecondSettings, device: str, threads: int, precision: str | None = None
    ) -> None:
        """Open the model, to run on `threads` cores. BadModel when it isn't built."""
        built = open_model(settings.model)
        self._settings = settings
        self._lanes = threads if device == "cpu" else 1
        self.precision = precision or best_precision(device, cpu_flags(), built.precisions)
        self._encoder, self._decoder = (
            Session(built.file(f"{name}.{self.precision}.onnx"), device, threads // self._lanes)
            for name in ("encoder", "decoder")
        )
        described = json.loads(built.file("moonshine.json").read_text())
        self._vocabulary = [base64.b64decode(token) for token in described["vocabulary"]]
        self._start, self._end = int(described["start"]), int(described["end"])
        free = np.zeros(len(self._vocabulary), np.float32)
        worded = free.copy()
        worded[self._end] = -1e9  # there is speech: it gives a word at least
        self._first_bias, self._bias = map(self._decoder.to_device, (worded, free))
        self.models = {f"{built.name}-{self.precision}": built.sha256}

    def __call__(self, sounds: Sequence[NDArray[np.float32]]) -> list[Hearing | None]:
        """What is heard in each of `sounds`, float32 [N] at 16 kHz; None: no words to believe."""
        heard: list[Hearing | None] = [None] * len(sounds)
        groups = list(self._groups(sounds))
        with ThreadPoolExecutor(self._lanes, "second") as lanes:
            results = lanes.map(lambda group: self._hear([sounds[i] for i in group]), groups)
            for group, found in zip(groups, results, strict=True):
                for place, hearing in zip(group, found, strict=True):
                    heard[place] = hearing
        return heard

    def _groups(self, sounds: Sequence[NDArray[np.float32]]) -> Iterator[list[int]]:
        """Places of sounds that fill up to as many positions, the longest first."""
        group: list[int] = []
        for place in sorted(range(len(sounds)), key=lambda i: -len(sounds[i])):
            held = max(1, self._settings.batch_positions // _filled(sounds[place]))
            full = len(group) >= min(self._settings.batch_rows, held)
            if group and (full or _filled(sounds[place]) != _filled(sounds[group[0]])):
                yield group
                group = []
            group.append(place)
        if group:
            yield group

    def _hear(self, sounds: Sequence[NDArray[np.float32]]) -> list[Hearing | None]:
        """The likeliest token each time, until every row has ended or is a runaway."""
        count = len(sounds)
        cross, lengths = self._encoded(sounds)
        durations_s = [max(len(sound) / SAMPLE_RATE, _SHORTEST_S) for sound in sounds]
        most = [_SPARE_TOKENS + int(_TOKENS_PER_S * duration_s) for duration_s in durations_s]
        tokens: list[list[int]] = [[] for _ in sounds]
        sums, ended = np.zeros(count), np.zeros(count, bool)
        sizes = {"B": len(lengths), "P": 0}
        past: dict[str, Any] = {
            name: self._decoder.to_device(zeros(*described, sizes))
            for name, described in self._decoder.inputs.items()
            if name.startswith("past_")
        }
        memory = {name: self._decoder.to_device(array) for name, array in cross.items()}
        fed = np.full((len(lengths), 1), self._start, np.int64)
        bias = self._first_bias
        for step in range(max(most)):
            out = self._decoder.run_bound(
                {"tokens": fed, "bias": bias, "lengths": lengths, **past, **memory}
            )
            past = {name: out[name.replace("past", "present")] for name in past}
            fed, bias = out["token"].numpy(), self._bias
            log_probability = out["log_probability"].numpy()
            for row in np.flatnonzero(~ended):
                sums[row] += log_probability[row, 0]
                if fed[row, 0] == self._end:
                    ended[row] = True
                else:
                    tokens[row].append(int(fed[row, 0]))
            if all(ended | (step + 1 >= np.array(most))):
                break
        return [
            self._hearing(found, float(total) / (len(found) + 1)) if done else None
            for found, total, done in zip(tokens, sums, ended, strict=True)
        ]

    def _encoded(
        self, sounds: Sequence[NDArray[np.float32]]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.int32]]:
        """Memories of an even number of rows, filled up with zeros, and how long each row is: the
        8-bit products take rows by twos (see `speech/model.py`)."""
        rows = len(sounds) + len(sounds) % 2
        lengths = np.ones(rows, np.int32)
        sizes = {"B": rows, "C": max(map(_filled, sounds))}
        memory = {n: zeros(*described, sizes) for n, described in self._encoder.outputs.items()}
        for row, sound in enumerate(sounds):
            samples = np.pad(sound, (0, max(0, int(_SHORTEST_S * SAMPLE_RATE) - len(sound))))
            encoded = self._encoder.run({"samples": samples[None]})
            found = dict(zip(self._encoder.outputs, encoded, strict=True))
            for name, array in found.items():
                memory[name][row][tuple(map(slice, array.shape[1:]))] = array[0]
            lengths[row] = found["cross_v0"].shape[2]
        return memory, lengths

    def _hearing(self, tokens: Sequence[int], mean_log_probability: float) -> Hearing | None:
        spelled = b"".join(self._vocabulary[token] for token in tokens)
        text = spelled.decode("utf-8", errors="replace").strip()
        if not text or math.exp(mean_log_probability) < self._settings.least:
            return None
        return Hearing(text, mean_log_probability)


def _filled(sound: NDArray[np.float32]) -> int:
    """Positions of a window after filling up: one for every 384 samples at most."""
    return -(-max(1, len(sound)) // (384 * _STEP_POSITIONS)) * _STEP_POSITIONS
