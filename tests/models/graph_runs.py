"""Runs graphs under construction."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from glasses_signals.models.recipes.graph import Graph
from glasses_signals.models.sessions import cpu_flags, multiplies_integers

Arrays = dict[str, NDArray[np.generic]]


class MatMulIntegerToFloat(OpRun):
    """ONNX Runtime's operator (ContribOperators.md), exactly."""

    op_domain = "com.microsoft"

    def _run(self, a, b, a_scale, b_scale, a_zero) -> tuple[NDArray[np.float32]]:
        product = (a.astype(np.int64) - a_zero) @ b.astype(np.int64)
        return ((product * a_scale * b_scale).astype(np.float32),)


def run(g: Graph, inputs: list, outputs: list, feeds: Arrays) -> list[NDArray[np.generic]]:
    """By ONNX Runtime; products of signed factors by ONNX's reference on CPUs that cut sums of two
    of them off at 16 bit."""
    model = g.model(inputs, outputs, "test")
    signed = not g.unsigned and any(n.op_type == MatMulIntegerToFloat.__name__ for n in g.nodes)
    if signed and not multiplies_integers(cpu_flags()):
        return ReferenceEvaluator(model, new_ops=[MatMulIntegerToFloat]).run(None, feeds)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    ).run(None, feeds)
