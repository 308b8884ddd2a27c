"""Numba kernels that update, in place, the rows of a table that a batch looked up.

A row's gradients are summed before it moves, however often the batch holds its id, as FBGEMM's "exact" optimizers do.
The ids are first dealt into buckets, so that a bucket's hash table and sums stay in a core's cache. A bucket owns its
rows and keeps the order of its ids, so the result is the same for any number of threads.

Legend of shapes: R rows, D numbers of a row, E the same padded to whole lanes, N looked up ids, U different ones of a
bucket, C chunks of ids, K buckets, H places of hash tables.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn import lanes
from aisle.nn.kernels import compiled, compiled_part
from aisle.nn.short_floats import Floats16Or32, widened

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

ADAGRAD_EPSILON = 1e-8
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
_FREE = -1
_NUM_BUCKETS = 64
#: The ids are counted and dealt in so many pieces for threads to take.
_NUM_CHUNKS = 16
#: Rows lie anywhere in memory: a weight is asked for when its first gradient is met, all else so many rows before.
_AHEAD = 16
_GOLDEN = 0x9E3779B1  # the golden ratio of 2^32: multiplied by it, near numbers fall far apart


class Room(NamedTuple):
    """Scratch arrays, to be kept from step to step.

    Attributes:
        starts_CK: Where each chunk's next id of a bucket goes.
        order_N: The places of the ids, bucket by bucket.
        rows_N: The ids in that order; once a bucket is summed, its different rows, from where its ids started.
        places_H: Hash tables: where in ``rows_N`` a row stands.
        sums_NE: The sums of their gradients, zeros behind them.
    """

    starts_CK: Ids
    order_N: NDArray[np.int32]
    rows_N: Ids
    places_H: NDArray[np.int32]
    sums_NE: Floats


class RowGradients(NamedTuple):
    """What a batch says of a table's rows.

    Attributes:
        weight_RD: The table, changed in place.
        gradient_ND: The gradients of what was looked up, in the order of the ids that :func:`deal` took.
        seen_R: In which step each row was looked up last, 0 for never; changed in place, and not read without ``l2``.
        l2: The penalty ``l2 / 2 * |weight|^2`` of each step's loss.
        step: This step's number, from 1.
    """

    weight_RD: Floats
    gradient_ND: Floats16Or32
    seen_R: NDArray[np.int32]
    l2: float
    step: int


def room_for(num_ids: int, dim: int) -> Room:
    """Scratch arrays for so many ids."""
    return Room(
        np.empty((_NUM_CHUNKS + 1, _NUM_BUCKETS), np.int64),
        np.empty(num_ids, np.int32),
        np.empty(num_ids, np.int64),
        np.empty(4 * num_ids, np.int32),  # a bucket's table: the next power of 2 of twice its ids
        np.empty((num_ids, lanes.padded(dim)), np.float32),
    )


@compiled
def deal(ids_N: Ids, room: Room) -> None:
    """Order the ids by bucket, and within one as they came; ``starts_CK[C]`` tells where buckets end."""
    for chunk in numba.prange(_NUM_CHUNKS):
        _count_chunk(chunk, ids_N, room.starts_CK)
    start = 0
    for bucket in range(_NUM_BUCKETS):
        for chunk in range(_NUM_CHUNKS):
            count = room.starts_CK[chunk, bucket]
            room.starts_CK[chunk, bucket] = start
            start += count
        room.starts_CK[_NUM_CHUNKS, bucket] = start
    for chunk in numba.prange(_NUM_CHUNKS):
        _deal_chunk(chunk, ids_N, room)


@compiled_part
def _count_chunk(chunk: int, ids_N: Ids, counts_CK: Ids) -> None:
    counts_CK[chunk] = 0
    for n in range(chunk * len(ids_N) // _NUM_CHUNKS, (chunk + 1) * len(ids_N) // _NUM_CHUNKS):
        counts_CK[chunk, _bucket(ids_N[n])] += 1


@compiled_part
def _deal_chunk(chunk: int, ids_N: Ids, room: Room) -> None:
    for n in range(chunk * len(ids_N) // _NUM_CHUNKS, (chunk + 1) * len(ids_N) // _NUM_CHUNKS):
        row = ids_N[n]
        bucket = _bucket(row)
        at = room.starts_CK[chunk, bucket]
        room.order_N[at], room.rows_N[at] = n, row
        room.starts_CK[chunk, bucket] = at + 1


@compiled_part
def _bucket(row: int) -> int:
    return ((row * _GOLDEN) >> 26) & (_NUM_BUCKETS - 1)


@compiled_part
def _sum_bucket(bucket: int, rows: RowGradients, room: Room) -> tuple[Ids, Floats]:
    """Sum the gradients of a bucket's rows; gives the different rows [U] and their sums [U, E]."""
    first = room.starts_CK[_NUM_CHUNKS, bucket - 1] if bucket > 0 else 0
    end = room.starts_CK[_NUM_CHUNKS, bucket]
    rows_N, sums_NE = room.rows_N[first:end], room.sums_NE[first:end]
    num_places = min(end - first, 1)  # none for no ids: the place at ``first`` is another bucket's then
    while num_places < 2 * (end - first):  # at most half full
        num_places *= 2
    places_H, last = room.places_H[4 * first : 4 * first + num_places], num_places - 1
    places_H[:] = _FREE
    count, dim, width = 0, rows.gradient_ND.shape[1], sums_NE.shape[1]
    whole = dim // lanes.NUM * lanes.NUM
    for nth, n in enumerate(room.order_N[first:end]):
        if first + nth + _AHEAD < end:
            lanes.prefetch(rows.gradient_ND, room.order_N[first + nth + _AHEAD] * dim)
        row = rows_N[nth]
        at = ((row * _GOLDEN) >> 8) & last
        while places_H[at] != _FREE and rows_N[places_H[at]] != row:
            at = (at + 1) & last
        place = places_H[at]
        if place == _FREE:
            places_H[at], rows_N[count] = count, row
            lanes.prefetch(rows.weight_RD, row * dim)
            for d in range(0, whole, lanes.NUM):
                lanes.store(sums_NE, count * width + d, lanes.load(rows.gradient_ND, n * dim + d))
            sums_NE[count, whole:] = 0
            for d in range(whole, dim):
                sums_NE[count, d] = widened(rows.gradient_ND[n, d])
            count += 1
        else:
            for d in range(0, whole, lanes.NUM):
                gradients = lanes.load(rows.gradient_ND, n * dim + d)
                lanes.store(sums_NE, place * width + d, lanes.add(lanes.load(sums_NE, place * width + d), gradients))
            for d in range(whole, dim):
                sums_NE[place, d] += widened(rows.gradient_ND[n, d])
    if rows.l2 > 0:
        _add_penalty(rows, rows_N[:count], sums_NE)
    return rows_N[:count], sums_NE[:count]


