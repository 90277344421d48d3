"""Writes Whisper's encoder and decoder as ONNX graphs, node by node, from openai-whisper's weights.

Written by hand rather than traced: both convolutions become matrix products over neighbouring
frames, residuals, biases and norms use ONNX Runtime's fused operators, and every weight matrix goes
through one function that picks its number format (`graph.py`).

B = windows, T = mel frames (even, 100 a second), C = T / 2 encoder positions, R = rows (each window
has as many, its beams), S = new tokens, P = tokens before them, H = heads, D = 64 numbers per head,
V = vocabulary, L = decoder layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from glasses_signals.models.recipes import graph_memory
from glasses_signals.models.recipes.graph import Graph, Weights, memory_parts, value_info

_EPSILON = 1e-5  # torch's LayerNorm default
# Log-mel features (`whisper/audio.py`): powers of ten kept below the loudest bin. Whisper leaves
# the volume as it is; here every window is brought to one, so that silence has a known value.
MEL_RANGE = 8.0
PEAK = 1.0
SILENCE = (PEAK - MEL_RANGE + 4) / 4  # what the features of silence are
_HEAD_SIZE = 64  # in every size of Whisper


def encoder(
    weights: Weights,
    heads: int,
    layers: int,
    decoder_layers: int,
    precision: str,
    filters: NDArray[np.float32],
    silence: Mapping[str, NDArray[np.float32]],
) -> onnx.ModelProto:
    """`power` [B, T, 201] float32, `margin` [1] int64 -> `hidden` [B, C, H * D] and `cross_*`
    (`graph_memory.py`) of C + margin positions.

    `power` are squared magnitudes of Whisper's short-time Fourier transform. The cross-attention
    keys and values of every decoder layer are computed here, once. `silence` holds keys and values
    [positions, H * D], before biases, of a window that is silent throughout, named like the
    projections that made them: `margin` positions of it follow the window, seen by every attention
    but computed by none.
    """
    # The first layer's attention meets the widest spread of magnitudes, the first convolution few
    # inputs: both cost little and lose most in 8 bit.
    exact = ("encoder.conv1", "encoder.blocks.0.attn")
    g = Graph(f"{precision}-rows" if "int8" in precision else precision, _EPSILON, exact)
    start, x = _convolutions(g, _log_mel(g, filters), weights)
    end = g.op("Add", start, "margin")
    batch = g.op("Shape", "power", start=0, end=1)
    tail_shape = g.op("Concat", batch, "margin", g.integers(heads * _HEAD_SIZE), axis=0)

    def with_tail(projected: str, name: str) -> str:
        table = g.constant(f"{name}.silence", silence[name].astype(np.float16)[None])
        tail = g.op("Slice", table, start, end, g.integers(1))
        tail = g.op("Expand", g.op("Cast", tail, to=g.float_type), tail_shape)
        return g.op("Concat", projected, tail, axis=1)

    positions = g.constant("positions", weights["encoder.positional_embedding"][None])
    positions = g.op("Slice", positions, g.integers(0), start, g.integers(1))
    name = "encoder.blocks.0.attn_ln" if layers else "encoder.ln_post"
    normed, x = g.add_norm(x, positions, None, weights, name)
    normed = _encoder_blocks(g, x, normed, weights, heads, layers, with_tail)
    g.op("Identity", normed, outputs="hidden")
    outputs = [value_info("hidden", g.float_type, ["B", "heard", "width"])]
    outputs += _cross_attention_memory(g, normed, weights, heads, decoder_layers, with_tail)
    inputs = [
        value_info("power", TensorProto.FLOAT, ["B", "T", filters.shape[1]]),
        value_info("margin", TensorProto.INT64, [1]),
    ]
    return g.model(inputs, outputs, "whisper_encoder")


_QKV = ("query", "key", "value")


def _encoder_blocks(
    g: Graph,
    x: str,
    normed: str,
    weights: Weights,
    heads: int,
    layers: int,
    with_tail: Callable[[str, str], str],
) -> str:
    """The transformer: residual stream `x` and its norm in, the last norm out."""
    for layer in range(layers):
        block = f"encoder.blocks.{layer}"
        after = f"encoder.blocks.{layer + 1}.attn_ln" if layer + 1 < layers else "encoder.ln_post"
        queries, keys, values = (_projected(g, normed, weights, f"{block}.attn.{p}") for p in _QKV)
        attended = g.fused(
            "MultiHeadAttention",
            queries,
            with_tail(keys, f"{block}.attn.key"),
            with_tail(values, f"{block}.attn.value"),
            _qkv_bias(g, weights, block),
            num_heads=heads,
        )
        x, normed = _rest_of_block(g, x, attended, weights, block, "attn.out", after)
    return normed


def _cross_attention_memory(
    g: Graph,
    hidden: str,
    weights: Weights,
    heads: int,
    decoder_layers: int,
    with_tail: Callable[[str, str], str],
) -> list[onnx.ValueInfoProto]:
    """Outputs `cross_*`: what each decoder layer attends to, with silence behind."""
    for layer in range(decoder_layers):
        whole = f"decoder.blocks.{layer}.cross_attn"
        keys, values = (
            with_tail(_projected(g, hidden, weights, f"{whole}.{part}"), f"{whole}.{part}")
            for part in ("key", "value")
        )
        bias = f"{whole}.value.bias"
        values = g.op("Add", values, g.constant(bias, weights[bias]))
        graph_memory.keep(g, keys, values, layer, heads)
    return graph_memory.described(g, heads, _HEAD_SIZE, decoder_layers)


def _log_mel(g: Graph, filters: NDArray[np.float32]) -> str:
    """Whisper's log-mel features [B, T, M] at a fixed volume: the loudest bin is at PEAK."""
    energy = g.op("MatMul", "power", g.float32("mel_filters", np.ascontiguousarray(filters.T)))
    floored = g.op("Max", energy, g.float32("mel_floor", np.array(1e-10)))
    decades = g.op("Mul", g.op("Log", floored), g.float32("decade", np.array(1 / np.log(10))))
    loudest = g.op("ReduceMax", decades, g.integers(1, 2), keepdims=1)
    below = g.op("Max", g.op("Sub", decades, loudest), g.float32("range", np.array(-MEL_RANGE)))
    scaled = g.op(
        "Div",
        g.op("Add", below, g.float32("level", np.array(PEAK + 4))),
        g.float32("four", np.array(4)),
    )
    return g.op("Cast", scaled, to=g.float_type)


