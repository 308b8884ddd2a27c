"""Compiles the kernels of training, and runs them on as many threads as torch may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

import numba
import torch

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

#: Sums may be reordered, which vectorizes them; NaN and infinity keep their meaning.
_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"reassoc", "contract", "nsz"}}
#: The process whose threads run kernels. A fork of it has no such threads, and its kernels run on one.
_owner: list[int] = []


def compiled_part(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Compile what kernels call; the machine code is kept on disk."""
    part: Callable[_Arguments, _Result] = numba.njit(**_OPTIONS)(function)
    return part


def compiled(function: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Compile a kernel when it is first called: its ``prange`` loops are cut among threads, where there are several.

    A kernel must give the same result for any number of threads. Torch's profiler sees it as ``aisle::name``.
    """
    on_one: Callable[_Arguments, None] = numba.njit(**_OPTIONS)(function)
    # Numba keeps machine code by the function's name, whatever the options: two forms need two names.
    renamed = FunctionType(function.__code__, function.__globals__)
    renamed.__qualname__ = f"{function.__qualname__}_on_several"
    on_several: Callable[_Arguments, None] = numba.njit(parallel=True, **_OPTIONS)(renamed)

    name = f"aisle::{function.__name__.lstrip('_')}"

    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        # Asked first: to name what no profiler sees would cost as much as a small kernel.
        if torch.autograd._profiler_enabled():  # type: ignore[attr-defined]  # torch does not list it
            with torch.profiler.record_function(name):
                launch(*args, **kwargs)
        else:
            launch(*args, **kwargs)

    def launch(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        threads = num_threads()
        if threads == 1:
            on_one(*args, **kwargs)
            return
        numba.set_num_threads(threads)
        on_several(*args, **kwargs)

    run.__doc__ = function.__doc__
    return run


def num_threads() -> int:
    """How many threads a kernel uses; see ``torch.set_num_threads``."""
    threads = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if threads == 1:
        return 1
    if not _owner:
        _owner.append(os.getpid())
    return threads if _owner[0] == os.getpid() else 1
