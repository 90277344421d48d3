"""Reads Whisper checkpoints: openai-whisper's `.pt`, or CTranslate2's `model.bin`, also in parts.

Both end as openai-whisper's own `ModelDimensions` and state dict.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from whisper.model import ModelDimensions, Whisper

from glasses_signals.errors import BadModel

# CTranslate2 binary version 6, `src/models/model.cc`: dtype codes of a variable.
_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_CTRANSLATE2_VERSION = 6
_HEAD_SIZE = 64  # every Whisper size has heads of 64

# CTranslate2's sublayers in openai-whisper's words.
_SUBLAYERS = {
    "self_attention/layer_norm": "attn_ln",
    "attention/layer_norm": "cross_attn_ln",
    "ffn/layer_norm": "mlp_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
    "self_attention/linear_1": "attn.out",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
}
# Fused projections and the parts they hold, in order.
_FUSED = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}
_OUTER = {
    "encoder/conv1/weight": "encoder.conv1.weight",
    "encoder/conv1/bias": "encoder.conv1.bias",
    "encoder/conv2/weight": "encoder.conv2.weight",
    "encoder/conv2/bias": "encoder.conv2.bias",
    "encoder/position_encodings/encodings": "encoder.positional_embedding",
    "encoder/layer_norm/gamma": "encoder.ln_post.weight",
    "encoder/layer_norm/beta": "encoder.ln_post.bias",
    "decoder/embeddings/weight": "decoder.token_embedding.weight",
    "decoder/position_encodings/encodings": "decoder.positional_embedding",
    "decoder/layer_norm/gamma": "decoder.ln.weight",
    "decoder/layer_norm/beta": "decoder.ln.bias",
}
_LEAVES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def load_whisper(parts: Sequence[Path]) -> Whisper:
    """The torch model, float32, evaluation mode, of a checkpoint given as one file or as parts."""
    data = b"".join(part.read_bytes() for part in parts)
    if data.startswith(b"PK"):
        checkpoint = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        dims, state = ModelDimensions(**checkpoint["dims"]), checkpoint["model_state_dict"]
    elif data[:4] == struct.pack("<I", _CTRANSLATE2_VERSION) and b"WhisperSpec" in data[:32]:
        arrays = _state_of(_read_ctranslate2(data))
        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        dims = _dimensions(arrays)
    else:
        raise BadModel(
            f"{parts[0]} is no Whisper checkpoint: give openai-whisper's .pt or a "
            "CTranslate2 model.bin"
        )
    model = Whisper(dims)
    missing, unexpected = model.load_state_dict(state, strict=False)
    # Masks and positions are buffers that some checkpoints leave out; weights must all be there.
    lost = [name for name in missing if not name.endswith(("mask", "positional_embedding"))]
    if lost or unexpected:
        raise BadModel(f"{parts[0]}: weights missing {lost[:3]}, unknown {list(unexpected)[:3]}")
    return model.float().eval()


def _read_ctranslate2(data: bytes) -> dict[str, NDArray[np.generic]]:
    at = 4

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        value = data[at : at + length - 1].decode()  # the length counts a closing zero byte
        at += length
        return value

    text()
    number("I")
    arrays = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        dtype = _DTYPES[number("B")]
        size = number("I")
        arrays[name] = np.frombuffer(data, dtype, size // np.dtype(dtype).itemsize, at).reshape(
            shape
        )
        at += size
    return arrays


def _state_of(arrays: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    state: dict[str, NDArray[np.float32]] = {}
    for name, array in arrays.items():
        value = np.array(array, np.float32)
        if name in _OUTER:
            state[_OUTER[name]] = value
        elif "/layer_" in name:
            side, layer, rest = name.split("/", 2)
            sublayer, leaf = rest.rsplit("/", 1)
            block = f"{side}.blocks.{layer.removeprefix('layer_')}"
            if sublayer in _SUBLAYERS and leaf in _LEAVES:
                state[f"{block}.{_SUBLAYERS[sublayer]}.{_LEAVES[leaf]}"] = value
            elif sublayer in _FUSED:
                targets = _FUSED[sublayer]
                for target, piece in zip(targets, np.split(value, len(targets)), strict=True):
                    # Whisper's key projections have no bias; CTranslate2 stores zeros for it.
                    if not (leaf == "bias" and target.endswith("key")):
                        state[f"{block}.{target}.{leaf}"] = piece.copy()
    return state


def _dimensions(state: dict[str, NDArray[np.float32]]) -> ModelDimensions:
    width, n_mels, _ = state["encoder.conv1.weight"].shape
    layers = {
        side: 1 + max(int(k.split(".")[2]) for k in state if k.startswith(f"{side}.blocks."))
        for side in ("encoder", "decoder")
    }
    return ModelDimensions(
        n_mels=n_mels,
        n_audio_ctx=state["encoder.positional_embedding"].shape[0],
        n_audio_state=width,
        n_audio_head=width // _HEAD_SIZE,
        n_audio_layer=layers["encoder"],
        n_vocab=state["decoder.token_embedding.weight"].shape[0],
        n_text_ctx=state["decoder.positional_embedding"].shape[0],
        n_text_state=width,
        n_text_head=width // _HEAD_SIZE,
        n_text_layer=layers["decoder"],
    )
