"""Builds an openai-whisper checkpoint for ONNX Runtime, in one precision per kind of processor.

Makes `encoder.P.onnx`, `decoder.P.onnx`, `past_rows.P.onnx` and `cross_rows.P.onnx` for each
precision P, and `whisper.json`: dimensions, vocabulary and special tokens, so that running needs
neither torch nor openai-whisper.

Sources named `weights`, or `weights.1`, `weights.2`, … for a file in parts. Manifest keys under
[recipe]: `precisions`, and `parity_audio`, 16 kHz mono 16-bit WAV files (glob patterns relative to
the manifest) that torch and every precision must hear the same in.
"""

from __future__ import annotations

import base64
import json
import re
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import whisper
from numpy.typing import NDArray
from whisper.tokenizer import Tokenizer, get_tokenizer

from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes import whisper_graph
from glasses_signals.models.recipes.parity import empty_past, require, run_named
from glasses_signals.models.recipes.whisper_weights import load_whisper

_SAMPLE_RATE = 16_000
_FRAME_SAMPLES = 160  # 10 ms a mel frame
_PARITY_MARGIN_S = 6  # silence after a parity clip, as much as keeps short windows accurate
_MOST_TOKENS = 60


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Write all files into `out`; gives the parity figures. BadModel under a parity bound."""
    model = load_whisper([sources[name] for name in sorted(sources) if name.startswith("weights")])
    tokenizer = get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language=None, task=None
    )
    (out / "whisper.json").write_text(json.dumps(_description(model, tokenizer)))
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    dims = model.dims
    filters = whisper.audio.mel_filters("cpu", dims.n_mels).numpy()
    silence = _silence(model)
    facts: dict[str, float | str] = {}
    clips = _parity_clips(manifest)
    with torch.no_grad():
        heard = [_greedy_torch(model, tokenizer, clip) for clip in clips]
    precisions = manifest.recipe.get("precisions", ["fp32"])
    assert isinstance(precisions, list)
    for precision in precisions:
        graphs = {
            "encoder": whisper_graph.encoder(
                weights,
                dims.n_audio_head,
                dims.n_audio_layer,
                dims.n_text_layer,
                precision,
                filters,
                silence,
            ),
            "decoder": whisper_graph.decoder(
                weights, dims.n_text_head, dims.n_text_layer, precision
            ),
            "past_rows": whisper_graph.past_rows(dims.n_text_head, dims.n_text_layer, precision),
            "cross_rows": whisper_graph.cross_rows(dims.n_text_head, dims.n_text_layer, precision),
        }
        for name, graph in graphs.items():
            onnx.save(graph, out / f"{name}.{precision}.onnx")
        facts |= _parity(out, precision, model, tokenizer, clips, heard)
    _check(manifest, facts)
    return facts


def _description(model: whisper.Whisper, tokenizer: Tokenizer) -> dict[str, Any]:
    """Everything that decoding must know about the checkpoint besides its graphs."""
    vocabulary = [
        base64.b64encode(tokenizer.encoding.decode_single_token_bytes(token)).decode()
        for token in range(tokenizer.eot)
    ]
    languages = dict(zip(tokenizer.all_language_codes, tokenizer.all_language_tokens, strict=True))
    return {
        "dims": vars(model.dims),
        "vocabulary": vocabulary,
        "languages": languages if model.is_multilingual else {},
        "tokens": {
            "end": tokenizer.eot,
            "start": tokenizer.sot,
            "transcribe": tokenizer.transcribe,
            "translate": tokenizer.translate,
            "no_speech": tokenizer.no_speech,
            "no_timestamps": tokenizer.no_timestamps,
        },
        "suppress": _suppressed(tokenizer),
        "suppress_first": [*tokenizer.encoding.encode(" "), tokenizer.eot],
    }


def _suppressed(tokenizer: Tokenizer) -> list[int]:
    """openai-whisper's default list: what is not speech, and tokens that steer the decoder."""
    steering = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *steering, *tokenizer.all_language_tokens})


def _parity_clips(manifest: Manifest) -> list[NDArray[np.float32]]:
    """Samples of the parity clips that are there; an installed wheel has none."""
    patterns = manifest.recipe.get("parity_audio", [])
    assert isinstance(patterns, list)
    paths = sorted(path for pattern in patterns for path in manifest.path.parent.glob(pattern))
    return [_parity_clip(path) for path in paths]


def _parity_clip(path: Path) -> NDArray[np.float32]:
    """Samples [N] with a margin of silence, a whole number of encoder positions."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    samples = np.pad(
        pcm.astype(np.float32) / np.float32(32768), (0, _PARITY_MARGIN_S * _SAMPLE_RATE)
    )
    position = 2 * _FRAME_SAMPLES
    return samples[: len(samples) // position * position]


def _mel(model: whisper.Whisper, clip: NDArray[np.float32]) -> torch.Tensor:
    """Whisper's features [1, M, T], at the volume that the graphs bring every window to."""
    mel = whisper.log_mel_spectrogram(torch.from_numpy(clip), model.dims.n_mels)[None]
    return mel - mel.max() + (whisper_graph.PEAK + 4) / 4


