"""Whisper's two graphs as batch operators: windows in, cross-attention out; tokens in, tokens out.

Arrays stay on the device between steps. B = windows, R = rows (each window's beams, side by side),
T = mel frames, C = T / 2, V = vocabulary.

Memories always hold an even number of windows, one more than asked for where needed: ONNX Runtime's
8-bit products take rows by twos and sum an odd last row in another order, so that a row's last
digits, and with them now and then its text, would depend on how many rows there are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.models.sessions import DeviceArray, Session, best_precision, cpu_flags, zeros
from glasses_signals.models.store import BuiltModel

Memory = dict[str, DeviceArray]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids of the tokens that steer Whisper."""

    end: int
    start: int
    transcribe: int
    translate: int
    no_speech: int
    no_timestamps: int


@dataclass(frozen=True, slots=True)
class Step:
    """One decoder step: `logits` [R or more, V] on the device; `token` and `log_probability` [R, N]
    of the N likeliest tokens, likeliest first."""

    logits: DeviceArray
    token: NDArray[np.int64]
    log_probability: NDArray[np.float32]
    past: Memory


class WhisperModel:
    """Loads one built model in one precision. No state between calls; pickles."""

    def __init__(
        self,
        built: BuiltModel,
        device: str = "cpu",
        threads: int | None = None,
        precision: str | None = None,
    ) -> None:
        self.precision = precision or best_precision(device, cpu_flags(), built.precisions)
        self._encoder = Session(built.file(f"encoder.{self.precision}.onnx"), device, threads)
        self._decoder = Session(built.file(f"decoder.{self.precision}.onnx"), device, threads)
        self._rows = {
            kind: Session(built.file(f"{kind}_rows.{self.precision}.onnx"), device, threads)
            for kind in ("past", "cross")
        }
        self.provider = self._encoder.provider
        description = json.loads(built.file("whisper.json").read_text())
        self.tokens = Tokens(**description["tokens"])
        self.languages: dict[str, int] = description["languages"]
        self.vocabulary = [base64.b64decode(token) for token in description["vocabulary"]]
        size, suppressed = description["dims"]["n_vocab"], description["suppress"]
        self.bias = self._bias(size, suppressed)
        self.first_bias = self._bias(size, [*suppressed, *description["suppress_first"]])
        self._cross = [name for name in self._encoder.outputs if name != "hidden"]
        self._past = [name for name in self._decoder.inputs if name.startswith("past_")]

    def _bias(self, size: int, suppressed: Sequence[int]) -> DeviceArray:
        bias = np.zeros(size, np.float32)
        bias[list(suppressed)] = -1e9
        return self._decoder.to_device(bias)

    def text(self, tokens: Sequence[int]) -> str:
        """What the text tokens among these spell; bytes that are no UTF-8 become U+FFFD."""
        spelled = b"".join(self.vocabulary[t] for t in tokens if t < len(self.vocabulary))
        return spelled.decode("utf-8", errors="replace").strip()

    def prompt(self, language: str, task: int) -> list[int]:
        """Tokens that follow the start token: language and task, no timestamps."""
        if not self.languages:
            return [self.tokens.no_timestamps]
        return [self.languages[language], task, self.tokens.no_timestamps]

    def encode(self, powers: Sequence[NDArray[np.float32]], positions: int) -> Memory:
        """Cross-attention keys and values of `positions` for power spectra, float32 [T, 201].

        Silence computed beforehand follows each window, up to that many positions. On a CPU one
        row at a time, of any length, in place: larger batches fall out of its caches. Elsewhere
        all rows at once, as long as the longest.
        """
        if self._encoder.device != "cpu":
            longest = max(len(power) for power in powers)
            stacked = np.zeros((_even(len(powers)), longest, powers[0].shape[1]), np.float32)
            for row, power in enumerate(powers):
                stacked[row, : len(power)] = power
            feeds = {"power": stacked, "margin": np.array([positions - longest // 2])}
            return self._encoder.run_bound(feeds, self._cross)
        sizes = {"B": _even(len(powers)), "C": positions}
        arrays = {name: zeros(*self._encoder.outputs[name], sizes) for name in self._cross}
        for row, power in enumerate(powers):
            outputs = {name: array[row : row + 1] for name, array in arrays.items()}
            margin = np.array([positions - len(power) // 2])
            self._encoder.run_into({"power": power[None], "margin": margin}, outputs)
        return {name: self._decoder.to_device(array) for name, array in arrays.items()}

    def no_past(self, rows: int) -> Memory:
        """The self-attention memory before the first token."""
        sizes = {"R": _even(rows), "P": 0}
        return {
            name: self._decoder.to_device(zeros(*self._decoder.inputs[name], sizes))
            for name in self._past
        }

    def step(
        self,
        tokens: NDArray[np.int64],
        bias: DeviceArray,
        past: Memory,
        cross: Memory,
        candidates: int = 1,
    ) -> Step:
        """Feed `tokens`, int64 [R, S]; gives the outputs after the last of them. `cross` has B
        rows, R is a multiple of B."""
        rows = len(tokens)
        missing = next(iter(past.values())).shape[0] - rows
        out = self._decoder.run_bound(
            {
                "tokens": np.pad(tokens, ((0, missing), (0, 0)), "edge"),
                "bias": bias,
                "candidates": np.array([candidates], np.int64),
                **past,
                **cross,
            }
        )
        return Step(
            out["logits"],
            out["token"].numpy()[:rows],
            out["log_probability"].numpy()[:rows],
            {name: out[name.replace("past", "present")] for name in past},
        )

    def keep_rows(self, memory: Memory, rows: Sequence[int], beams: int = 1) -> Memory:
        """The same memory with only these rows, in this order, `beams` of them for each window."""
        windows = len(rows) // beams
        index = [*rows, *rows[-beams:]] if windows % 2 else rows
        kind = "cross" if "cross_k0" in memory else "past"
        kept = self._rows[kind].run_bound({"rows": np.array(index, np.int64), **memory})
        return {name.removeprefix("kept_"): array for name, array in kept.items()}


def _even(count: int) -> int:
    return count + count % 2