@compiled_part
def _add_penalty(rows: RowGradients, rows_U: Ids, sums_UE: Floats) -> None:
    """Add what the penalty asks of each row since it was looked up last, but no more than all that it holds."""
    for place in range(len(rows_U)):
        row = rows_U[place]
        owed = np.float32(min(rows.l2 * (rows.step - rows.seen_R[row]), 1.0))
        rows.seen_R[row] = rows.step
        for d in range(rows.weight_RD.shape[1]):
            sums_UE[place, d] += owed * rows.weight_RD[row, d]


@compiled
def sgd(rows: RowGradients, room: Room, rate: float) -> None:
    """Stochastic gradient descent."""
    rate32, weight_RD = np.float32(rate), rows.weight_RD
    for bucket in numba.prange(_NUM_BUCKETS):
        rows_U, sums_UE = _sum_bucket(bucket, rows, room)
        for place, row in enumerate(rows_U):
            for d in range(weight_RD.shape[1]):
                weight_RD[row, d] -= rate32 * sums_UE[place, d]


@compiled
def adagrad(rows: RowGradients, room: Room, squares_RD: Floats, rate: float) -> None:
    """Adagrad: a sum of squares for each number."""
    rate32, epsilon, weight_RD = np.float32(rate), np.float32(ADAGRAD_EPSILON), rows.weight_RD
    for bucket in numba.prange(_NUM_BUCKETS):
        rows_U, sums_UE = _sum_bucket(bucket, rows, room)
        for place, row in enumerate(rows_U):
            if place + _AHEAD < len(rows_U):
                lanes.prefetch(squares_RD, rows_U[place + _AHEAD] * squares_RD.shape[1])
            for d in range(weight_RD.shape[1]):
                gradient = sums_UE[place, d]
                squares_RD[row, d] += gradient * gradient
                weight_RD[row, d] -= rate32 * gradient / (np.sqrt(squares_RD[row, d]) + epsilon)


