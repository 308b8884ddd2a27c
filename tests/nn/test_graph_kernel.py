"""Sums over neighbours against a dense matrix, for widths in and beside whole lanes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.nn.graph_kernel import add_neighbours
from aisle.nn.short_floats import float_array


@pytest.mark.parametrize("dim", [3, 16, 64, 149])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_over_neighbours(dim: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    is_edge_NN = torch.rand(50, 50, generator=generator) < 0.5
    is_edge_NN[7] = False  # a node without neighbours
    # Small whole numbers, whose sums and halves of them float32 holds: only rounding to bfloat16 is left.
    rows_ND = torch.randint(-6, 7, (50, dim), generator=generator).to(dtype)
    total_ND, next_ND = torch.ones(50, dim), torch.empty(50, dim, dtype=dtype)
    starts_N1 = np.concatenate([[0], np.cumsum(is_edge_NN.sum(1).numpy())]).astype(np.int32)
    neighbours_L = is_edge_NN.nonzero()[:, 1].numpy().astype(np.int32)

    scale_N = np.full(50, 0.5, np.float32)
    rows, next_rows = float_array(rows_ND), float_array(next_ND)
    add_neighbours(neighbours_L, starts_N1, rows, scale_N, total_ND.numpy(), next_rows)

    sums_ND = is_edge_NN.float() @ rows_ND.float()
    assert torch.equal(total_ND, 1 + sums_ND)
    assert torch.equal(next_ND, (sums_ND / 2).to(dtype))


def test_any_number_of_threads_gives_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 64, generator=generator).numpy()
    neighbours_L = torch.randint(200, (2000,), generator=generator).numpy().astype(np.int32)
    starts_N1 = np.arange(0, 2001, 10, dtype=np.int32)
    threads, totals = torch.get_num_threads(), []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            total_ND = np.zeros_like(rows)
            add_neighbours(neighbours_L, starts_N1, rows, np.ones(200, np.float32), total_ND, np.empty_like(rows))
            totals.append(total_ND)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(*totals)
