"""Sentence embeddings that don't depend on which texts are encoded together.

A text is padded to a length that follows from the text alone, and the model's products keep rows
apart in every precision, so a text has the same bits in any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from glasses_signals.models.sessions import Session, best_precision, cpu_flags, resolve_device
from glasses_signals.models.store import open_model

# Tokens a text is padded to: close steps where requests are (3 to 26 tokens), few shapes in all.
_LENGTHS = np.array([6, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128])
_BATCH_TOKENS = 512  # larger ones gain nothing on a CPU: they leave its cache
# CUDA picks its matrix kernels by shape, so there every batch of a length has the same shape.
_CUDA_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """`model` is a model's name or manifest path; `threads` None means all CPUs; `precision` is
    `fp32`, `fp16` or `int8`, None for the fastest on this machine."""

    model: str = "all-minilm-l6-v2"
    device: str = "auto"
    threads: int | None = None
    precision: str | None = None


class TextEncoder:
    """Texts to unit vectors whose dot product tells how alike in meaning they are."""

    def __init__(self, settings: EncoderSettings = EncoderSettings()) -> None:
        """Open the model. BadModel when it isn't built or can't run on the device."""
        self._settings = settings
        model = open_model(settings.model)
        device = resolve_device(settings.device)
        self.precision = settings.precision or best_precision(device, cpu_flags(), model.precisions)
        graph = model.file(f"encoder.{self.precision}.onnx")
        self._session = Session(graph, device, settings.threads)
        self._tokenizer = Tokenizer.from_file(str(model.file("tokenizer.json")))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(_LENGTHS[-1]))
        self.models: Mapping[str, str] = {model.name: model.sha256}
        self.provider = self._session.provider
        self.width = int(str(self._session.outputs["embedding"][1][1]))

    def __reduce__(self) -> tuple[Any, ...]:
        return TextEncoder, (self._settings,)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts [B] -> float32 [B, width], unit length. What is past 128 tokens is not read.

        Equal texts are encoded once. An empty text has a vector like any other.
        """
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        encodings = self._tokenizer.encode_batch(list(rows))
        ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
        vectors = np.empty((len(rows), self.width), np.float32)
        for length, members in _batches(np.array([len(row) for row in ids], int), self._batch_rows):
            vectors[members] = self._run([ids[member] for member in members], length)
        return vectors[[rows[text] for text in texts]]

    def _batch_rows(self, length: int) -> int:
        on_cpu = self._session.device == "cpu"
        return (_BATCH_TOKENS if on_cpu else _CUDA_BATCH_TOKENS) // length

    def _run(self, ids: Sequence[NDArray[np.int32]], length: int) -> NDArray[np.float32]:
        """Token ids of one batch, each at most `length` long -> float32 [len(ids), width]."""
        height = len(ids) if self._session.device == "cpu" else self._batch_rows(length)
        tokens = np.zeros((height, length), np.int32)  # 0 is [PAD]
        mask = np.zeros_like(tokens)
        mask[len(ids) :, 0] = 1  # an empty row would have no mean
        for row, known in enumerate(ids):
            tokens[row, : len(known)] = known
            mask[row, : len(known)] = 1
        (vectors,) = self._session.run({"input_ids": tokens, "attention_mask": mask})
        return vectors[: len(ids)]


def _batches(
    counts: NDArray[np.int_], rows_of: Callable[[int], int]
) -> Iterator[tuple[int, list[int]]]:
    """(padded length, positions) of each batch, for texts of these token counts."""
    padded = np.searchsorted(_LENGTHS, counts)
    for index, length in enumerate(_LENGTHS.tolist()):
        members = np.flatnonzero(padded == index).tolist()
        step = rows_of(length)
        for start in range(0, len(members), step):
            yield length, members[start : start + step]