@compiled
def row_wise_adagrad(rows: RowGradients, room: Room, squares_R1: Floats, rate: float) -> None:
    """Adagrad with one sum for each row, of its mean squares."""
    rate32, epsilon, weight_RD = np.float32(rate), np.float32(ADAGRAD_EPSILON), rows.weight_RD
    dim, width = weight_RD.shape[1], room.sums_NE.shape[1]
    whole = dim // lanes.NUM * lanes.NUM
    for bucket in numba.prange(_NUM_BUCKETS):
        rows_U, sums_UE = _sum_bucket(bucket, rows, room)
        for place, row in enumerate(rows_U):
            if place + _AHEAD < len(rows_U):
                lanes.prefetch(squares_R1, rows_U[place + _AHEAD])
            squares = lanes.zeros()
            for e in range(0, width, lanes.NUM):
                sums = lanes.load(sums_UE, place * width + e)
                squares = lanes.add(squares, lanes.multiply(sums, sums))
            squares_R1[row, 0] += lanes.total(squares) / np.float32(dim)
            factor = -rate32 / (np.sqrt(squares_R1[row, 0]) + epsilon)
            for d in range(0, whole, lanes.NUM):
                sums, weights = lanes.load(sums_UE, place * width + d), lanes.load(weight_RD, row * dim + d)
                lanes.store(weight_RD, row * dim + d, lanes.add_scaled(weights, factor, sums))
            for d in range(whole, dim):
                weight_RD[row, d] += factor * sums_UE[place, d]


@compiled
def adam(rows: RowGradients, room: Room, means_RD: Floats, squares_RD: Floats, rate: float) -> None:
    """Adam whose moments rest while a row is not looked up (torch's ``SparseAdam``)."""
    beta1, beta2 = ADAM_BETAS
    mean_rate, square_rate, epsilon = np.float32(1 - beta1), np.float32(1 - beta2), np.float32(ADAM_EPSILON)
    rate32, correction = np.float32(rate / (1 - beta1**rows.step)), np.float32(1 / (1 - beta2**rows.step))
    weight_RD = rows.weight_RD
    for bucket in numba.prange(_NUM_BUCKETS):
        rows_U, sums_UE = _sum_bucket(bucket, rows, room)
        for place, row in enumerate(rows_U):
            if place + _AHEAD < len(rows_U):
                lanes.prefetch(means_RD, rows_U[place + _AHEAD] * means_RD.shape[1])
                lanes.prefetch(squares_RD, rows_U[place + _AHEAD] * squares_RD.shape[1])
            for d in range(weight_RD.shape[1]):
                gradient = sums_UE[place, d]
                means_RD[row, d] += mean_rate * (gradient - means_RD[row, d])
                squares_RD[row, d] += square_rate * (gradient * gradient - squares_RD[row, d])
                scale = np.sqrt(squares_RD[row, d] * correction) + epsilon
                weight_RD[row, d] -= rate32 * means_RD[row, d] / scale
