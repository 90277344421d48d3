"""Silero VAD: the package's own ONNX files, checked against its TorchScript model.

Two files, same weights: `step.onnx` takes one 32 ms chunk of many clips, `sequence.onnx` all chunks
of one clip in a single run.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes.parity import require, speech_clip

SAMPLE_RATE = 16_000
CHUNK_SAMPLES = 512  # the model's only chunk size at 16 kHz
CONTEXT_SAMPLES = 64  # end of the chunk before, put in front of each chunk
STATE_SIZE = 128


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Copy the two ONNX files; facts: largest difference of speech probability on a real clip."""
    step, sequence = out / "step.onnx", out / "sequence.onnx"
    shutil.copyfile(sources["step"], step)
    shutil.copyfile(sources["sequence"], sequence)
    chunks = _chunks(speech_clip())
    reference = _reference(sources["reference"], chunks)
    bound = "max_probability_difference"
    return {
        "step_" + bound: require(manifest, bound, _difference(_step(step, chunks), reference)),
        "sequence_" + bound: require(
            manifest, bound, _difference(_sequence(sequence, chunks), reference)
        ),
        "speech_share_of_clip": float((reference > 0.5).mean()),
    }


def _chunks(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [N] -> [T, 64 + 512]: each chunk behind its context; a last part chunk is dropped."""
    count = len(samples) // CHUNK_SAMPLES
    padded = np.concatenate([np.zeros(CONTEXT_SAMPLES, np.float32), samples])
    width = CONTEXT_SAMPLES + CHUNK_SAMPLES
    return np.stack([padded[i * CHUNK_SAMPLES :][:width] for i in range(count)])


def _reference(path: Path, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Speech probabilities [T] of the package's TorchScript model, which keeps its own context."""
    torch.set_num_threads(1)
    model = torch.jit.load(str(path), map_location="cpu").eval()
    with torch.inference_mode():
        return np.array(
            [
                float(model(torch.from_numpy(chunk[None, CONTEXT_SAMPLES:]), SAMPLE_RATE))
                for chunk in chunks
            ],
            np.float32,
        )


def _step(path: Path, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state = np.zeros((2, 1, STATE_SIZE), np.float32)
    rate = np.array(SAMPLE_RATE, np.int64)
    probabilities = []
    for chunk in chunks:
        speech, state = session.run(None, {"input": chunk[None], "state": state, "sr": rate})
        probabilities.append(speech[0, 0])
    return np.array(probabilities, np.float32)


def _sequence(path: Path, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    zero = np.zeros((1, 1, STATE_SIZE), np.float32)
    speech: NDArray[np.float32] = session.run(None, {"input": chunks, "h": zero, "c": zero})[0]
    return speech


def _difference(ours: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    return float(np.abs(ours - reference).max())
