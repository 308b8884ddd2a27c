"""The multi-task family by name.

Every class is made alike, ``MULTI_TASK_MODELS[kind](embeddings, num_dense=..., generator=..., **fields)``, with the
fields of its specification in ``aisle.recipe.multi_task``.
"""

from __future__ import annotations

from typing import Any

from aisle.models.multi_task.esmm import ESMM
from aisle.models.multi_task.mmoe import MMoE
from aisle.models.multi_task.shared_bottom import SharedBottom

#: One line per model.
MULTI_TASK_MODELS: dict[str, type[Any]] = {
    "esmm": ESMM,
    "mmoe": MMoE,
    "shared-bottom": SharedBottom,
}
