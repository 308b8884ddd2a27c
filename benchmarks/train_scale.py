"""What a step of DLRM costs as its tables, its batch and its threads grow.

Time per sample, bytes of tables and the most memory that the process held, for tables of 10^4 to 10^7 rows and batches
of 256 to 32,768, on one thread and on all; each in a process of its own (Linux). Writes
`benchmarks/results/train_scale.json`.

    python -m benchmarks.train_scale
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from aisle.cli.hardware import describe_hardware
from aisle.studies.train_speed import SpeedSettings, measure_step

RESULTS = Path(__file__).parent / "results"
TABLE_ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
BATCH_SIZES = (256, 1024, 4096, 16_384, 32_768)
#: Few enough that the largest ones fit into memory beside the optimizer's state.
BASE = SpeedSettings(num_tables=8, num_turns=6, ids="uniform")
_STATUS = Path("/proc/self/status")


def in_own_process(settings: SpeedSettings) -> dict[str, float]:
    """What :func:`measure_one` gives, in a new process, whose memory no other size has touched."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure_one, settings).result()


def measure_one(settings: SpeedSettings) -> dict[str, float]:
    """A step's time and bytes, and ``peak_bytes``: resident at most, beyond what a tiny training leaves."""
    measure_step(replace(settings, table_rows=100, batch_size=16, num_turns=1))
    base_bytes = _resident_bytes("VmRSS")
    return measure_step(settings) | {"peak_bytes": max(0, _resident_bytes("VmHWM") - base_bytes)}


def _resident_bytes(name: str) -> int:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return 1024 * int(lines[name].split()[0])


def measure(
    base: SpeedSettings,
    table_rows: tuple[int, ...],
    batch_sizes: tuple[int, ...],
    measure_size: Callable[[SpeedSettings], dict[str, float]] = in_own_process,
) -> list[dict[str, Any]]:
    """Every size by itself, the other as in ``base``."""
    cases = [replace(base, table_rows=rows) for rows in table_rows]
    cases += [replace(base, batch_size=size) for size in batch_sizes]
    found = []
    for threads in sorted({1, torch.get_num_threads()}):
        for case in cases:
            measured = measure_size(replace(case, threads=threads))
            found.append({"threads": threads, "table_rows": case.table_rows, "batch_size": case.batch_size} | measured)
            print(found[-1], flush=True)
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file is written")
    arguments = parser.parse_args()
    result = {
        "benchmark": "train_scale",
        "hardware": describe_hardware(),
        "sizes": {"num_tables": BASE.num_tables, "embedding_dim": BASE.embedding_dim, "ids": BASE.ids},
        "steps": measure(BASE, TABLE_ROWS, BATCH_SIZES),
    }
    path = arguments.results / "train_scale.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
