"""Where the time and the memory of training go, by the parts of a model and by operator.

As the single-socket profile in Naumov et al., "Deep Learning Recommendation Model for Personalization and
Recommendation Systems", 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch

from aisle.assemble import table_ranker
from aisle.errors import ConfigError
from aisle.models import Ranker
from aisle.progress import Progress, silent
from aisle.recipe import TableRecipe
from aisle.studies.observed_step import DENSE_OPTIMIZER, LOSS, REST_OF_STEP, TABLE_OPTIMIZER, ObservedStep, Part
from aisle.studies.step_memory import Memory, batch_bytes, measure_memory
from aisle.studies.step_times import DATA, time_operators, time_parts
from aisle.train.engine.batches import Batch, Batches, RankerRows
from aisle.train.engine.loop_settings import LoopSettings, training_batches
from aisle.train.tables.directory import TRAIN_SET
from aisle.train.tables.session import prepared

_WARM_UP_STEPS = 5
#: Enough to see how steps follow each other; each makes a few hundred lines of the trace.
_TRACED_STEPS = 10


def profile_recipe(
    recipe: TableRecipe, trace: Path, *, num_steps: int = 50, threads: int | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Profile the training of a table recipe's model on its training rows, on the processor.

    Args:
        recipe: What would be trained.
        trace: The file to write in Chrome's trace format.
        num_steps: Steps to time with hooks, and as many without; 1 or more.
        threads: Of the training; all that torch uses if missing.
        progress: Told of steps.

    Returns:
        See :func:`profile_training`; with what was trained.

    Raises:
        ConfigError: the recipe is not as it must be, or asks for a GPU, whose work hooks cannot time.
        DataError: its data is not.
    """
    if recipe.training.device == "cuda":
        raise ConfigError(
            "training.device: expected a profile of training on the processor, received cuda; --set training.device=cpu"
        )
    table = prepared(recipe, progress)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        ranker = table_ranker(recipe, table.dense_names, table.table_sizes)
        settings = LoopSettings(**recipe.training.model_dump(), seed=recipe.seed)
        result = profile_training(ranker, table.rows[TRAIN_SET], settings, trace, num_steps, progress)
        return {
            "recipe": recipe.name,
            "model": recipe.model.model_dump(mode="json"),
            "tables": recipe.tables.model_dump(mode="json", exclude_defaults=True),
            "training": recipe.training.model_dump(mode="json"),
            "rows": {"train": len(table.rows[TRAIN_SET]), "tables": sum(table.table_sizes.values())},
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            **result,
        }
    finally:
        torch.set_num_threads(before)


def profile_training(
    ranker: Ranker, rows: RankerRows, settings: LoopSettings, trace: Path, num_steps: int, progress: Progress = silent
) -> dict[str, Any]:
    """Profile training steps; the ranker learns from them.

    Returns:
        ``step``: milliseconds of a step with its batch, without hooks, with them, and under torch's profiler; the sum
        of the parts, and what the hooks add as a share (``overhead``). ``parts``: milliseconds by phase, share of the
        sum, bytes by kind. ``operators``: milliseconds of their own, calls, share of a profiled step.
        The shuffling of all rows, once in an epoch, is in no step.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        step = ObservedStep(ranker, settings)
        batches = _full_batches(training_batches(ranker, rows, settings))
        for _ in range(_WARM_UP_STEPS):
            batch = next(batches)
            step(batch)
        memory = measure_memory(step, ranker, batch)
        memory["batch"] = {DATA.name: batch_bytes(batch)}
        times = time_parts(step, batches, num_steps, progress)
        traced = time_operators(step, batches, min(num_steps, _TRACED_STEPS), trace)
        step.optimizers.release()
    milliseconds: dict[Part, float] = times["parts"]
    total = sum(milliseconds.values())
    names = [DATA.name, *step.part_names, LOSS, TABLE_OPTIMIZER, DENSE_OPTIMIZER, REST_OF_STEP.name]
    parts = [_part(name, milliseconds, total, memory) for name in names]
    return {
        "step": {
            "unobserved_ms": times["unobserved_ms"],
            "parts_ms": total,
            "observed_ms": times["observed_ms"],
            "profiled_ms": traced["profiled_ms"],
            "overhead": times["observed_ms"] / times["unobserved_ms"] - 1,
            "timed_steps": num_steps,
        },
        "parts": [part for part in parts if part["ms"] > 0 or part["bytes"]],
        "operators": traced["operators"],
        "outside_operators_ms": traced["outside_ms"],
    }


def _part(name: str, milliseconds: dict[Part, float], total: float, memory: Memory) -> dict[str, Any]:
    of_phase = {f"{part.phase}_ms": ms for part, ms in milliseconds.items() if part.name == name}
    ms = sum(of_phase.values())
    of_kind = {kind: counts[name] for kind, counts in memory.items() if name in counts}
    return {"name": name, **of_phase, "ms": ms, "share": ms / total, "bytes": of_kind}


def _full_batches(batches: Batches) -> Iterator[Batch]:
    """The batches of one epoch after the other, without the short ones at their ends."""
    size = min(batches.batch_size, len(batches.rows))
    for epoch in count():
        yield from (batch for batch in batches.epoch(epoch) if len(batch.label_B) == size)
