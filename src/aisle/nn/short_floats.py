"""Numbers of bfloat16 in Numba kernels: 16 bits, which are the upper half of a float32's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import types
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor

#: The types of numbers that kernels take.
KERNEL_TYPES = (torch.float32, torch.bfloat16)
#: An array of float32, or of the bits of bfloat16.
Floats16Or32 = NDArray[np.float32] | NDArray[np.uint16]


def float_array(tensor: Tensor) -> Floats16Or32:
    """The memory of a contiguous tensor of float32 or bfloat16, as kernels take it."""
    tensor = tensor.detach()
    array: Floats16Or32 = (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def widened(value: Any) -> float:
    """A float32 as it is, the bits of a bfloat16 as a float32; only for kernels."""
    raise NotImplementedError("expected a compiled kernel to call this, received a call from Python")


def store(values_ND: Floats16Or32, n: int, d: int, value: float) -> None:
    """Write a float32: as it is, or the bits of the nearest bfloat16, the even one of two; only for kernels."""
    raise NotImplementedError("expected a compiled kernel to call this, received a call from Python")


@overload(widened, inline="always")
def _widened(value: Any) -> Callable[[Any], Any]:
    def of_bits(value: Any) -> Any:
        return np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)

    def as_it_is(value: Any) -> Any:
        return value

    return of_bits if value == types.uint16 else as_it_is


@overload(store, inline="always")
def _store(values_ND: Any, n: Any, d: Any, value: Any) -> Callable[..., None]:
    def rounded(values_ND: Any, n: Any, d: Any, value: Any) -> None:
        bits = np.float32(value).view(np.uint32)
        to_even = np.uint32(np.uint32(bits + np.uint32(0x7FFF)) + np.uint32(np.uint32(bits >> 16) & np.uint32(1)))
        is_nan = np.uint32(bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
        values_ND[n, d] = np.uint16(0x7FC0) if is_nan else np.uint16(np.uint32(to_even >> np.uint32(16)))

    def as_it_is(values_ND: Any, n: Any, d: Any, value: Any) -> None:
        values_ND[n, d] = value

    return rounded if values_ND.dtype == types.uint16 else as_it_is
