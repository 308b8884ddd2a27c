"""The benchmark of several labels: which models it compares, and with what."""

from __future__ import annotations

import pytest

from aisle.recipe import TableRecipe
from aisle.recipe.multi_task import MULTI_TASK_SPECS
from benchmarks import multi_task
from benchmarks.criteo_models import Entry


def _load(overrides: tuple[str, ...]) -> TableRecipe:
    return Entry(multi_task.RECIPE, overrides).load()


def test_every_model_of_several_labels_is_measured() -> None:
    kinds = {_load(overrides).model.kind for overrides, _ in multi_task.MODELS.values()}
    assert kinds == {spec.model_fields["kind"].annotation.__args__[0] for spec in MULTI_TASK_SPECS}


@pytest.mark.parametrize("task", multi_task.TASKS)
@pytest.mark.parametrize("name", multi_task.MODELS)
def test_a_model_of_one_label_is_as_deep_and_reads_the_same(name: str, task: str) -> None:
    overrides, layers = multi_task.MODELS[name]
    of_both, single = _load(overrides), _load(multi_task.single_overrides(task, layers))
    assert single.data.tasks == () and single.data.label == task
    assert (single.inputs, single.training, single.features) == (of_both.inputs, of_both.training, of_both.features)
    model = of_both.model
    shared = [*getattr(model, "bottom_layers", ()), *getattr(model, "expert_layers", ())]
    assert single.model.deep_layers == [*shared, *model.tower_layers]