def _power(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """The graph's input [1, T, 201], as `whisper.log_mel_spectrogram` computes it on its way."""
    size = whisper.audio.N_FFT
    spectrum = torch.stft(
        torch.from_numpy(clip),
        size,
        whisper.audio.HOP_LENGTH,
        window=torch.hann_window(size),
        return_complex=True,
    )
    return np.ascontiguousarray((spectrum[:, :-1].abs() ** 2).numpy().T[None])


def _silence(model: whisper.Whisper) -> dict[str, NDArray[np.float32]]:
    """Keys and values before biases, [positions, width], of a whole window of silence: of every
    encoder layer's attention, and of the decoder's attention to it."""
    tables: dict[str, NDArray[np.float32]] = {}

    def record(name: str) -> Any:
        def hook(module: torch.nn.Linear, _: object, output: torch.Tensor) -> None:
            plain = output if module.bias is None else output - module.bias
            tables[name] = plain[0].numpy()

        return hook

    layers = {
        f"{name}.{part}": getattr(module, part)
        for name, module in model.named_modules()
        if re.fullmatch(r"encoder\.blocks\.\d+\.attn|decoder\.blocks\.\d+\.cross_attn", name)
        for part in ("key", "value")
    }
    hooks = [layer.register_forward_hook(record(name)) for name, layer in layers.items()]
    shape = (1, model.dims.n_mels, 2 * model.dims.n_audio_ctx)
    with torch.no_grad():
        hidden = model.encoder(torch.full(shape, whisper_graph.SILENCE))
        model.decoder(torch.tensor([[0]]), hidden)
    for hook in hooks:
        hook.remove()
    return tables


def _encode_torch(model: whisper.Whisper, mel: torch.Tensor) -> torch.Tensor:
    """The reference encoder on a short window: position embeddings cut to its length."""
    whole = model.encoder.positional_embedding
    try:
        model.encoder.positional_embedding = whole[: mel.shape[-1] // 2]
        return model.encoder(mel)
    finally:
        model.encoder.positional_embedding = whole


def _greedy_torch(
    model: whisper.Whisper, tokenizer: Tokenizer, clip: NDArray[np.float32]
) -> tuple[NDArray[np.float32], list[int]]:
    """(encoder output, greedy tokens) of torch."""
    hidden = _encode_torch(model, _mel(model, clip))
    tokens = list(tokenizer.sot_sequence_including_notimestamps)
    first = len(tokens)
    bias = torch.from_numpy(_bias(model.dims.n_vocab, _suppressed(tokenizer)))
    cache, hooks = model.install_kv_cache_hooks()
    fed = tokens
    while len(tokens) < first + _MOST_TOKENS and tokens[-1] != tokenizer.eot:
        logits = model.decoder(torch.tensor([fed]), hidden, kv_cache=cache)[0, -1] + bias
        if len(tokens) == first:
            logits[tokenizer.eot] = -torch.inf
        fed = [int(logits.argmax())]
        tokens += fed
    for hook in hooks:
        hook.remove()
    return hidden.numpy(), tokens[first:]


def _bias(size: int, suppressed: Sequence[int]) -> NDArray[np.float32]:
    bias = np.zeros(size, np.float32)
    bias[list(suppressed)] = -1e9
    return bias


def _parity(
    out: Path,
    precision: str,
    model: whisper.Whisper,
    tokenizer: Tokenizer,
    clips: Sequence[NDArray[np.float32]],
    heard: Sequence[tuple[NDArray[np.float32], list[int]]],
) -> dict[str, float | str]:
    """Mean relative error of the encoder's output, and the share of clips with torch's tokens."""
    if not clips:
        return {}
    encoder, decoder = (
        onnxruntime.InferenceSession(
            out / f"{name}.{precision}.onnx", providers=["CPUExecutionProvider"]
        )
        for name in ("encoder", "decoder")
    )
    errors, same = [], 0
    for clip, (reference, tokens) in zip(clips, heard, strict=True):
        outputs = run_named(encoder, {"power": _power(clip), "margin": np.array([0])})
        error = np.abs(outputs.pop("hidden").astype(np.float32) - reference).mean()
        errors.append(float(error / np.abs(reference).mean()))
        same += _greedy(decoder, outputs, model, tokenizer) == tokens
    return {
        f"encoder_error_{precision}": round(max(errors), 6),
        f"same_tokens_{precision}": round(same / len(clips), 4),
    }


def _greedy(
    decoder: onnxruntime.InferenceSession,
    cross: dict[str, NDArray[Any]],
    model: whisper.Whisper,
    tokenizer: Tokenizer,
) -> list[int]:
    past = empty_past(decoder)
    suppressed = _suppressed(tokenizer)
    bias = _bias(model.dims.n_vocab, [*suppressed, tokenizer.eot])
    fed, tokens = list(tokenizer.sot_sequence_including_notimestamps), [-1]
    while len(tokens) <= _MOST_TOKENS and tokens[-1] != tokenizer.eot:
        feeds = {"tokens": np.array([fed]), "bias": bias, "candidates": np.array([1])}
        result = run_named(decoder, {**feeds, **past, **cross})
        past = {name: result[name.replace("past", "present")] for name in past}
        fed = [int(result["token"][0, 0])]
        tokens += fed
        bias = _bias(model.dims.n_vocab, suppressed)
    return tokens[1:]


def _check(manifest: Manifest, facts: Mapping[str, float | str]) -> None:
    """Bounds named `encoder_error_*` are upper ones, `same_tokens_*` lower ones."""
    for name in manifest.parity:
        figure = facts.get(name)
        if isinstance(figure, float):
            require(manifest, name, figure, at_least=name.startswith("same_tokens"))
