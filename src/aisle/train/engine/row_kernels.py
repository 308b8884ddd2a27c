"""Numba kernels that update, in place, the rows of a table that a batch looked up.

A row's gradients are summed before it moves, however often the batch holds its id, as FBGEMM's "exact" optimizers do.
Each thread owns the rows whose last bits are its number, and walks through the ids in their order, so the result is
the same for any number of threads.

Legend of shapes: R rows, D numbers of a row, N looked up ids, P parts (threads), H places of a hash table.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from aisle.nn.kernels import compiled, compiled_part

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

ADAGRAD_EPSILON = 1e-8
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
_FREE = -1
#: Rows lie anywhere in memory: so many are fetched at once, as their loads do not wait for one another.
_AHEAD = 32
_GOLDEN = 0x9E3779B1  # the golden ratio of 2^32: multiplied by it, near numbers fall far apart


#: The scratch arrays of :class:`RowGradients`, a part for every thread.
Room = tuple[Ids, NDArray[np.int32], Ids, Floats, Floats]


class RowGradients(NamedTuple):
    """What a batch says of a table's rows.

    Attributes:
        weight_RD: The table, changed in place.
        ids_N: Which rows were looked up.
        gradient_ND: The gradients of what was looked up.
        keys_PH: Scratch, as :func:`room_for` makes it: the keys of hash tables,
        places_PH: where each key's row stands among those found,
        rows_PN: the rows that were found,
        sums_PND: the sums of their gradients,
        fetched_P: and one number.
        seen_R: In which step each row was looked up last, 0 for never; changed in place, and not read without ``l2``.
        l2: The penalty ``l2 / 2 * |weight|^2`` of each step's loss.
        step: This step's number, from 1.
    """

    weight_RD: Floats
    ids_N: Ids
    gradient_ND: Floats
    keys_PH: Ids
    places_PH: NDArray[np.int32]
    rows_PN: Ids
    sums_PND: Floats
    fetched_P: Floats
    seen_R: NDArray[np.int32]
    l2: float
    step: int


def room_for(num_ids: int, dim: int, num_threads: int) -> Room:
    """Scratch arrays for so many ids, to be kept from step to step: [P, H], [P, H], [P, N], [P, N, D] and [P].

    P is the largest power of 2 that is no more than ``num_threads``.
    """
    num_parts = 1 << (num_threads.bit_length() - 1)
    num_places = 1 << (2 * num_ids - 1).bit_length()  # at most half full
    return (
        np.empty((num_parts, num_places), np.int64),
        np.empty((num_parts, num_places), np.int32),
        np.empty((num_parts, num_ids), np.int64),
        np.empty((num_parts, num_ids, dim), np.float32),
        np.empty(num_parts, np.float32),
    )


@compiled_part
def _add_penalty(rows: RowGradients, rows_N: Ids, sums_ND: Floats) -> int:
    """Add what the penalty asks of each row since it was looked up last, but no more than all that it holds."""
    for place in range(len(rows_N)):
        row = rows_N[place]
        owed = np.float32(min(rows.l2 * (rows.step - rows.seen_R[row]), 1.0))
        rows.seen_R[row] = rows.step
        for d in range(sums_ND.shape[1]):
            sums_ND[place, d] += owed * rows.weight_RD[row, d]
    return len(rows_N)


@compiled_part
def _sum_part(part: int, rows: RowGradients) -> int:
    """Sum the gradients of a part's rows; gives how many rows there are."""
    keys_H, places_H = rows.keys_PH[part], rows.places_PH[part]
    rows_N, sums_ND = rows.rows_PN[part], rows.sums_PND[part]
    num_parts, last, dim, count = len(rows.keys_PH), len(keys_H) - 1, rows.gradient_ND.shape[1], 0
    keys_H[:] = _FREE
    for n in range(len(rows.ids_N)):
        row = rows.ids_N[n]
        if row & (num_parts - 1) != part:
            continue
        at = ((row * _GOLDEN) >> 8) & last
        while keys_H[at] != row and keys_H[at] != _FREE:
            at = (at + 1) & last
        if keys_H[at] == _FREE:
            keys_H[at], places_H[at], rows_N[count] = row, count, row
            for d in range(dim):
                sums_ND[count, d] = rows.gradient_ND[n, d]
            count += 1
        else:
            for d in range(dim):
                sums_ND[places_H[at], d] += rows.gradient_ND[n, d]
    if rows.l2 > 0:
        _add_penalty(rows, rows_N[:count], sums_ND)
    return count


