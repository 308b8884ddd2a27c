"""What a processor or a GPU can do at most: products of matrices, and copies in its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from aisle.train.engine.devices import synchronize

_NUM_RUNS = 20
_COPIED_NUMBERS = 1 << 26


def measure_limits(num_rows: int, in_size: int, out_size: int, device: torch.device) -> dict[str, float]:
    """The best of some runs: GFLOP/s of a product [num_rows, in_size] x [in_size, out_size], GB/s of a copy."""
    flops = 2 * num_rows * in_size * out_size
    limits = {}
    for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        factors = [torch.randn(shape, device=device).to(dtype) for shape in ((num_rows, in_size), (in_size, out_size))]
        limits[f"{name}_gflops"] = round(flops / _best_seconds(partial(torch.mm, *factors), device) / 1e9, 1)
    source = torch.randn(_COPIED_NUMBERS, device=device)
    seconds = _best_seconds(partial(torch.empty_like(source).copy_, source), device)
    return limits | {"copy_gb_per_second": round(2 * source.nbytes / seconds / 1e9, 1)}


def _best_seconds(run: Callable[[], object], device: torch.device) -> float:
    times = []
    for _ in range(_NUM_RUNS):
        synchronize(device)
        started = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times)
