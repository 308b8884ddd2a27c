"""The recipe of a ranker of actions: what a person does with an item, told from the items and actions before it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from aisle.recipe.data import FileName
from aisle.recipe.lists import ListTrainingSpec
from aisle.recipe.strict import Strict

_Column = Annotated[str, Field(min_length=1)]


class ActionColumnsSpec(Strict):
    """The columns of a file with a row per interaction.

    The distinct values of ``action`` are the actions, sorted. ``order`` sorts the interactions of a user; without it
    they are in the order of the file.
    """

    user: _Column = "user_id"
    item: _Column
    action: _Column
    order: _Column | None = None


class ActionDataSpec(Strict):
    """Interactions with what was done, and which actions are the good ones.

    The last interaction of each user is tested, the one before it validates, the rest trains.
    """

    train: FileName
    columns: ActionColumnsSpec
    positive: Annotated[list[int | str], Field(min_length=1, description="actions whose probability is measured")]


class HstuRankerSpec(Strict):
    """HSTU over items and actions in turn; ``max_length`` is in items, the candidate included."""

    kind: Literal["hstu-ranker"]
    batch_size: Annotated[PositiveInt, Field(description="sequences of a step")] = 32
    dim: PositiveInt = 50
    max_length: Annotated[int, Field(ge=4)] = 100
    num_layers: PositiveInt = 2
    num_heads: PositiveInt = 1
    dropout: Annotated[float, Field(ge=0, lt=1, description="share of values that training drops")] = 0.2


class ActionRecipe(Strict):
    """How a ranker of actions is trained and measured; the log loss of the validation chooses the best epoch."""

    kind: Literal["action"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="names the recipe in results")]
    seed: Annotated[int, Field(ge=0, lt=2**32, description="same seed, same machine, same result")] = 0
    data: ActionDataSpec
    model: HstuRankerSpec
    train: ListTrainingSpec = ListTrainingSpec()
