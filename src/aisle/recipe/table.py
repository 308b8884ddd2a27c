"""The recipe of a ranker over a table of rows: data, features, inputs, tables, model, training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aisle.recipe.data import TableDataSpec
from aisle.recipe.distillation import DistillSpec
from aisle.recipe.features import OperatorSpec
from aisle.recipe.models import TableModelSpec
from aisle.recipe.multi_task import MULTI_TASK_SPECS, EsmmSpec, MultiTaskModelSpec
from aisle.recipe.strict import Strict
from aisle.recipe.tables import TablesSpec
from aisle.recipe.training import TableTrainingSpec


class InputsSpec(Strict):
    """What the model reads: columns of numbers, and columns of table rows that an operator made.

    A list of columns, here and in ``features``, may hold ranges (``I1..I13``) and patterns (``C*``).
    """

    dense: list[str] = []
    sparse: list[str] = []

    @model_validator(mode="after")
    def _something_is_read(self) -> Self:
        if not self.dense and not self.sparse:
            raise ValueError("expected columns in dense or in sparse, received none")
        return self


class TableRecipe(Strict):
    """How a ranker over a table is made; ``features`` are fitted on training rows alone."""

    kind: Literal["table"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="names the recipe in results")]
    seed: Annotated[int, Field(ge=0, lt=2**32, description="same seed, same machine, same result")] = 0
    data: TableDataSpec
    features: list[OperatorSpec] = []
    inputs: InputsSpec
    tables: TablesSpec = TablesSpec()
    model: Annotated[TableModelSpec | MultiTaskModelSpec, Field(discriminator="kind")]
    training: TableTrainingSpec = TableTrainingSpec()
    distill: DistillSpec | None = None

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        tasks = self.data.tasks
        if isinstance(self.model, MULTI_TASK_SPECS) != bool(tasks):
            wanted = "one label" if tasks else "several data.labels, as simulated-multi-task has"
            raise ValueError(f"model {self.model.kind}: expected {wanted}, received {len(tasks) or 1} label(s)")
        if isinstance(self.model, EsmmSpec) and len(tasks) != 2:
            raise ValueError(f"model esmm: expected data.labels of a click and a purchase, received {list(tasks)}")
        if self.training.task is not None and self.training.task not in tasks:
            raise ValueError(f"training.task: expected one of data.labels, received {self.training.task!r}")
        if tasks and self.distill is not None:
            raise ValueError("distill: expected a recipe of one label, received several")
        return self
