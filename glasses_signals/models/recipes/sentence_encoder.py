"""BERT sentence encoders (MiniLM kind): safetensors to one ONNX graph, token ids to unit vectors.

The graph is written directly with ONNX Runtime's fused operators (com.microsoft: Attention,
SkipLayerNormalization, BiasGelu), so no exporter or optimiser stands between weights and file.
Mean pooling over real tokens and L2 normalisation (Reimers & Gurevych 2019, Sentence-BERT) are
inside. Weights stay float32: per-tensor int8 would make a text's vector depend on its batch.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from torch.nn import functional as F  # noqa: N812 (its usual name)

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes.parity import require

_OPSET = 17
_IR_VERSION = 8
_EPSILON = 1e-12  # layer_norm_eps of BERT
_CONTRIB = "com.microsoft"
_QKV = ("query", "key", "value")

_SENTENCES = (
    "Where can I buy good hiking boots?",
    "play some jazz",
    "What is the name of this flower, and does it need a lot of sun?",
    "Set a timer for ten minutes while the espresso machine warms up.",
    "hi",
    "How far is it from the train station to the museum, and can I take my bicycle on the way?",
    "Translate this menu for me",
    "¿Dónde está la biblioteca?",
    "which of these two cameras is better for taking photographs of birds at a long distance",
    "Remind me to order cat food, dog biscuits, aquarium filters and a new cage for the parrot, "
    "then tell me when the pet shop on the high street closes on Sundays and bank holidays.",
)

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Shape:
    layers: int
    heads: int
    width: int


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Write encoder.onnx and tokenizer.json; facts: lowest cosine to torch on fixed sentences."""
    weights = load_file(sources["weights"])
    heads = manifest.recipe.get("heads")
    if not isinstance(heads, int):
        raise BadModel(f"{manifest.path}: [recipe] heads must be a whole number")
    shape = _Shape(
        layers=1 + max(int(key.split(".")[2]) for key in weights if ".layer." in key),
        heads=heads,
        width=weights["embeddings.word_embeddings.weight"].shape[1],
    )
    onnx.save(_graph(weights, shape), out / "encoder.onnx")
    shutil.copyfile(sources["tokenizer"], out / "tokenizer.json")

    tokens, mask = _tokenise(sources["tokenizer"])
    session = ort.InferenceSession(out / "encoder.onnx", providers=["CPUExecutionProvider"])
    ours = session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]
    reference = _reference(weights, shape, tokens, mask)
    return {
        "min_cosine": require(
            manifest, "min_cosine", float((ours * reference).sum(axis=1).min()), at_least=True
        ),
        "max_difference": require(
            manifest, "max_difference", float(np.abs(ours - reference).max())
        ),
    }


def _tokenise(path: Path) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(list(_SENTENCES))
    return (
        np.array([encoding.ids for encoding in encodings], np.int32),
        np.array([encoding.attention_mask for encoding in encodings], np.int32),
    )


