"""The rankers of several labels: one specification per model, with the keywords of its class.

Their tasks are the labels of the recipe's data.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from aisle.recipe.models import Dropout, Layers, Numeric, SomeLayers
from aisle.recipe.strict import Strict


class SharedBottomSpec(Strict):
    """All tasks read the hidden values of one MLP."""

    kind: Literal["shared-bottom"]
    bottom_layers: SomeLayers = [256, 128]
    tower_layers: Layers = [64]
    numeric: Numeric = "linear"
    dropout: Dropout = 0.0


class MmoeSpec(Strict):
    """Each task mixes shared experts by a gate of its own."""

    kind: Literal["mmoe"]
    num_experts: PositiveInt = 4
    expert_layers: SomeLayers = [256, 128]
    tower_layers: Layers = [64]
    numeric: Numeric = "linear"
    dropout: Dropout = 0.0


class EsmmSpec(Strict):
    """A purchase's probability is that of a click times that of a purchase after it; labels in this order."""

    kind: Literal["esmm"]
    tower_layers: Layers = [256, 128]
    numeric: Numeric = "linear"
    dropout: Dropout = 0.0


MULTI_TASK_SPECS = (SharedBottomSpec, MmoeSpec, EsmmSpec)
MultiTaskModelSpec = Annotated[SharedBottomSpec | MmoeSpec | EsmmSpec, Field(discriminator="kind")]
