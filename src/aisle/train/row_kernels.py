"""Numba kernels that update, in place, the rows of a table that a batch looked up.

A row's gradients are summed before it moves, however often the batch holds its id, as FBGEMM's "exact" optimizers do.
Each thread owns the rows whose last bits are its number, and walks through the ids in their order, so the result is
the same for any number of threads.

Legend of shapes: R rows, D numbers of a row, N looked up ids, P parts (threads), H places of a hash table.
"""

from __future__ import annotations

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


#: Keys and places of a hash table, the rows that were found, their sums, and one number: a part for every thread.
Room = tuple[Ids, NDArray[np.int32], Ids, Floats, Floats]


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
def _sum_part(part: int, ids_N: Ids, gradient_ND: Floats, room: Room) -> int:
    """Sum the gradients of a part's rows; gives how many rows there are."""
    keys_H, places_H, rows_N, sums_ND = room[0][part], room[1][part], room[2][part], room[3][part]
    num_parts, last, dim, count = len(room[0]), len(keys_H) - 1, gradient_ND.shape[1], 0
    keys_H[:] = _FREE
    for n in range(len(ids_N)):
        row = ids_N[n]
        if row & (num_parts - 1) != part:
            continue
        at = ((row * _GOLDEN) >> 8) & last
        while keys_H[at] != row and keys_H[at] != _FREE:
            at = (at + 1) & last
        if keys_H[at] == _FREE:
            keys_H[at], places_H[at], rows_N[count] = row, count, row
            for d in range(dim):
                sums_ND[count, d] = gradient_ND[n, d]
            count += 1
        else:
            for d in range(dim):
                sums_ND[places_H[at], d] += gradient_ND[n, d]
    return count


@compiled
def sgd(weight_RD: Floats, ids_N: Ids, gradient_ND: Floats, room: Room, rate: float, l2: float) -> None:
    """Stochastic gradient descent."""
    rate32, l232 = np.float32(rate), np.float32(l2)
    for part in numba.prange(len(room[0])):
        rows_N, sums_ND = room[2][part], room[3][part]
        count, fetched = _sum_part(part, ids_N, gradient_ND, room), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                for d in range(len(sum_D)):
                    weight_RD[row, d] -= rate32 * (sum_D[d] + l232 * weight_RD[row, d])
        room[4][part] = fetched  # kept, so that the compiler does not leave the fetching out


@compiled
def adagrad(
    weight_RD: Floats,
    ids_N: Ids,
    gradient_ND: Floats,
    room: Room,
    squares_RD: Floats,
    rate: float,
    l2: float,
) -> None:
    """Adagrad: a sum of squares for each number."""
    rate32, l232, epsilon = np.float32(rate), np.float32(l2), np.float32(ADAGRAD_EPSILON)
    for part in numba.prange(len(room[0])):
        rows_N, sums_ND = room[2][part], room[3][part]
        count, fetched = _sum_part(part, ids_N, gradient_ND, room), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0] + squares_RD[rows_N[place], 0]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                for d in range(len(sum_D)):
                    gradient = sum_D[d] + l232 * weight_RD[row, d]
                    squares_RD[row, d] += gradient * gradient
                    weight_RD[row, d] -= rate32 * gradient / (np.sqrt(squares_RD[row, d]) + epsilon)
        room[4][part] = fetched  # kept, so that the compiler does not leave the fetching out


@compiled
def row_wise_adagrad(
    weight_RD: Floats,
    ids_N: Ids,
    gradient_ND: Floats,
    room: Room,
    squares_R: Floats,
    rate: float,
    l2: float,
) -> None:
    """Adagrad with one sum for each row, of its mean squares."""
    rate32, l232, epsilon = np.float32(rate), np.float32(l2), np.float32(ADAGRAD_EPSILON)
    for part in numba.prange(len(room[0])):
        rows_N, sums_ND = room[2][part], room[3][part]
        count, fetched = _sum_part(part, ids_N, gradient_ND, room), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0] + squares_R[rows_N[place]]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                total = np.float32(0)
                for d in range(len(sum_D)):
                    sum_D[d] += l232 * weight_RD[row, d]
                    total += sum_D[d] * sum_D[d]
                squares_R[row] += total / np.float32(len(sum_D))
                factor = rate32 / (np.sqrt(squares_R[row]) + epsilon)
                for d in range(len(sum_D)):
                    weight_RD[row, d] -= factor * sum_D[d]
        room[4][part] = fetched  # kept, so that the compiler does not leave the fetching out


@compiled
def adam(
    weight_RD: Floats,
    ids_N: Ids,
    gradient_ND: Floats,
    room: Room,
    means_RD: Floats,
    squares_RD: Floats,
    rate: float,
    l2: float,
    step: int,
) -> None:
    """Adam whose moments rest while a row is not looked up (torch's ``SparseAdam``); ``step`` counts from 1."""
    first, second = ADAM_BETAS
    mean_rate, square_rate, epsilon = np.float32(1 - first), np.float32(1 - second), np.float32(ADAM_EPSILON)
    rate32, l232, correction = np.float32(rate / (1 - first**step)), np.float32(l2), np.float32(1 / (1 - second**step))
    for part in numba.prange(len(room[0])):
        rows_N, sums_ND = room[2][part], room[3][part]
        count, fetched = _sum_part(part, ids_N, gradient_ND, room), np.float32(0)
        for first in range(0, count, _AHEAD):
            last = min(first + _AHEAD, count)
            for place in range(first, last):
                fetched += weight_RD[rows_N[place], 0] + means_RD[rows_N[place], 0] + squares_RD[rows_N[place], 0]
            for place in range(first, last):
                row, sum_D = rows_N[place], sums_ND[place]
                for d in range(len(sum_D)):
                    gradient = sum_D[d] + l232 * weight_RD[row, d]
                    means_RD[row, d] += mean_rate * (gradient - means_RD[row, d])
                    squares_RD[row, d] += square_rate * (gradient * gradient - squares_RD[row, d])
                    weight_RD[row, d] -= (
                        rate32 * means_RD[row, d] / (np.sqrt(squares_RD[row, d] * correction) + epsilon)
                    )
        room[4][part] = fetched  # kept, so that the compiler does not leave the fetching out