def _reference(
    weights: Weights, shape: _Shape, tokens: NDArray[np.int32], mask: NDArray[np.int32]
) -> NDArray[np.float32]:
    """The same encoder in plain torch: int32 [B, T] twice -> float32 [B, width], unit length."""
    w = {key: torch.from_numpy(value) for key, value in weights.items()}

    def dense(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, (shape.width,), w[f"{name}.weight"], w[f"{name}.bias"], eps=_EPSILON)

    def split(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (shape.heads, -1)).transpose(1, 2)

    ids, seen = torch.from_numpy(tokens).long(), torch.from_numpy(mask).bool()
    with torch.inference_mode():
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = norm(x, "embeddings.LayerNorm")
        for layer in range(shape.layers):
            name = f"encoder.layer.{layer}"
            q, k, v = (split(dense(x, f"{name}.attention.self.{part}")) for part in _QKV)
            heads = F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None, None])
            attended = dense(heads.transpose(1, 2).flatten(2), f"{name}.attention.output.dense")
            x = norm(x + attended, f"{name}.attention.output.LayerNorm")
            inner = F.gelu(dense(x, f"{name}.intermediate.dense"))
            x = norm(x + dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        pooled = (x * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)
        vectors: NDArray[np.float32] = F.normalize(pooled, dim=1).numpy()
    return vectors


class _Graph:
    """Collects nodes and weights; each method adds one operator and gives its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def weight(self, name: str, array: NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(
        self, op: str, inputs: Sequence[str], output: str, domain: str = "", **keys: object
    ) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], domain=domain, **keys))
        return output


def _graph(weights: Weights, shape: _Shape) -> onnx.ModelProto:
    """input_ids and attention_mask int32 [B, T] -> embedding float32 [B, width], unit length."""
    g = _Graph()
    x = _embed(g, weights)
    for layer in range(shape.layers):
        x = _layer(g, weights, f"encoder.layer.{layer}", x, shape.heads)
    _pool(g, x)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", shape.width])
    graph = helper.make_graph(g.nodes, "sentence_encoder", inputs, [output], g.initializers)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


def _embed(g: _Graph, weights: Weights) -> str:
    prefix = "embeddings"
    words = g.weight("words", weights[f"{prefix}.word_embeddings.weight"])
    # Every text is one segment, so its type embedding is a constant: added to the positions.
    positions = g.weight(
        "positions",
        weights[f"{prefix}.position_embeddings.weight"]
        + weights[f"{prefix}.token_type_embeddings.weight"][0],
    )
    looked_up = g.add("Gather", [words, "input_ids"], "word_vectors")
    zero, one = g.weight("zero", np.array([0])), g.weight("one", np.array([1]))
    length = g.add("Shape", ["input_ids"], "length", start=1, end=2)
    cut = g.add("Slice", [positions, zero, length, zero, one], "position_vectors")
    summed = g.add("Add", [looked_up, cut], "summed")
    scale = g.weight("embed_scale", weights[f"{prefix}.LayerNorm.weight"])
    shift = g.weight("embed_shift", weights[f"{prefix}.LayerNorm.bias"])
    return g.add("LayerNormalization", [summed, scale, shift], "embedded", epsilon=_EPSILON)


def _layer(g: _Graph, weights: Weights, name: str, x: str, heads: int) -> str:
    def matrix(part: str) -> str:
        return g.weight(f"{name}.{part}.weight", weights[f"{name}.{part}.weight"].T)

    def vector(part: str, kind: str = "bias") -> str:
        return g.weight(f"{name}.{part}.{kind}", weights[f"{name}.{part}.{kind}"])

    def skip_norm(residual: str, new: str, dense: str, norm: str, output: str) -> str:
        gains = [vector(norm, "weight"), vector(norm), vector(dense)]
        return g.add(
            "SkipLayerNormalization", [new, residual, *gains], output, _CONTRIB, epsilon=_EPSILON
        )

    def joined(kind: str, axis: int) -> NDArray[np.float32]:
        parts = [weights[f"{name}.attention.self.{part}.{kind}"].T for part in _QKV]
        return np.concatenate(parts, axis=axis)

    qkv = [
        g.weight(f"{name}.qkv", joined("weight", 1)),
        g.weight(f"{name}.qkv_bias", joined("bias", 0)),
    ]
    heads_out = g.add(
        "Attention", [x, *qkv, "attention_mask"], f"{name}.heads", _CONTRIB, num_heads=heads
    )
    attended = g.add("MatMul", [heads_out, matrix("attention.output.dense")], f"{name}.attended")
    x = skip_norm(
        x, attended, "attention.output.dense", "attention.output.LayerNorm", f"{name}.middle"
    )
    widened = g.add("MatMul", [x, matrix("intermediate.dense")], f"{name}.widened")
    bent = g.add("BiasGelu", [widened, vector("intermediate.dense")], f"{name}.bent", _CONTRIB)
    narrowed = g.add("MatMul", [bent, matrix("output.dense")], f"{name}.narrowed")
    return skip_norm(x, narrowed, "output.dense", "output.LayerNorm", f"{name}.out")


def _pool(g: _Graph, x: str) -> None:
    """Mean over real tokens, then unit length; the mean's divisor cancels in the second step."""
    floats = g.add("Cast", ["attention_mask"], "mask_floats", to=TensorProto.FLOAT)
    row = g.add("Unsqueeze", [floats, "one"], "mask_row")  # [B, 1, T]
    total = g.add("MatMul", [row, x], "token_total")  # [B, 1, width]
    flat = g.add("Squeeze", [total, "one"], "pooled")
    g.add("LpNormalization", [flat], "embedding", axis=1, p=2)
