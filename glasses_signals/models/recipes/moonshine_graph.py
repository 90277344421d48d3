"""Writes Moonshine's encoder and decoder as ONNX graphs, node by node.

Architecture: Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice
Commands", arXiv 2410.15608: three strided convolutions over the samples, then transformers whose
positions are rotations of a part of each head.

B = windows, N = samples, C = encoder positions (about 41.7 a second), P = tokens so far, H = heads,
D = numbers per head, V = vocabulary.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from glasses_signals.models.recipes import graph_memory
from glasses_signals.models.recipes.graph import Graph, Weights, memory_parts, value_info

_EPSILON = 1e-5
_KERNELS = ((127, 64), (7, 3), (3, 2))  # of the three convolutions: (size, stride)
_ROTATED = 32  # of each head's 52 numbers
_ROTATION_BASE = 10_000.0
_MOST_POSITIONS = 1536  # 36 s of sound


def encoder(weights: Weights, heads: int, layers: int, precision: str) -> onnx.ModelProto:
    """`samples` [B, N] float32 -> `cross_*`: what the decoder attends to (`graph_memory.py`)."""
    g = _graph(precision)
    x = _stem(g, weights)
    start = g.integers(0)
    normed = g.norm(x, weights, "encoder.0.attn_norm")
    for layer in range(layers):
        block = f"encoder.{layer}"
        after = f"encoder.{layer + 1}.attn_norm" if layer + 1 < layers else "encoder.norm"
        queries, keys, values = (_projected(g, normed, weights, f"{block}.{p}") for p in "qkv")
        attended = g.fused(
            "MultiHeadAttention",
            _rotated(g, queries, start, heads),
            _rotated(g, keys, start, heads),
            values,
            num_heads=heads,
        )
        out = _projected(g, attended, weights, f"{block}.out")
        normed, x = g.add_norm(out, x, None, weights, f"{block}.mlp_norm")
        inner = g.fused(
            "BiasGelu",
            _projected(g, normed, weights, f"{block}.fc1"),
            g.constant(f"{block}.fc1.bias", weights[f"{block}.fc1.bias"]),
        )
        outer = _projected(g, inner, weights, f"{block}.fc2")
        bias = g.constant(f"{block}.fc2.bias", weights[f"{block}.fc2.bias"])
        normed, x = g.add_norm(outer, x, bias, weights, after)
    for layer in range(layers):
        keys, values = (
            _projected(g, normed, weights, f"decoder.{layer}.cross.{part}") for part in "kv"
        )
        graph_memory.keep(g, keys, values, layer, heads)
    outputs = graph_memory.described(g, heads, _head_size(weights, heads), layers)
    inputs = [value_info("samples", TensorProto.FLOAT, ["B", "N"])]
    return g.model(inputs, outputs, "moonshine_encoder")


def decoder(weights: Weights, heads: int, layers: int, precision: str) -> onnx.ModelProto:
    """One step: `tokens` [B, 1] int64, `bias` [V] float32, `lengths` [B] int32, `past_k{i}`,
    `past_v{i}` [B, H, P, D], `cross_*` (`graph_memory.py`), of which only the first `lengths`
    positions count -> `token` [B, 1] int64, the likeliest with bias, its `log_probability` [B, 1]
    float32, and `present_k{i}`, `present_v{i}` [B, H, P + 1, D].
    """
    g = _graph(precision)
    past = g.op("Shape", "past_k0", start=2, end=3)
    table = g.constant("embedding", weights["embedding"].astype(np.float16))
    x = g.op("Cast", g.op("Gather", table, "tokens", axis=0), to=g.float_type)
    normed = g.norm(x, weights, "decoder.0.attn_norm")
    for layer in range(layers):
        block = f"decoder.{layer}"
        after = f"decoder.{layer + 1}.attn_norm" if layer + 1 < layers else "decoder.norm"
        attended = _self_attention(g, normed, weights, layer, heads, past)
        out = _projected(g, attended, weights, f"{block}.out")
        normed, x = g.add_norm(out, x, None, weights, f"{block}.cross_norm")
        queries = _projected(g, normed, weights, f"{block}.cross.q")
        size = _head_size(weights, heads)
        attended = graph_memory.attended(g, queries, layer, heads, size, "lengths")
        out = _projected(g, attended, weights, f"{block}.cross.out")
        normed, x = g.add_norm(out, x, None, weights, f"{block}.mlp_norm")
        outer = _projected(g, _gated(g, normed, weights, block), weights, f"{block}.down")
        bias = g.constant(f"{block}.down.bias", weights[f"{block}.down.bias"])
        normed, x = g.add_norm(outer, x, bias, weights, after)
    _likeliest(g, normed, weights)
    return g.model(*_interface(g, heads, _head_size(weights, heads), layers), "moonshine_decoder")


def _graph(precision: str) -> Graph:
    return Graph(f"{precision}-rows" if "int8" in precision else precision, _EPSILON)


def _stem(g: Graph, weights: Weights) -> str:
    """Samples to features [B, C, width]. The first convolution and its norm stay float32."""
    size, stride = _KERNELS[0]
    one = g.op("Unsqueeze", "samples", g.integers(1))
    kernel = g.float32("stem.1", weights["stem.1.weight"])
    x = g.op("Tanh", g.op("Conv", one, kernel, kernel_shape=[size], strides=[stride]))
    # A norm over all positions and features of a window.
    flat = g.op("Reshape", x, g.integers(0, 1, -1))
    unit, zero = (g.float32(n, np.array([v])) for n, v in (("norm.1", 1.0), ("norm.0", 0.0)))
    normed = g.op("InstanceNormalization", flat, unit, zero, epsilon=_EPSILON)
    x = g.op("Reshape", normed, g.op("Shape", x))
    scale, shift = (
        g.float32(f"stem.norm.{k}", weights[f"stem.norm.{k}"].reshape(-1, 1))
        for k in ("weight", "bias")
    )
    x = g.op("Add", g.op("Mul", x, scale), shift)
    x = g.op("Cast", g.op("Transpose", x, perm=[0, 2, 1]), to=g.float_type)
    for number in (2, 3):
        neighbours = _neighbours(g, x, *_KERNELS[number - 1])
        parts = weights[f"stem.{number}.weight"].transpose(2, 1, 0)  # [size, in, out]
        matrix = np.ascontiguousarray(parts.reshape(-1, parts.shape[2]))
        bias = g.constant(f"stem.{number}.bias", weights[f"stem.{number}.bias"])
        x = g.fused("BiasGelu", g.linear(neighbours, f"stem.{number}", matrix), bias)
    return x


def _neighbours(g: Graph, x: str, size: int, stride: int) -> str:
    """[B, T, F] -> [B, (T - size) // stride + 1, size * F]: what a convolution sees."""
    length = g.op("Shape", x, start=1, end=2)
    seen = [
        g.op(
            "Slice",
            x,
            g.integers(shift),
            g.op("Sub", length, g.integers(size - 1 - shift)),
            g.integers(1),
            g.integers(stride),
        )
        for shift in range(size)
    ]
    return g.op("Concat", *seen, axis=2)


def _head_size(weights: Weights, heads: int) -> int:
    return int(weights["embedding"].shape[1]) // heads


def _projected(g: Graph, x: str, weights: Weights, name: str) -> str:
    return g.linear(x, name, weights[f"{name}.weight"])


def _rotated(g: Graph, x: str, start: str, heads: int) -> str:
    """Su et al., arXiv 2104.09864: pairs of neighbouring numbers turned by position, from `start`
    [1] on; the rest of each head is left as it is."""
    rates = _ROTATION_BASE ** (-np.arange(0, _ROTATED, 2, dtype=np.float32) / _ROTATED)
    angles = np.arange(_MOST_POSITIONS, dtype=np.float32)[:, None] * rates
    return g.fused(
        "RotaryEmbedding",
        x,
        start,
        g.constant("cosines", np.cos(angles)),
        g.constant("sines", np.sin(angles)),
        interleaved=1,
        num_heads=heads,
        rotary_embedding_dim=_ROTATED,
    )


def _self_attention(
    g: Graph, normed: str, weights: Weights, layer: int, heads: int, past: str
) -> str:
    queries, keys, values = (_projected(g, normed, weights, f"decoder.{layer}.{p}") for p in "qkv")
    queries, keys = (_rotated(g, x, past, heads) for x in (queries, keys))
    return g.causal_attention(queries, keys, values, "", layer, heads)


def _gated(g: Graph, normed: str, weights: Weights, block: str) -> str:
    """Half of the inner features, weighed by the other half (SwiGLU; Shazeer, arXiv 2002.05202)."""
    bias = g.constant(f"{block}.up.bias", weights[f"{block}.up.bias"])
    inner = g.op("Add", _projected(g, normed, weights, f"{block}.up"), bias)
    plain = g.op("Split", inner, outputs=2, axis=-1, num_outputs=2)
    gate = f"{plain}.1"
    return g.op("Mul", g.op("Mul", gate, g.op("Sigmoid", gate)), plain)


def _likeliest(g: Graph, normed: str, weights: Weights) -> None:
    last = g.op("Squeeze", normed, g.integers(1))
    raw = g.linear(last, "logits_weight", np.ascontiguousarray(weights["embedding"].T))
    logits = g.op("Add", g.op("Cast", raw, to=TensorProto.FLOAT), "bias")
    ranked = g.op("LogSoftmax", logits, axis=-1)
    inputs = [ranked, g.integers(1)]
    g.nodes.append(helper.make_node("TopK", inputs, ["log_probability", "token"], axis=-1))


def _interface(
    g: Graph, heads: int, size: int, layers: int
) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
    inputs = [
        value_info("tokens", TensorProto.INT64, ["B", 1]),
        value_info("bias", TensorProto.FLOAT, ["V"]),
        value_info("lengths", TensorProto.INT32, ["B"]),
        *graph_memory.described(g, heads, size, layers),
    ]
    outputs = [
        value_info("token", TensorProto.INT64, ["B", 1]),
        value_info("log_probability", TensorProto.FLOAT, ["B", 1]),
    ]
    for part in memory_parts(layers):
        inputs.append(value_info(f"past_{part}", g.float_type, ["B", heads, "P", size]))
        outputs.append(value_info(f"present_{part}", g.float_type, ["B", heads, "Q", size]))
    return inputs, outputs
