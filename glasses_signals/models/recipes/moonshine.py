"""Builds Moonshine, a listener for English only, for ONNX Runtime.

Its weights come as the 8-bit ONNX files `encoder` and `decoder` of its makers' package, and are
taken out of them; `tokenizer` is the vocabulary. Makes `encoder.P.onnx` and `decoder.P.onnx` for
each precision P of the manifest's [recipe], and `moonshine.json`. Every precision must hear the
parity clip as the makers' files do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes import moonshine_graph
from glasses_signals.models.recipes.parity import empty_past, require, run_named, speech_clip

_MOST_TOKENS = 80
_START, _END = 1, 2
_CLIP_SAMPLES = 11 * 16_000

# The makers' names of matrices, by ours.
_ENCODER_PARTS = {
    **{short: f"self_attn/{short}_proj" for short in "qkv"},
    "out": "self_attn/dense",
    "fc1": "mlp/fc1",
    "fc2": "mlp/fc2",
}
_DECODER_PARTS = {
    **{short: f"self_attn/{short}_proj" for short in "qkv"},
    **{f"cross.{short}": f"encoder_attn/{short}_proj" for short in "qkv"},
    "out": "self_attn/dense",
    "cross.out": "encoder_attn/dense",
    "up": "mlp/up_proj",
    "down": "mlp/down_proj",
}
_ENCODER_NORMS = {"attn_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
_DECODER_NORMS = {
    "attn_norm": "input_layernorm",
    "cross_norm": "post_attention_layernorm",
    "mlp_norm": "final_layernorm",
}


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Write all files into `out`; gives the parity figures. BadModel under a parity bound."""
    weights, heads, layers = _weights(sources["encoder"], sources["decoder"])
    tokens = _vocabulary(sources["tokenizer"], len(weights["embedding"]))
    (out / "moonshine.json").write_text(
        json.dumps(
            {
                "vocabulary": [base64.b64encode(token).decode() for token in tokens],
                "start": _START,
                "end": _END,
            }
        )
    )
    clip = speech_clip()[:_CLIP_SAMPLES]
    reference = _heard_by_reference(sources["encoder"], sources["decoder"], clip)
    facts: dict[str, float | str] = {}
    precisions = manifest.recipe.get("precisions", ["fp32"])
    assert isinstance(precisions, list)
    for precision in precisions:
        graphs = {
            "encoder": moonshine_graph.encoder(weights, heads, layers, precision),
            "decoder": moonshine_graph.decoder(weights, heads, layers, precision),
        }
        for name, graph in graphs.items():
            onnx.save(graph, out / f"{name}.{precision}.onnx")
        heard = _heard(out, precision, clip, len(tokens))
        same = sum(a == b for a, b in zip(heard, reference, strict=False)) / len(reference)
        bound = f"same_tokens_{precision}"
        facts[bound] = require(manifest, bound, round(same, 4), at_least=True)
    return facts


def _weights(encoder: Path, decoder: Path) -> tuple[dict[str, NDArray[np.float32]], int, int]:
    """(matrices [in, out] and vectors by our names, heads, layers)."""
    first, second = _Stored(encoder), _Stored(decoder)
    inputs = {i.name: i for i in onnx.load(decoder).graph.input}
    layers = sum(name.endswith("decoder.key") for name in inputs)
    shape = inputs["past_key_values.0.decoder.key"].type.tensor_type.shape.dim
    heads = int(shape[1].dim_value)
    found: dict[str, NDArray[np.float32]] = {
        "embedding": second.value("model.decoder.embed_tokens.weight"),
        "stem.norm.weight": first.value_of("/groupnorm/Mul"),
        "stem.norm.bias": first.value_of("/groupnorm/Add"),
        "encoder.norm.weight": first.value("layer_norm.weight"),
        "decoder.norm.weight": second.value("model.decoder.norm.weight"),
    }
    for number in (1, 2, 3):
        found[f"stem.{number}.weight"] = first.kernel(f"conv{number}.weight")
    for number in (2, 3):
        found[f"stem.{number}.bias"] = first.value(f"conv{number}.bias")
    for layer in range(layers):
        for side, stored, prefix, parts, norms in (
            ("encoder", first, "layers", _ENCODER_PARTS, _ENCODER_NORMS),
            ("decoder", second, "model.decoder.layers", _DECODER_PARTS, _DECODER_NORMS),
        ):
            block, theirs = f"{side}.{layer}", f"{prefix}.{layer}"
            for ours, part in parts.items():
                path = f"/{theirs.replace('model.decoder.', 'model/decoder/')}/{part}"
                found[f"{block}.{ours}.weight"] = stored.matrix(f"{path}/MatMul_quant")
                bias = f"{theirs}.{part.replace('/', '.')}.bias"
                if stored.has(bias):
                    found[f"{block}.{ours}.bias"] = stored.value(bias)
            for ours, part in norms.items():
                found[f"{block}.{ours}.weight"] = stored.value(f"{theirs}.{part}.weight")
    for name in [name for name in found if "norm.weight" in name and name != "stem.norm.weight"]:
        found[name.replace("weight", "bias")] = np.zeros_like(found[name])
    return found, heads, layers


