"""Weight matrices in every number format multiply as they should."""

import numpy as np
import pytest
from graph_runs import run
from numpy.typing import NDArray
from onnx import TensorProto

from glasses_signals.models.recipes.graph import Graph, value_info

ROWS, INPUTS, OUTPUTS = 5, 256, 24
Floats = NDArray[np.float32]


@pytest.fixture
def weight() -> Floats:
    return np.random.default_rng(0).normal(size=(INPUTS, OUTPUTS)).astype(np.float32)


@pytest.fixture
def x() -> Floats:
    """Rows of very different sizes, one of nothing."""
    drawn = np.random.default_rng(1).normal(size=(1, ROWS, INPUTS))
    return (drawn * np.array([100, 1, 0.01, 0, 1])[:, None]).astype(np.float32)


def product(precision: str, x: Floats, weight: Floats, exact: tuple[str, ...] = ()) -> Floats:
    g = Graph(precision, 1e-5, exact)
    y = g.linear("x", "a.weight", weight)
    inputs, output = (
        value_info(name, TensorProto.FLOAT, [1, "R", size])
        for name, size in (("x", INPUTS), (y, OUTPUTS))
    )
    return np.asarray(run(g, [inputs], [output], {"x": x})[0], np.float32)


@pytest.mark.parametrize(
    ("precision", "bound"),
    [("fp32", 1e-5), ("int8-rows", 0.02), ("int8-blocks", 0.02), ("uint8-rows", 0.02)],
)
def test_a_product_is_close_in_every_row(
    precision: str, bound: float, x: Floats, weight: Floats
) -> None:
    found, true = product(precision, x, weight)[0], (x @ weight)[0]
    sizes = np.abs(true).mean(1) + 1e-9
    assert (np.abs(found - true).mean(1) / sizes < bound).all()
    assert not found[3].any()
    # What 8 bit loses is there: it is no float product in disguise.
    assert ((np.abs(found - true).mean(1) / sizes)[:3] > 1e-3).all() == (precision != "fp32")


def test_unsigned_factors_give_what_signed_ones_do(x: Floats, weight: Floats) -> None:
    signed, unsigned = (product(f"{kind}-rows", x, weight) for kind in ("int8", "uint8"))
    assert np.allclose(signed, unsigned, rtol=1e-4, atol=1e-6)


def test_weights_named_exact_stay_floats(x: Floats, weight: Floats) -> None:
    assert np.array_equal(product("int8-rows", x, weight, ("a",)), product("fp32", x, weight))