@compiled
def sgd(rows: RowGradients, rate: float) -> None:
    """Stochastic gradient descent."""
    rate32, weight_RD = np.float32(rate), rows.weight_RD
    for part in numba.prange(len(rows.keys_PH)):
        rows_N, sums_ND = rows.rows_PN[part], rows.sums_PND[part]
        count, fetched = _sum_part(part, rows), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                for d in range(len(sum_D)):
                    weight_RD[row, d] -= rate32 * sum_D[d]
        rows.fetched_P[part] = fetched  # kept, so that the compiler does not leave the fetching out


@compiled
def adagrad(rows: RowGradients, squares_RD: Floats, rate: float) -> None:
    """Adagrad: a sum of squares for each number."""
    rate32, epsilon = np.float32(rate), np.float32(ADAGRAD_EPSILON)
    weight_RD = rows.weight_RD
    for part in numba.prange(len(rows.keys_PH)):
        rows_N, sums_ND = rows.rows_PN[part], rows.sums_PND[part]
        count, fetched = _sum_part(part, rows), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0] + squares_RD[rows_N[place], 0]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                for d in range(len(sum_D)):
                    gradient = sum_D[d]
                    squares_RD[row, d] += gradient * gradient
                    weight_RD[row, d] -= rate32 * gradient / (np.sqrt(squares_RD[row, d]) + epsilon)
        rows.fetched_P[part] = fetched  # kept, so that the compiler does not leave the fetching out


@compiled
def row_wise_adagrad(rows: RowGradients, squares_R: Floats, rate: float) -> None:
    """Adagrad with one sum for each row, of its mean squares."""
    rate32, epsilon = np.float32(rate), np.float32(ADAGRAD_EPSILON)
    weight_RD = rows.weight_RD
    for part in numba.prange(len(rows.keys_PH)):
        rows_N, sums_ND = rows.rows_PN[part], rows.sums_PND[part]
        count, fetched = _sum_part(part, rows), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0] + squares_R[rows_N[place]]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                total = np.float32(0)
                for d in range(len(sum_D)):
                    total += sum_D[d] * sum_D[d]
                squares_R[row] += total / np.float32(len(sum_D))
                factor = rate32 / (np.sqrt(squares_R[row]) + epsilon)
                for d in range(len(sum_D)):
                    weight_RD[row, d] -= factor * sum_D[d]
        rows.fetched_P[part] = fetched  # kept, so that the compiler does not leave the fetching out


@compiled
def adam(rows: RowGradients, means_RD: Floats, squares_RD: Floats, rate: float) -> None:
    """Adam whose moments rest while a row is not looked up (torch's ``SparseAdam``)."""
    first, second = ADAM_BETAS
    mean_rate, square_rate, epsilon = np.float32(1 - first), np.float32(1 - second), np.float32(ADAM_EPSILON)
    rate32, correction = np.float32(rate / (1 - first**rows.step)), np.float32(1 / (1 - second**rows.step))
    weight_RD = rows.weight_RD
    for part in numba.prange(len(rows.keys_PH)):
        rows_N, sums_ND = rows.rows_PN[part], rows.sums_PND[part]
        count, fetched = _sum_part(part, rows), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0] + means_RD[rows_N[place], 0] + squares_RD[rows_N[place], 0]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                for d in range(len(sum_D)):
                    gradient = sum_D[d]
                    means_RD[row, d] += mean_rate * (gradient - means_RD[row, d])
                    squares_RD[row, d] += square_rate * (gradient * gradient - squares_RD[row, d])
                    weight_RD[row, d] -= (
                        rate32 * means_RD[row, d] / (np.sqrt(squares_RD[row, d] * correction) + epsilon)
                    )
        rows.fetched_P[part] = fetched  # kept, so that the compiler does not leave the fetching out
