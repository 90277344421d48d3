"""The weights of a Whisper manifest in the formats of the engines that `speech.py` compares.

Made once, beside the built models, from the manifest's own sources.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from glasses_signals.models.manifest import Manifest, load_manifest
from glasses_signals.models.store import cache_dir


def prepare(name: str, contestants: Sequence[str]) -> None:
    """Make what these contestants need, before any of them is timed."""
    makers: dict[str, Callable[[str], Path]] = {
        "fw1": ctranslate2,
        "fw5": ctranslate2,
        "openai": torch_checkpoint,
        "cpp": ggml,
        "s2t": ctranslate2,
    }
    for contestant in contestants:
        if contestant in makers:
            makers[contestant](name)


def _folder(name: str) -> Path:
    folder = cache_dir() / "benchmark" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _parts(manifest: Manifest) -> list[Path]:
    return [s.checked() for s in manifest.sources if s.name.startswith("weights")]


def ctranslate2(name: str) -> Path:
    """A folder for faster-whisper: its `model.bin` in one piece beside its configuration."""
    folder = _folder(name) / "ctranslate2"
    model = folder / "model.bin"
    if not model.exists():
        folder.mkdir(exist_ok=True)
        parts = _parts(load_manifest(name))
        for file in parts[-1].parent.glob("*.json"):
            shutil.copy(file, folder)
        whole = b"".join(part.read_bytes() for part in parts)
        _write(model, whole)
    return folder


def torch_checkpoint(name: str) -> Path:
    """A `.pt` file for openai-whisper."""
    path = _folder(name) / "whisper.pt"
    if not path.exists():
        import torch

        from glasses_signals.models.recipes.whisper_weights import load_whisper

        model = load_whisper(_parts(load_manifest(name)))
        unfinished = path.with_suffix(".unfinished")
        torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, unfinished)
        unfinished.replace(path)
    return path


def ggml(name: str) -> Path:
    """A half-precision file for whisper.cpp, as its `convert-pt-to-ggml.py` writes it."""
    path = _folder(name) / "ggml-f16.bin"
    if path.exists():
        return path
    import whisper
    from whisper.tokenizer import get_tokenizer

    from glasses_signals.models.recipes.whisper_weights import load_whisper

    model = load_whisper(_parts(load_manifest(name)))
    dims = model.dims
    encoding = get_tokenizer(model.is_multilingual, num_languages=model.num_languages).encoding
    filters = whisper.audio.mel_filters("cpu", dims.n_mels).numpy()
    sizes = (
        *(dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head),
        *(dims.n_audio_layer, dims.n_text_ctx, dims.n_text_state, dims.n_text_head),
        *(dims.n_text_layer, dims.n_mels, 1),
    )
    out = [struct.pack("<I11i", 0x67676D6C, *sizes)]
    out += [struct.pack("<2i", *filters.shape), filters.astype(np.float32).tobytes()]
    ranks = encoding._mergeable_ranks
    out.append(struct.pack("<i", len(ranks)))
    for token in sorted(ranks, key=ranks.__getitem__):
        out += [struct.pack("<i", len(token)), token]
    for key, tensor in model.state_dict().items():
        out.append(_ggml_tensor(key, tensor.numpy()))
    _write(path, b"".join(out))
    return path


def _ggml_tensor(key: str, array: np.ndarray) -> bytes:
    if key in ("encoder.conv1.bias", "encoder.conv2.bias"):
        array = array.reshape(-1, 1)
    whole = array.ndim < 2 or key.endswith(("positional_embedding", "conv1.bias", "conv2.bias"))
    array = np.ascontiguousarray(array, np.float32 if whole else np.float16)
    spelled = key.encode()
    head = struct.pack("<3i", array.ndim, len(spelled), 0 if whole else 1)
    shape = struct.pack(f"<{array.ndim}i", *reversed(array.shape))
    return head + shape + spelled + array.tobytes()


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(data)
    unfinished.replace(path)