def _convolutions(g: Graph, mel: str, weights: Weights) -> tuple[str, str]:
    """Both convolutions with GELU, as matrix products. Gives (number of positions, features)."""
    padded = g.op("Pad", mel, g.integers(0, 1, 0, 0, 1, 0))
    shifts = [
        g.op("Slice", padded, g.integers(start), g.integers(end), g.integers(1))
        for start, end in ((0, -2), (1, -1), (2, np.iinfo(np.int64).max))
    ]
    neighbours = g.op("Concat", *shifts, axis=2)
    x = _gelu(
        g,
        g.linear(neighbours, "encoder.conv1", _unrolled(weights["encoder.conv1.weight"])),
        weights,
        "encoder.conv1.bias",
    )
    # Stride 2, kernel 3: position j sees frames 2j - 1 (odd half of the pair before), 2j, 2j + 1.
    width = weights["encoder.conv2.weight"].shape[0]
    pairs = g.op("Reshape", x, g.integers(0, -1, 2 * width))
    odd = g.op("Slice", pairs, g.integers(width), g.integers(2 * width), g.integers(2))
    before = g.op("Pad", odd, g.integers(0, 1, 0, 0, -1, 0))
    neighbours = g.op("Concat", before, pairs, axis=2)
    x = _gelu(
        g,
        g.linear(neighbours, "encoder.conv2", _unrolled(weights["encoder.conv2.weight"])),
        weights,
        "encoder.conv2.bias",
    )
    return g.op("Shape", x, start=1, end=2), x


