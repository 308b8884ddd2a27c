"""Large pages for tables, whose rows are read anywhere."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

from torch import Tensor

_MADV_HUGEPAGE = 14  # of sys/mman.h
_HUGE_PAGE = 2 << 20


def ask_for_huge_pages(tensor: Tensor) -> Tensor:
    """Ask Linux to put a new tensor, which nothing was written to, into pages of 2 MiB; gives it back.

    Of a table of 100 MB a processor knows the addresses of few pages of 4 KiB, and finds the others in memory before it
    finds the row. It is advice: where the system has no such pages, or none to spare, all works as without.
    """
    madvise = _madvise()
    if madvise is not None and tensor.device.type == "cpu":
        first = -(-tensor.data_ptr() // _HUGE_PAGE) * _HUGE_PAGE
        end = (tensor.data_ptr() + tensor.nbytes) // _HUGE_PAGE * _HUGE_PAGE
        if end > first:
            madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _MADV_HUGEPAGE)
    return tensor


@cache
def _madvise() -> Any:
    return getattr(ctypes.CDLL(None), "madvise", None) if sys.platform.startswith("linux") else None
