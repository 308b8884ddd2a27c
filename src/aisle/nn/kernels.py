"""Compiles the kernels of training and runs them on as many threads as torch may use.

The threads are plain ones, as kernels let go of the interpreter: a second OpenMP pool beside torch's would not survive
a fork, which trainings side by side are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numba
import torch

_Function = TypeVar("_Function", bound=Callable[..., Any])

_pools: dict[int, ThreadPoolExecutor] = {}
os.register_at_fork(after_in_child=_pools.clear)


def compiled(function: _Function) -> _Function:
    """Compile a function when it is first called; the machine code is kept on disk.

    Sums may be reordered, which vectorizes them; NaN and infinity keep their meaning.
    """
    compile_ = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
    return cast("_Function", compile_(function))


def num_parts() -> int:
    """In how many parts, one per thread, work may be cut; see ``torch.set_num_threads``."""
    return torch.get_num_threads()


def run_parts(run: Callable[[int], object], parts: int) -> None:
    """Call ``run`` with each part's number, at the same time; the first runs in this thread."""
    if parts == 1:
        run(0)
        return
    if parts not in _pools:
        _pools[parts] = ThreadPoolExecutor(parts - 1, "aisle-kernels")
    others = [_pools[parts].submit(run, part) for part in range(1, parts)]
    run(0)
    for other in others:
        other.result()
