"""Numbers of bfloat16 in kernels: torch says what is right, bit by bit."""

from __future__ import annotations

import numpy as np
import torch

from aisle.nn.short_floats import float_array
from aisle.nn.tables.gather_kernel import gather_rows


def gathered(values: torch.Tensor) -> torch.Tensor:
    """Values that went through a kernel that rounds them."""
    out = torch.empty(values.shape, dtype=torch.bfloat16)
    gather_rows(values.numpy(), np.arange(len(values)), float_array(out))
    return out


def test_a_kernel_rounds_as_torch_does() -> None:
    bits = torch.randint(-(2**31), 2**31, (4000, 16), generator=torch.Generator().manual_seed(0)).to(torch.int32)
    values = bits.view(torch.float32)
    halves = (bits & -0x10000 | 0x8000).view(torch.float32)  # each as near to one bfloat16 as to the next
    for case in (values, halves):
        rounded, expected = gathered(case), case.bfloat16()
        known = ~expected.isnan()
        assert torch.equal(rounded.view(torch.int16)[known], expected.view(torch.int16)[known])
        assert rounded[~known].isnan().all()
        assert 0 < (~known).sum() < case.numel() / 100


def test_a_kernel_rounds_to_the_even_of_two() -> None:
    # The last bit of a bfloat16 between 1 and 2 is worth 1/128.
    values = torch.tensor([[1 + 1 / 256, 1 + 3 / 256, 3.4e38, -float("inf")]])
    assert gathered(values).tolist() == [[1.0, 1 + 4 / 256, float("inf"), -float("inf")]]


def test_float32_is_copied_as_it_is() -> None:
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    out = torch.empty_like(values)
    gather_rows(values.numpy(), np.arange(50)[::-1].copy(), float_array(out))
    assert torch.equal(out, values.flip(0))
