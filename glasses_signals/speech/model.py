"""Whisper's two graphs as batch operators: windows in, cross-attention out; tokens in, tokens out.

Arrays stay on the device between steps. B = rows, T = mel frames, C = T / 2, V = vocabulary.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasses_signals.models.sessions import DeviceArray, Session, best_precision, cpu_flags
from glasses_signals.models.store import BuiltModel

_NUMPY_TYPES: dict[str, np.dtype[Any]] = {
    "float": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
}

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
    first_timestamp: int


@dataclass(frozen=True, slots=True)
class Step:
    """One decoder step: `logits` [B, V] on the device, `token` and `log_probability` [B]."""

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
        self.precision = precision or best_precision(device, cpu_flags())
        self._encoder = Session(built.file(f"encoder.{self.precision}.onnx"), device, threads)
        self._decoder = Session(built.file(f"decoder.{self.precision}.onnx"), device, threads)
        self.provider = self._encoder.provider
        description = json.loads(built.file("whisper.json").read_text())
        self.tokens = Tokens(**description["tokens"])
        self.languages: dict[str, int] = description["languages"]
        self._vocabulary = [base64.b64decode(token) for token in description["vocabulary"]]
        self.bias = self._bias(description["suppress"])
        self.first_bias = self._bias([*description["suppress"], *description["suppress_first"]])
        self._cross = [name for name in self._encoder.outputs if name != "hidden"]
        kind, (_, heads, _, _) = self._decoder.inputs["past_k0"]
        self._float = _NUMPY_TYPES[kind]
        self._heads = int(str(heads))
        self._head_size = description["dims"]["n_text_state"] // self._heads
        self.memory_bytes_per_position = (
            len(self._cross) * description["dims"]["n_text_state"] * self._float.itemsize
        )

    def _bias(self, suppressed: Sequence[int]) -> NDArray[np.float32]:
        bias = np.zeros(int(str(self._decoder.outputs["logits"][1][1])), np.float32)
        bias[list(suppressed)] = -1e9
        return bias

    def text(self, tokens: Sequence[int]) -> str:
        """What the text tokens among these spell; bytes that are no UTF-8 become U+FFFD."""
        spelled = b"".join(self._vocabulary[t] for t in tokens if t < len(self._vocabulary))
        return spelled.decode("utf-8", errors="replace").strip()

    def prompt(self, language: str, task: int) -> list[int]:
        """Tokens that follow the start token: language and task, no timestamps."""
        if not self.languages:
            return [self.tokens.no_timestamps]
        return [self.languages[language], task, self.tokens.no_timestamps]

    def encode(self, powers: Sequence[NDArray[np.float32]], positions: int) -> Memory:
        """Cross-attention keys and values of `positions` for power spectra [T, 201].

        Silence computed beforehand follows each window, up to that many positions. On a CPU one
        row at a time, of any length, in place: larger batches fall out of its caches. Elsewhere
        all rows at once, as long as the longest.
        """
        if self._encoder.device != "cpu":
            longest = max(len(power) for power in powers)
            stacked = np.stack([np.pad(p, ((0, longest - len(p)), (0, 0))) for p in powers])
            feeds = {"power": stacked, "margin": np.array([positions - longest // 2])}
            return self._encoder.run_bound(feeds, self._cross)
        shape = (len(powers), self._heads, positions, self._head_size)
        arrays = {name: np.empty(shape, self._float) for name in self._cross}
        for row, power in enumerate(powers):
            outputs = {name: array[row : row + 1] for name, array in arrays.items()}
            margin = np.array([positions - len(power) // 2])
            self._encoder.run_into({"power": power[None], "margin": margin}, outputs)
        return {name: self._decoder.to_device(array) for name, array in arrays.items()}

    def no_past(self, rows: int) -> Memory:
        """The self-attention memory before the first token."""
        empty = self._decoder.to_device(
            np.zeros((rows, self._heads, 0, self._head_size), self._float)
        )
        return {name.replace("cross", "past"): empty for name in self._cross}

    def step(
        self, tokens: NDArray[np.int64], bias: NDArray[np.float32], past: Memory, cross: Memory
    ) -> Step:
        """Feed `tokens` [B, S]; gives the outputs after the last of them."""
        out = self._decoder.run_bound({"tokens": tokens, "bias": bias, **past, **cross})
        return Step(
            out["logits"],
            out["token"].numpy(),
            out["log_probability"].numpy(),
            {name: out[name.replace("past", "present")] for name in past},
        )

    def keep_rows(self, memory: Mapping[str, DeviceArray], rows: Sequence[int]) -> Memory:
        """The same memory with only these rows."""
        index = np.array(rows)
        return {
            name: self._decoder.to_device(array.numpy()[index]) for name, array in memory.items()
        }


def softmax(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Over the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    result: NDArray[np.float32] = (shifted / shifted.sum(-1, keepdims=True)).astype(np.float32)
    return result