def _unrolled(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convolution kernel [out, in, 3] as a matrix [3 * in, out] over neighbouring frames."""
    return kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])


def _gelu(g: Graph, x: str, weights: Weights, bias: str) -> str:
    return g.fused("BiasGelu", x, g.constant(bias, weights[bias]))


def _projected(g: Graph, x: str, weights: Weights, name: str) -> str:
    return g.linear(x, name, np.ascontiguousarray(weights[f"{name}.weight"].T))


def _qkv_bias(g: Graph, weights: Weights, block: str) -> str:
    """Whisper's key projections have no bias: zeros."""
    query, value = (weights[f"{block}.attn.{part}.bias"] for part in ("query", "value"))
    return g.constant(f"{block}.attn.bias", np.concatenate([query, np.zeros_like(query), value]))


def _rest_of_block(
    g: Graph, x: str, attended: str, weights: Weights, block: str, out: str, after: str
) -> tuple[str, str]:
    """Attention's output projection, then the feed-forward part: (residual stream, normed)."""
    bias = f"{block}.{out}.bias"
    projected = _projected(g, attended, weights, f"{block}.{out}")
    normed, x = g.add_norm(
        projected, x, g.constant(bias, weights[bias]), weights, f"{block}.mlp_ln"
    )
    inner = _gelu(
        g, _projected(g, normed, weights, f"{block}.mlp.0"), weights, f"{block}.mlp.0.bias"
    )
    outer = _projected(g, inner, weights, f"{block}.mlp.2")
    bias = g.constant(f"{block}.mlp.2.bias", weights[f"{block}.mlp.2.bias"])
    normed, x = g.add_norm(outer, x, bias, weights, after)
    return x, normed


def decoder(weights: Weights, heads: int, layers: int, precision: str) -> onnx.ModelProto:
    """One step: `tokens` [R, S] int64, `bias` [V] float32, `candidates` [1] int64, `past_k{i}`,
    `past_v{i}` [R, H, P, D] and `cross_*` (`graph_memory.py`) -> `logits` [R, V] float32 of
    the last token (without bias), `token` int64 and `log_probability` float32 [R, candidates] of
    the likeliest tokens with bias, likeliest first, and `present_k{i}`, `present_v{i}`
    [R, H, P + S, D].

    R / B rows in a row belong to one window. They attend to it together, as if they were positions
    of one sequence, so that beams share their window's keys and values.
    """
    own = {"int8": "int8-blocks", "uint8": "uint8-rows"}
    g = Graph(own.get(precision, precision), _EPSILON)
    width = heads * _HEAD_SIZE
    windows = g.op("Shape", "cross_k0", start=0, end=1)
    together = g.op("Concat", windows, g.integers(-1, width), axis=0)
    apart = g.op("Concat", g.op("Shape", "tokens"), g.integers(width), axis=0)
    normed, x = _embedded(g, weights)
    for layer in range(layers):
        block = f"decoder.blocks.{layer}"
        after = f"decoder.blocks.{layer + 1}.attn_ln" if layer + 1 < layers else "decoder.ln"
        attended = _self_attention(g, normed, weights, block, layer, heads)
        bias = f"{block}.attn.out.bias"
        projected = _projected(g, attended, weights, f"{block}.attn.out")
        normed, x = g.add_norm(
            projected, x, g.constant(bias, weights[bias]), weights, f"{block}.cross_attn_ln"
        )
        query_bias = f"{block}.cross_attn.query.bias"
        queries = g.op(
            "Add",
            _projected(g, normed, weights, f"{block}.cross_attn.query"),
            g.constant(query_bias, weights[query_bias]),
        )
        queries = g.op("Reshape", queries, together)
        attended = graph_memory.attended(g, queries, layer, heads, _HEAD_SIZE)
        attended = g.op("Reshape", attended, apart)
        x, normed = _rest_of_block(g, x, attended, weights, block, "cross_attn.out", after)
    _ranked(g, normed, weights)
    return g.model(*_decoder_interface(g, heads, layers), "whisper_decoder")


def _decoder_interface(
    g: Graph, heads: int, layers: int
) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
    inputs = [
        value_info("tokens", TensorProto.INT64, ["R", "S"]),
        value_info("bias", TensorProto.FLOAT, ["V"]),
        value_info("candidates", TensorProto.INT64, [1]),
    ]
    outputs = [
        value_info("logits", TensorProto.FLOAT, ["R", "V"]),
        value_info("token", TensorProto.INT64, ["R", "N"]),
        value_info("log_probability", TensorProto.FLOAT, ["R", "N"]),
    ]
    inputs += graph_memory.described(g, heads, _HEAD_SIZE, layers)
    for part in memory_parts(layers):
        inputs.append(value_info(f"past_{part}", g.float_type, ["R", heads, "P", _HEAD_SIZE]))
        outputs.append(value_info(f"present_{part}", g.float_type, ["R", heads, "Q", _HEAD_SIZE]))
    return inputs, outputs


def past_rows(heads: int, layers: int, precision: str) -> onnx.ModelProto:
    """`rows` [N] int64, `past_k{i}`, `past_v{i}` [R, H, P, D] -> `kept_past_k{i}`,
    `kept_past_v{i}` [N, H, P, D]: those rows of all keys and values."""
    g = Graph(precision, _EPSILON)
    shape: list[str | int] = ["R", heads, "P", _HEAD_SIZE]
    arrays = [value_info(f"past_{part}", g.float_type, shape) for part in memory_parts(layers)]
    return _rows(g, arrays, "whisper_past_rows")


def cross_rows(heads: int, layers: int, precision: str) -> onnx.ModelProto:
    """As `past_rows`, for `cross_*`."""
    g = Graph(precision, _EPSILON)
    arrays = graph_memory.described(g, heads, _HEAD_SIZE, layers)
    return _rows(g, arrays, "whisper_cross_rows")


def _rows(g: Graph, arrays: list[onnx.ValueInfoProto], name: str) -> onnx.ModelProto:
    """Those rows of arrays, without leaving the device."""
    outputs = []
    for array in arrays:
        g.op("Gather", array.name, "rows", outputs=f"kept_{array.name}", axis=0)
        kept = onnx.ValueInfoProto()
        kept.CopyFrom(array)
        kept.name = f"kept_{array.name}"
        kept.type.tensor_type.shape.dim[0].dim_param = "N"
        outputs.append(kept)
    return g.model([value_info("rows", TensorProto.INT64, ["N"]), *arrays], outputs, name)


def _self_attention(
    g: Graph, normed: str, weights: Weights, block: str, layer: int, heads: int
) -> str:
    queries, keys, values = (_projected(g, normed, weights, f"{block}.attn.{p}") for p in _QKV)
    bias = _qkv_bias(g, weights, block)
    return g.causal_attention(queries, keys, values, bias, layer, heads)


def _embedded(g: Graph, weights: Weights) -> tuple[str, str]:
    """Token and position embeddings: gives (first layer's norm of their sum, their sum)."""
    # Stored in half precision: lossless, as published checkpoints are, and half the memory.
    half = weights["decoder.token_embedding.weight"].astype(np.float16)
    table = g.constant("token_embedding", half)
    tokens = g.op("Cast", g.op("Gather", table, "tokens", axis=0), to=g.float_type)
    past = g.op("Shape", "past_k0", start=2, end=3)
    new = g.op("Shape", "tokens", start=1, end=2)
    positions = g.op(
        "Slice",
        g.constant("positions", weights["decoder.positional_embedding"]),
        past,
        g.op("Add", past, new),
        g.integers(0),
    )
    x = g.op("Add", tokens, positions)
    return g.norm(x, weights, "decoder.blocks.0.attn_ln"), x


def _ranked(g: Graph, normed: str, weights: Weights) -> None:
    """Logits of the last position, and the likeliest tokens under the bias."""
    last = g.op("Gather", normed, g.constant("last", np.array(-1, np.int64)), axis=1)
    raw = g.linear(last, "logits_weight", weights["decoder.token_embedding.weight"].T)
    if g.float_type == TensorProto.FLOAT:
        g.op("Identity", raw, outputs="logits")  # a Cast would copy them
    else:
        g.op("Cast", raw, outputs="logits", to=TensorProto.FLOAT)
    allowed = g.op("Add", "logits", "bias")
    # Softmax kernels are vectorised and threaded; ReduceLogSumExp is neither.
    ranked = g.op("LogSoftmax", allowed, axis=-1)
    g.nodes.append(
        helper.make_node("TopK", [ranked, "candidates"], ["log_probability", "token"], axis=-1)
    )
