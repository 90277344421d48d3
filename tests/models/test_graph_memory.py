"""Attention to keys and values in 8 bit is close to attention to the numbers themselves."""

import numpy as np
import pytest
from graph_runs import Arrays, run
from numpy.typing import NDArray
from onnx import TensorProto

from glasses_signals.models.recipes import graph_memory
from glasses_signals.models.recipes.graph import Graph, value_info

HEADS, SIZE, POSITIONS = 4, 16, 40
WIDTH = HEADS * SIZE
Floats = NDArray[np.float32]


def kept(precision: str, keys: Floats, values: Floats) -> Arrays:
    g = Graph(precision, 1e-5)
    graph_memory.keep(g, "keys", "values", 0, HEADS)
    shape = ["B", "C", WIDTH]
    inputs = [value_info(name, TensorProto.FLOAT, shape) for name in ("keys", "values")]
    outputs = graph_memory.described(g, HEADS, SIZE, 1)
    found = run(g, inputs, outputs, {"keys": keys, "values": values})
    return dict(zip([output.name for output in outputs], found, strict=True))


def attended(
    precision: str, queries: Floats, memory: Arrays, lengths: list[int] | None = None
) -> Floats:
    g = Graph(precision, 1e-5)
    name = "" if lengths is None else "lengths"
    given = graph_memory.attended(g, "queries", 0, HEADS, SIZE, name)
    inputs = [value_info("queries", TensorProto.FLOAT, ["B", "Q", WIDTH])]
    inputs += graph_memory.described(g, HEADS, SIZE, 1)
    feeds = {"queries": queries, **memory}
    if lengths is not None:
        inputs.append(value_info("lengths", TensorProto.INT32, ["B"]))
        feeds["lengths"] = np.array(lengths, np.int32)
    output = value_info(given, TensorProto.FLOAT, ["B", "Q", WIDTH])
    return run(g, inputs, [output], feeds)[0]


def drawn(seed: int, windows: int, count: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(windows, count, WIDTH)).astype(np.float32)


def error(found: Floats, true: Floats) -> float:
    return float(np.abs(found - true).mean() / np.abs(true).mean())


@pytest.mark.parametrize("precision", ["int8-blocks", "uint8-rows"])
@pytest.mark.parametrize("sharpness", [0.1, 1, 5])
def test_8_bit_attention_is_close_whether_shares_are_alike_or_one_is_most(
    sharpness: float, precision: str
) -> None:
    keys, values, queries = (drawn(seed, 2, n) for seed, n in enumerate((POSITIONS, POSITIONS, 3)))
    queries *= sharpness
    keys[:, 7] *= 30  # a position whose scale must be its own
    true, found = (attended(p, queries, kept(p, keys, values)) for p in ("fp32", precision))
    assert 0 < error(found, true) < 0.02


@pytest.mark.parametrize("precision", ["int8-blocks", "uint8-rows"])
def test_many_small_shares_count_beside_a_large_one(precision: str) -> None:
    """One position takes half; each of the others less than a step of 8 bit of that."""
    count = 500
    keys, values = np.zeros((1, count, WIDTH), np.float32), np.ones((1, count, WIDTH), np.float32)
    keys[:, 0], values[:, 0] = np.log(count - 1) / np.sqrt(SIZE), -1
    queries = np.ones((1, 1, WIDTH), np.float32)
    found = attended(precision, queries, kept(precision, keys, values))
    assert np.abs(found).max() < 0.02  # with the small shares lost: -1


@pytest.mark.parametrize("precision", ["fp32", "int8-rows", "uint8-rows"])
def test_positions_after_the_length_do_not_count(precision: str) -> None:
    keys, values, queries = (drawn(seed, 2, n) for seed, n in enumerate((POSITIONS, POSITIONS, 1)))
    memory = kept(precision, keys, values)
    short = kept(precision, keys[:1, :9], values[:1, :9])
    found = attended(precision, queries, memory, [9, POSITIONS])
    assert error(found[:1], attended(precision, queries[:1], short)) < 1e-5
    assert error(found[1:], attended(precision, queries, memory)[1:]) < 1e-5


@pytest.mark.parametrize("precision", ["int8-blocks", "uint8-rows"])
def test_a_window_of_zeros_gives_zeros(precision: str) -> None:
    """Batches are filled up with them."""
    nothing = np.zeros((1, POSITIONS, WIDTH), np.float32)
    memory = kept(precision, nothing, nothing)
    assert not attended(precision, drawn(0, 1, 3), memory).any()


@pytest.mark.parametrize("precision", ["int8-blocks", "uint8-rows"])
def test_a_window_gives_the_same_beside_others(precision: str) -> None:
    keys, values, queries = (drawn(seed, 4, n) for seed, n in enumerate((POSITIONS, POSITIONS, 3)))
    together = attended(precision, queries, kept(precision, keys, values))
    for row in range(4):
        own = slice(row, row + 1)
        alone = attended(precision, queries[own], kept(precision, keys[own], values[own]))
        assert np.array_equal(alone, together[own])
