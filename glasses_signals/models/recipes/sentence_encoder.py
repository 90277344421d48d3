"""BERT sentence encoders (MiniLM kind): safetensors to one ONNX graph, token ids to unit vectors.

Mean pooling over real tokens and L2 normalisation (Reimers & Gurevych 2019, Sentence-BERT) are
inside. Written in float32, in half precision for CUDA, and in 8 bit with scales by row and block,
none of which makes a text's vector depend on its batch, as one scale a tensor would.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from torch.nn import functional as F  # noqa: N812 (its usual name)

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes.graph import Graph, Weights, value_info
from glasses_signals.models.recipes.parity import require

_EPSILON = 1e-12  # layer_norm_eps of BERT
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


@dataclass(frozen=True, slots=True)
class _Shape:
    layers: int
    heads: int
    width: int


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Write encoder.{fp32,fp16,int8}.onnx and tokenizer.json; facts: each one's lowest cosine to
    torch on fixed sentences."""
    weights = load_file(sources["weights"])
    heads = manifest.recipe.get("heads")
    if not isinstance(heads, int):
        raise BadModel(f"{manifest.path}: [recipe] heads must be a whole number")
    shape = _Shape(
        layers=1 + max(int(key.split(".")[2]) for key in weights if ".layer." in key),
        heads=heads,
        width=weights["embeddings.word_embeddings.weight"].shape[1],
    )
    shutil.copyfile(sources["tokenizer"], out / "tokenizer.json")
    tokens, mask = _tokenise(sources["tokenizer"])
    reference = _reference(weights, shape, tokens, mask)
    facts: dict[str, float | str] = {}
    for precision in ("fp32", "fp16", "int8"):
        path = out / f"encoder.{precision}.onnx"
        onnx.save(_graph(weights, shape, precision), path)
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        ours = session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]
        cosine = float((ours * reference).sum(axis=1).min())
        name = f"min_cosine_{precision}"
        facts[name] = require(manifest, name, cosine, at_least=True)
    return facts


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


def _graph(weights: Weights, shape: _Shape, precision: str) -> onnx.ModelProto:
    """input_ids and attention_mask int32 [B, T] -> embedding float32 [B, width], unit length."""
    g = Graph("int8-rows" if precision == "int8" else precision, _EPSILON)
    x = _embed(g, weights)
    for layer in range(shape.layers):
        x = _layer(g, weights, f"encoder.layer.{layer}", x, shape.heads)
    _pool(g, x)
    inputs = [
        value_info(name, TensorProto.INT32, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = value_info("embedding", TensorProto.FLOAT, ["batch", shape.width])
    return g.model(inputs, [output], "sentence_encoder")


def _embed(g: Graph, weights: Weights) -> str:
    words = g.constant("words", weights["embeddings.word_embeddings.weight"])
    # Every text is one segment, so its type embedding is a constant: added to the positions.
    positions = g.constant(
        "positions",
        weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0],
    )
    length = g.op("Shape", "input_ids", start=1, end=2)
    cut = g.op("Slice", positions, g.integers(0), length, g.integers(0))
    summed = g.op("Add", g.op("Gather", words, "input_ids"), cut)
    return g.norm(summed, weights, "embeddings.LayerNorm")


def _layer(g: Graph, weights: Weights, name: str, x: str, heads: int) -> str:
    def dense(x: str, part: str) -> str:
        return g.linear(x, f"{name}.{part}", weights[f"{name}.{part}.weight"].T)

    def bias(part: str) -> str:
        return g.constant(f"{name}.{part}.bias", weights[f"{name}.{part}.bias"])

    def joined(kind: str) -> NDArray[np.float32]:
        parts = [weights[f"{name}.attention.self.{part}.{kind}"] for part in _QKV]
        return np.concatenate(parts).T

    # Attention loses most in 8 bit: half of the whole loss with one scale a row, little in blocks.
    blocks = "int8-blocks" if g.precision.startswith("int8") else None
    qkv = g.linear(x, f"{name}.qkv", joined("weight"), blocks)
    width = len(weights[f"{name}.attention.self.query.bias"])
    queries = g.op("Split", qkv, g.integers(width, width, width), outputs=3, axis=2)
    attended = g.fused(
        "MultiHeadAttention",
        queries,
        f"{queries}.1",
        f"{queries}.2",
        g.constant(f"{name}.qkv_bias", joined("bias")),
        "attention_mask",
        num_heads=heads,
    )
    part = "attention.output"
    attended = dense(attended, f"{part}.dense")
    x, _ = g.add_norm(attended, x, bias(f"{part}.dense"), weights, f"{name}.{part}.LayerNorm")
    bent = g.fused("BiasGelu", dense(x, "intermediate.dense"), bias("intermediate.dense"))
    narrowed = dense(bent, "output.dense")
    x, _ = g.add_norm(narrowed, x, bias("output.dense"), weights, f"{name}.output.LayerNorm")
    return x


def _pool(g: Graph, x: str) -> None:
    """Mean over real tokens, then unit length; the mean's divisor cancels in the second step."""
    floats = g.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    row = g.op("Unsqueeze", floats, g.integers(1))  # [B, 1, T]
    total = g.op("MatMul", row, g.op("Cast", x, to=TensorProto.FLOAT))  # [B, 1, width]
    flat = g.op("Squeeze", total, g.integers(1))
    g.op("LpNormalization", flat, outputs="embedding", axis=1, p=2)
