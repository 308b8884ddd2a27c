"""Numba kernels of DLRM's dot interaction: the product of each pair of an example's vectors, and their gradients.

A batched product of matrices makes 729 products of 27 vectors, of which 351 are wanted, and moves them through memory
twice more. Here an example stays in a core's cache from its vectors to its pairs.

Legend of shapes: B examples, D embedding dimension, E the same padded to whole lanes, S embedded vectors, F = S + 1
vectors, the dense one first, P = F (F - 1) / 2 pairs: (1, 0), (2, 0), (2, 1), (3, 0) ..., I = D + P, W vectors with
some of zeros behind them, in whole lanes where lanes run over them.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn import lanes
from aisle.nn.kernels import compiled, compiled_part
from aisle.nn.short_floats import Floats16Or32

Floats = NDArray[np.float32]
#: A batch is cut in so many pieces for threads to take.
_PIECES = 64
#: So many vectors share what is loaded of the others.
_AT_ONCE = 4


@compiled
def dot_pairs(dense_BE: Floats16Or32, embedded_BSE: Floats16Or32, dim: int, out_BI: Floats16Or32) -> None:
    """Write, of each example, the dense vector's ``dim`` numbers and behind them the product of each pair.

    Sums are of float32. What pads vectors must be zero.
    """
    num_examples, num_embedded, depth = embedded_BSE.shape
    width = (num_embedded + _AT_ONCE + lanes.NUM - 1) // lanes.NUM * lanes.NUM
    for piece in numba.prange(_PIECES):
        vectors_WE, turned_EW = np.zeros((width, depth), np.float32), np.zeros((depth, width), np.float32)
        pairs_P = np.empty(width * width // 2 + lanes.NUM, out_BI.dtype)
        for b in range(piece * num_examples // _PIECES, (piece + 1) * num_examples // _PIECES):
            _read(dense_BE, embedded_BSE, b, vectors_WE)
            for f in range(0, width, lanes.NUM):
                for e in range(0, depth, lanes.NUM):
                    lanes.transpose(vectors_WE, f * depth + e, depth, turned_EW, e * width + f, width)
            _multiply(vectors_WE, turned_EW, num_embedded + 1, pairs_P)
            out_BI[b, :dim] = dense_BE[b, :dim]
            out_BI[b, dim:] = pairs_P[: out_BI.shape[1] - dim]


@compiled
def dot_gradients(
    gradient_BI: Floats16Or32,
    dense_BE: Floats16Or32,
    embedded_BSE: Floats16Or32,
    dim: int,
    of_dense_BE: Floats16Or32,
    of_embedded_BSE: Floats16Or32,
) -> None:
    """Write the gradients of both kinds of vectors, by that of what :func:`dot_pairs` wrote.

    What pads them has no meaning.
    """
    num_examples, num_embedded, depth = embedded_BSE.shape
    size, rest = gradient_BI.shape[1], num_embedded * depth
    for piece in numba.prange(_PIECES):
        vectors_WE = np.zeros((num_embedded + _AT_ONCE, depth), np.float32)
        sums_WE = np.empty_like(vectors_WE)
        room = size + (_AT_ONCE - 1) * num_embedded + depth + lanes.NUM  # also for the pairs of what pads vectors
        line, weights = np.zeros(room, gradient_BI.dtype), np.zeros(room, np.float32)
        among = np.zeros(_AT_ONCE * _AT_ONCE, np.float32)
        for b in range(piece * num_examples // _PIECES, (piece + 1) * num_examples // _PIECES):
            _read(dense_BE, embedded_BSE, b, vectors_WE)
            line[:size] = gradient_BI[b]
            for at in range(0, size, lanes.NUM):
                lanes.store(weights, at, lanes.load(line, at))
            _weigh(vectors_WE, weights, num_embedded + 1, dim, among, sums_WE)
            for at in range(0, depth, lanes.NUM):
                lanes.store(of_dense_BE, b * depth + at, lanes.load(sums_WE, at))
            for at in range(0, rest, lanes.NUM):
                lanes.store(of_embedded_BSE, b * rest + at, lanes.load(sums_WE, depth + at))


@compiled_part
def _read(dense_BE: Floats16Or32, embedded_BSE: Floats16Or32, b: int, vectors_WE: Floats) -> None:
    _, num_embedded, depth = embedded_BSE.shape
    for at in range(0, depth, lanes.NUM):
        lanes.store(vectors_WE, at, lanes.load(dense_BE, b * depth + at))
    for at in range(0, num_embedded * depth, lanes.NUM):
        lanes.store(vectors_WE, depth + at, lanes.load(embedded_BSE, b * num_embedded * depth + at))


@compiled_part
def _multiply(vectors_WE: Floats, turned_EW: Floats, num_vectors: int, pairs_P: Floats16Or32) -> None:
    """Write the product of each pair: four vectors with sixteen others at once.

    Behind the end of a vector's pairs lanes write what has no meaning; the first sixteen of the next vectors, which
    come after it, replace that.
    """
    depth, width = turned_EW.shape
    for f in range(0, num_vectors, _AT_ONCE):
        at = f * (f - 1) // 2
        for other in range((f + 2) // lanes.NUM * lanes.NUM, -1, -lanes.NUM):
            products0, products1, products2, products3 = lanes.zeros(), lanes.zeros(), lanes.zeros(), lanes.zeros()
            for e in range(depth):
                others = lanes.load(turned_EW, e * width + other)
                products0 = lanes.add_product(products0, vectors_WE, f * depth + e, others)
                products1 = lanes.add_product(products1, vectors_WE, (f + 1) * depth + e, others)
                products2 = lanes.add_product(products2, vectors_WE, (f + 2) * depth + e, others)
                products3 = lanes.add_product(products3, vectors_WE, (f + 3) * depth + e, others)
            if other < f:
                lanes.store(pairs_P, at + other, products0)
            if other < f + 1:
                lanes.store(pairs_P, at + f + other, products1)
            if other < f + 2:
                lanes.store(pairs_P, at + 2 * f + 1 + other, products2)
            lanes.store(pairs_P, at + 3 * f + 3 + other, products3)


@compiled_part
def _weigh(vectors_WE: Floats, weights: Floats, num_vectors: int, dim: int, among: Floats, sums_WE: Floats) -> None:
    """Sum, for each vector, the others by the gradients of their pairs with it, and what the dense one got itself."""
    depth = vectors_WE.shape[1]
    for f in range(0, num_vectors, _AT_ONCE):
        at0 = dim + f * (f - 1) // 2  # where the pairs of the four vectors begin
        at1, at2, at3 = at0 + f, at0 + 2 * f + 1, at0 + 3 * f + 3
        among[1], among[2], among[3] = weights[at1 + f], weights[at2 + f], weights[at3 + f]
        among[4], among[6], among[7] = weights[at1 + f], weights[at2 + f + 1], weights[at3 + f + 1]
        among[8], among[9], among[11] = weights[at2 + f], weights[at2 + f + 1], weights[at3 + f + 2]
        among[12], among[13], among[14] = weights[at3 + f], weights[at3 + f + 1], weights[at3 + f + 2]
        for e in range(0, depth, lanes.NUM):
            sum0 = lanes.load(weights, e) if f == 0 else lanes.zeros()
            sum1, sum2, sum3 = lanes.zeros(), lanes.zeros(), lanes.zeros()
            for other in range(f):
                vector = lanes.load(vectors_WE, other * depth + e)
                sum0 = lanes.add_product(sum0, weights, at0 + other, vector)
                sum1 = lanes.add_product(sum1, weights, at1 + other, vector)
                sum2 = lanes.add_product(sum2, weights, at2 + other, vector)
                sum3 = lanes.add_product(sum3, weights, at3 + other, vector)
            for other in range(_AT_ONCE):
                vector = lanes.load(vectors_WE, (f + other) * depth + e)
                sum0 = lanes.add_product(sum0, among, other, vector)
                sum1 = lanes.add_product(sum1, among, _AT_ONCE + other, vector)
                sum2 = lanes.add_product(sum2, among, 2 * _AT_ONCE + other, vector)
                sum3 = lanes.add_product(sum3, among, 3 * _AT_ONCE + other, vector)
            at = at3 + f + 3 + f
            for other in range(f + _AT_ONCE, num_vectors):
                vector = lanes.load(vectors_WE, other * depth + e)
                sum0 = lanes.add_product(sum0, weights, at, vector)
                sum1 = lanes.add_product(sum1, weights, at + 1, vector)
                sum2 = lanes.add_product(sum2, weights, at + 2, vector)
                sum3 = lanes.add_product(sum3, weights, at + 3, vector)
                at += other
            for nth, total in enumerate((sum0, sum1, sum2, sum3)):
                lanes.store(sums_WE, (f + nth) * depth + e, total)
