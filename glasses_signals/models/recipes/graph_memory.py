"""Keys and values that a decoder attends to at every step, as both listeners' graphs keep them.

Each step reads all of them, and they don't fit in a CPU's caches: in 8 bit, a step reads a quarter
of the bytes and takes half of the time (8 windows, 3 beams, 250 positions, 6 layers: 4.0 ms instead
of 8.6; docs/speech.md). Half and single precision keep them as they are.

B = windows, Q = queries for each window, C = positions, H = heads, D = numbers per head.
Arrays of layer i: `cross_k{i}`, `cross_v{i}` [B, H, C, D]; in 8 bit, signed or unsigned like the
graph's factors, `cross_k{i}` [B, H, D, C] and `cross_v{i}` [B, H, C, D], with a scale for each head
and position in `cross_ks{i}` and `cross_vs{i}` float32 [B, H, 1, C].
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from glasses_signals.models.recipes.graph import INT8_LARGEST, Graph, value_info

_RESTS = 254  # in a step, which is rounded to the nearest


def described(g: Graph, heads: int, size: int, layers: int) -> list[onnx.ValueInfoProto]:
    """The arrays of all layers, as a graph's inputs or outputs."""
    plain: list[str | int] = ["B", heads, "C", size]
    parts: list[tuple[str, int, list[str | int]]]
    if _in_8_bit(g):
        kind = TensorProto.UINT8 if g.unsigned else TensorProto.INT8
        parts = [
            ("k", kind, ["B", heads, size, "C"]),
            ("ks", TensorProto.FLOAT, ["B", heads, 1, "C"]),
            ("v", kind, plain),
            ("vs", TensorProto.FLOAT, ["B", heads, 1, "C"]),
        ]
    else:
        parts = [("k", g.float_type, plain), ("v", g.float_type, plain)]
    return [
        value_info(f"cross_{part}{layer}", kind, shape)
        for layer in range(layers)
        for part, kind, shape in parts
    ]


def keep(g: Graph, keys: str, values: str, layer: int, heads: int) -> None:
    """Write a layer's arrays from its projections, [B, C, H * D] both."""
    keys, values = (g.op("Reshape", x, g.integers(0, 0, heads, -1)) for x in (keys, values))
    if not _in_8_bit(g):
        for part, x in (("k", keys), ("v", values)):
            g.op("Transpose", x, outputs=f"cross_{part}{layer}", perm=[0, 2, 1, 3])
        return
    by_number, by_position = [0, 2, 3, 1], [0, 2, 1, 3]
    for part, x, order in (("k", keys, by_number), ("v", values, by_position)):
        largest = g.largest(x, -1)
        quantised = g.op("QuantizeLinear", g.op("Div", x, largest), g.unit, g.factor_middle)
        scale = g.op("Mul", largest, g.unit)
        g.op("Transpose", quantised, outputs=f"cross_{part}{layer}", perm=order)
        g.op("Transpose", scale, outputs=f"cross_{part}s{layer}", perm=by_number)


def attended(g: Graph, queries: str, layer: int, heads: int, size: int, lengths: str = "") -> str:
    """What `queries` [B, Q, H * D] take from a layer's arrays, in the same shape. Where given, only
    the first `lengths` [B] int32 positions count."""
    keys, values = f"cross_k{layer}", f"cross_v{layer}"
    if not _in_8_bit(g):
        inputs = [queries, keys, values, *(("", lengths) if lengths else ())]
        return g.fused("MultiHeadAttention", *inputs, num_heads=heads)
    apart = g.op("Reshape", queries, g.integers(0, 0, heads, size))
    apart = g.op("Transpose", apart, perm=[0, 2, 1, 3])
    quantised, largest = g.row_quantised(apart)
    scale = g.float32("query_unit", np.array(1 / INT8_LARGEST / np.sqrt(size)))
    scores = g.integer_product(quantised, keys, scale, f"cross_ks{layer}")
    scores = g.op("Mul", scores, largest)
    if lengths:
        scores = g.op("Add", scores, _mask(g, lengths))
    shares = g.op("Softmax", scores, axis=-1)
    # A value's scale goes with its share. Most shares are small, so each is given 15 bits: whole
    # steps and, as rows of their own, what is left of a step.
    shares = g.op("Mul", shares, f"cross_vs{layer}")
    most = g.largest(shares, -1)
    shares = g.op("Div", shares, most)
    steps = g.op("QuantizeLinear", shares, g.unit, g.middle)
    rest = g.op("Sub", shares, g.op("DequantizeLinear", steps, g.unit, g.middle))
    part = g.float32("unit_of_rest", np.array(1 / INT8_LARGEST / _RESTS))
    both = g.op("Concat", steps, g.op("QuantizeLinear", rest, part, g.middle), axis=2)
    one = g.float32("one", np.array(1))
    taken = g.integer_product(both, values, g.unit, one)
    taken = g.op("Split", taken, outputs=2, axis=2, num_outputs=2)
    small = g.op("Mul", f"{taken}.1", g.float32("a_rest", np.array(1 / _RESTS)))
    taken = g.op("Add", taken, small)
    taken = g.op("Transpose", g.op("Mul", taken, most), perm=[0, 2, 1, 3])
    return g.op("Reshape", taken, g.integers(0, 0, heads * size))


def _in_8_bit(g: Graph) -> bool:
    return "int8" in g.precision


def _mask(g: Graph, lengths: str) -> str:
    """[B, 1, 1, C] to add to scores: nothing for the first `lengths` positions, else minus a lot.
    One node for all layers."""
    if "mask" not in {node.name for node in g.nodes}:
        count = g.op("Squeeze", g.op("Shape", "cross_k0", start=3, end=4))
        positions = g.op(
            "Range",
            g.constant("first", np.array(0, np.int64)),
            count,
            g.constant("next", np.array(1, np.int64)),
        )
        ends = g.op("Unsqueeze", g.op("Cast", lengths, to=TensorProto.INT64), g.integers(1, 2, 3))
        g.op(
            "Where",
            g.op("Less", positions, ends),
            g.float32("counts", np.array(0)),
            g.float32("counts_not", np.array(-1e9)),
            outputs="mask",
        )
    return "mask"