class _Stored:
    """The constants of an ONNX file, 8-bit ones as the floats that they stand for."""

    def __init__(self, path: Path) -> None:
        graph = onnx.load(path).graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._nodes = {node.name: node for node in _all_nodes(graph)}

    def has(self, name: str) -> bool:
        return any(
            name + end in self._constants
            for end in ("", "_merged_0", "_quantized", "_merged_0_quantized")
        )

    def value(self, name: str) -> NDArray[np.float32]:
        for whole in (name, f"{name}_merged_0"):
            if whole in self._constants:
                plain = numpy_helper.to_array(self._constants[whole])
                return np.asarray(plain, np.float32)
            if f"{whole}_quantized" in self._constants:
                stored, scale, zero = (
                    numpy_helper.to_array(self._constants[f"{whole}_{part}"]).astype(np.float32)
                    for part in ("quantized", "scale", "zero_point")
                )
                return np.asarray((stored - zero) * scale, np.float32)
        raise KeyError(name)

    def kernel(self, name: str) -> NDArray[np.float32]:
        """A convolution's: its file adds the middle after scaling, and in floats."""
        stored, scale, middle = (
            numpy_helper.to_array(self._constants[f"{name}_{part}"]).astype(np.float32)
            for part in ("quantized", "scale", "zero_point")
        )
        return np.asarray(stored * scale + middle, np.float32)

    def matrix(self, node: str) -> NDArray[np.float32]:
        """The constant factor of an 8-bit product."""
        return self.value(self._nodes[node].input[1].removesuffix("_quantized"))

    def value_of(self, node: str) -> NDArray[np.float32]:
        """The constant among a node's inputs, flat."""
        name = next(name for name in self._nodes[node].input if name in self._constants)
        return self.value(name).ravel()


def _all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Branches that keep nothing from earlier steps come last: they hold every matrix."""
    for node in graph.node:
        yield node
        for attribute in sorted(node.attribute, key=lambda a: a.name, reverse=True):
            if attribute.HasField("g"):
                yield from _all_nodes(attribute.g)


def _vocabulary(path: Path, size: int) -> list[bytes]:
    """Each token's bytes; empty for tokens that steer. SentencePiece writes a space as U+2581."""
    described = json.loads(path.read_text())
    spelled = {number: piece for piece, number in described["model"]["vocab"].items()}
    spelled.update({token["id"]: "" for token in described["added_tokens"]})
    tokens = []
    for number in range(size):
        piece = spelled.get(number, "")
        if len(piece) == len("<0x00>") and piece.startswith("<0x"):
            tokens.append(bytes([int(piece[3:5], 16)]))
        else:
            tokens.append(piece.replace("\u2581", " ").encode())
    return tokens


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _heard(out: Path, precision: str, clip: NDArray[np.float32], size: int) -> list[int]:
    """Greedy tokens by our graphs, of a vocabulary of `size`."""
    encoder, decoder = (_session(out / f"{n}.{precision}.onnx") for n in ("encoder", "decoder"))
    cross = run_named(encoder, {"samples": clip[None]})
    past = empty_past(decoder)
    positions = cross["cross_v0"].shape[2]
    fixed = {"bias": np.zeros(size, np.float32), "lengths": np.array([positions], np.int32)}
    tokens: list[int] = []
    while len(tokens) < _MOST_TOKENS and tokens[-1:] != [_END]:
        fed = np.array([tokens[-1:] or [_START]])
        result = run_named(decoder, {"tokens": fed, **fixed, **past, **cross})
        past = {name: result[name.replace("past", "present")] for name in past}
        tokens.append(int(result["token"][0, 0]))
    return tokens


def _heard_by_reference(encoder: Path, decoder: Path, clip: NDArray[np.float32]) -> list[int]:
    """Greedy tokens by the makers' own files."""
    hidden = _session(encoder).run(None, {"input_values": clip[None]})[0]
    session = _session(decoder)
    past = {
        node.name: np.zeros((0, node.shape[1], 1, node.shape[3]), np.float32)
        for node in session.get_inputs()
        if node.name.startswith("past")
    }
    tokens: list[int] = []
    while len(tokens) < _MOST_TOKENS and tokens[-1:] != [_END]:
        feeds = {
            "input_ids": np.array([tokens[-1:] or [_START]]),
            "encoder_hidden_states": hidden,
            "use_cache_branch": np.array([bool(tokens)]),
        }
        result = run_named(session, {**feeds, **past})
        for name in past:
            if not tokens or ".decoder." in name:
                past[name] = result[name.replace("past_key_values", "present")]
        tokens.append(int(result["logits"][0, -1].argmax()))
    return tokens
