"""ONNX graphs written node by node, with every weight matrix in the number format of choice.

Shared by the recipes that write their own graphs: no exporter or optimiser stands between the
weights and the file, and ONNX Runtime's fused operators (com.microsoft) are used directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.generic]
Weights = Mapping[str, NDArray[np.float32]]

_OPSETS = {"": 21, "com.microsoft": 1}
_BLOCK = 128  # weights of one column that share an int8 scale
INT8_LARGEST = 127
_INT8_MIDDLE = 128  # MatMulNBits stores 8-bit weights unsigned around this zero point


@dataclass
class Graph:
    """A graph under construction.

    `precision`: `fp32`, `fp16`, `int8-rows` (8-bit products, activations scaled per row: fastest
    for many rows), `int8-blocks` (8-bit weights scaled per block: most exact, for few rows) or
    `uint8-rows` (as `int8-rows`, of unsigned factors around a middle: CPUs without integer dot
    products multiply those exactly). In none of them does a row's result depend on the other rows.
    Weights whose name starts with one of `exact` stay floats. `epsilon` is the layer norms'.
    """

    precision: str
    epsilon: float
    exact: tuple[str, ...] = ()
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    quantised: dict[str, tuple[str, str]] = field(default_factory=dict)  # by input: (bytes, scale)

    @property
    def float_type(self) -> int:
        return int(TensorProto.FLOAT16 if self.precision == "fp16" else TensorProto.FLOAT)

    def op(
        self,
        kind: str,
        *inputs: str,
        outputs: int | str = 1,
        domain: str = "",
        **attributes: object,
    ) -> str:
        """Add a node; gives its first output's name (`outputs` as text names it)."""
        base = outputs if isinstance(outputs, str) else f"{kind.lower()}_{len(self.nodes)}"
        count = 1 if isinstance(outputs, str) else outputs
        names = [base] + [f"{base}.{index}" for index in range(1, count)]
        self.nodes.append(
            helper.make_node(kind, list(inputs), names, name=base, domain=domain, **attributes)
        )
        return base

    def fused(self, kind: str, *inputs: str, outputs: int | str = 1, **attributes: object) -> str:
        return self.op(kind, *inputs, outputs=outputs, domain="com.microsoft", **attributes)

    def constant(self, name: str, value: Array) -> str:
        """A stored array; floats are stored in the graph's float type."""
        if value.dtype == np.float32 and self.precision == "fp16":
            value = value.astype(np.float16)
        self.constants.setdefault(name, numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def float32(self, name: str, value: Array) -> str:
        """A constant that stays float32 in a half-precision graph."""
        tensor = numpy_helper.from_array(np.asarray(value, np.float32, order="C"), name)
        self.constants.setdefault(name, tensor)
        return name

    def integers(self, *values: int) -> str:
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def linear(
        self, x: str, name: str, weight: NDArray[np.float32], precision: str | None = None
    ) -> str:
        """x [..., K] times `weight` [K, N], in the graph's precision or in one of its own."""
        precision = precision or self.precision
        if name.startswith(self.exact) or "int8" not in precision:
            return self.op("MatMul", x, self.constant(name, weight))
        if precision.endswith("-rows"):
            return self._row_scaled(x, name, weight)
        if weight.shape[0] % _BLOCK == 0:
            quantised, scales = _int8_blocks(weight)
            return self.fused(
                "MatMulNBits",
                x,
                self.constant(f"{name}.q", quantised),
                self.constant(f"{name}.scales", scales),
                K=weight.shape[0],
                N=weight.shape[1],
                bits=8,
                block_size=_BLOCK,
                accuracy_level=4,
            )
        return self.op("MatMul", x, self.constant(name, weight))

    def _row_scaled(self, x: str, name: str, weight: NDArray[np.float32]) -> str:
        """Each row of x is divided by its largest magnitude, multiplied in 8 bit, and scaled back.

        ONNX Runtime's own dynamic quantisation shares one scale among all rows: 3 times the error.
        """
        quantised, largest = self.row_quantised(x)
        scales = np.maximum(np.abs(weight).max(0) / INT8_LARGEST, 1e-9).astype(np.float32)
        steps = np.rint(weight / scales)
        stored = (steps + _INT8_MIDDLE).astype(np.uint8) if self.unsigned else steps.astype(np.int8)
        product = self.integer_product(
            quantised,
            self.constant(f"{name}.q", stored),
            self.unit,
            self.constant(f"{name}.scales", scales),
        )
        return self.op("Mul", product, largest)

    def integer_product(self, x: str, factor: str, scale: str, factor_scale: str) -> str:
        """`x` as `row_quantised` gives it times a factor in 8 bit around `factor_middle`, as
        floats."""
        inputs = [x, factor, scale, factor_scale, self.middle]
        inputs += [self.factor_middle] if self.unsigned else []  # signed ones are around zero
        return self.fused("MatMulIntegerToFloat", *inputs)

    def row_quantised(self, x: str) -> tuple[str, str]:
        """(x in units of `unit` around `middle`, uint8, after division by each row's largest
        magnitude; those magnitudes)."""
        if x not in self.quantised:
            largest = self.largest(x, -1)
            scaled = self.op("Div", x, largest)
            self.quantised[x] = (
                self.op("QuantizeLinear", scaled, self.unit, self.middle),
                largest,
            )
        return self.quantised[x]

    def largest(self, x: str, axis: int) -> str:
        """The largest magnitude along an axis, which stays with size 1; never zero."""
        found = self.op("ReduceMax", self.op("Abs", x), self.integers(axis), keepdims=1)
        return self.op("Max", found, self.float32("tiny", np.array(1e-6)))

    @property
    def unit(self) -> str:
        return self.float32("unit", np.array(1 / INT8_LARGEST))

    @property
    def middle(self) -> str:
        return self.constant("middle", np.array(_INT8_MIDDLE, np.uint8))

    @property
    def unsigned(self) -> bool:
        """Whether second factors of 8-bit products are."""
        return self.precision.startswith("uint8")

    @property
    def factor_middle(self) -> str:
        return self.middle if self.unsigned else self.constant("zero", np.array(0, np.int8))

    def causal_attention(
        self, queries: str, keys: str, values: str, bias: str, layer: int, heads: int
    ) -> str:
        """Attention to the tokens so far: reads `past_k{layer}` and `past_v{layer}`, and writes
        `present_k{layer}` and `present_v{layer}`. `bias` is "" for none."""
        inputs = [queries, keys, values, bias, "", "", f"past_k{layer}", f"past_v{layer}"]
        outputs = [f"attended{layer}", f"present_k{layer}", f"present_v{layer}"]
        self.nodes.append(
            helper.make_node(
                "MultiHeadAttention",
                inputs,
                outputs,
                domain="com.microsoft",
                num_heads=heads,
                unidirectional=1,
            )
        )
        return outputs[0]

    def norm(self, x: str, weights: Weights, name: str) -> str:
        scale, bias = (
            self.constant(f"{name}.{k}", weights[f"{name}.{k}"]) for k in ("weight", "bias")
        )
        return self.op("LayerNormalization", x, scale, bias, epsilon=self.epsilon, axis=-1)

    def add_norm(
        self, x: str, skip: str, bias: str | None, weights: Weights, name: str
    ) -> tuple[str, str]:
        """(LayerNorm(s), s) for s = x + bias + skip.

        Not as one operator: ONNX Runtime's SkipLayerNormalization takes five times as long on a CPU
        (`sessions.py` keeps it from fusing these); on CUDA it fuses them.
        """
        x = self.op("Add", x, bias) if bias is not None else x
        total = self.op("Add", x, skip)
        return self.norm(total, weights, name), total

    def model(
        self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], name: str
    ) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.constants.values()))
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _int8_blocks(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise [K, N] to unsigned 8 bit, symmetric, one scale per block of one column's inputs.

    Layout of ONNX Runtime's MatMulNBits: values [N, K / block, block], scales [N * K / block].
    """
    blocks = weight.T.reshape(weight.shape[1], -1, _BLOCK)
    scales = np.maximum(np.abs(blocks).max(-1, keepdims=True) / INT8_LARGEST, 1e-12)
    quantised = np.rint(blocks / scales) + _INT8_MIDDLE
    return quantised.astype(np.uint8), scales.astype(np.float32).ravel()


def memory_parts(layers: int) -> list[str]:
    """Names of a decoder's keys and values: k0, v0, k1, ..."""
    return [f"{kind}{layer}" for layer in range(layers) for kind in "kv"]


def value_info(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
