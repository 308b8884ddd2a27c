"""Every multi-task ranker keeps the contract of rankers, and its recipe says what its class takes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from aisle.models.multi_task.registry import MULTI_TASK_MODELS
from aisle.models.protocols import MultiTaskRanker
from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables.kinds import TableKind
from aisle.recipe.multi_task import MultiTaskModelSpec
from tests.contracts.rankers import (
    EMBEDDING_DIM,
    FULL,
    NUM_DENSE,
    RankerCase,
    RankerContract,
    draw_batch,
    make_embeddings,
    scrambled,
)

torch.set_num_threads(1)


class SumOfTasks(nn.Module):
    """One logit, so that the contract of rankers can be asked for."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.num_dense = model.num_dense
        self.embeddings = model.embeddings

    def forward(self, dense: Tensor, sparse: SparseFeatures) -> Tensor:
        return self.score(dense, self.embeddings(sparse))

    def score(self, dense: Tensor, embedded: Tensor) -> Tensor:
        total: Tensor = self.model.score(dense, embedded).sum(dim=1)
        return total


@dataclass(frozen=True)
class MultiTaskCase(RankerCase):
    def build(self, seed: int = 0, table_kind: TableKind = FULL) -> Any:
        cls, generator = MULTI_TASK_MODELS[self.kind], torch.Generator().manual_seed(seed)
        embeddings = make_embeddings(cls.table_width(EMBEDDING_DIM), table_kind, generator)
        return SumOfTasks(cls(embeddings, num_dense=NUM_DENSE, generator=generator, **self.fields))


CASES = [
    MultiTaskCase("esmm", {"tower_layers": (16,)}, exports=True),
    MultiTaskCase("mmoe", {"num_experts": 3, "expert_layers": (8,), "tower_layers": (6,)}, exports=True),
    MultiTaskCase("shared-bottom", {"bottom_layers": (16,), "tower_layers": (6,), "tasks": ("a", "b", "c")}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
class TestMultiTaskRankers(RankerContract):
    def test_it_gives_a_logit_per_row_and_task(self, case: MultiTaskCase) -> None:
        model = scrambled(case.build()).model
        assert isinstance(model, MultiTaskRanker)
        dense, sparse = draw_batch(6)
        logits = model(dense, sparse)
        assert logits.shape == (6, len(model.tasks))
        assert torch.equal(logits, model.score(dense, model.embeddings(sparse)))
        assert logits.unique().numel() == logits.numel(), "rows and tasks are told apart"

    def test_it_learns_each_task(self, case: MultiTaskCase) -> None:
        """Of a click and a purchase, which is after a click alone."""
        model = case.build().model
        dense, sparse = draw_batch(300)
        click = (sparse.ids_BS[:, 0] > 3).float()
        labels = torch.stack([click, click * (sparse.ids_BS[:, 1] > 4), 1 - click], dim=1)[:, : len(model.tasks)]
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(150):
            loss = nn.functional.binary_cross_entropy_with_logits(model(dense, sparse), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert bool(((model(dense, sparse) > 0).float() == labels).all(dim=1).float().mean() > 0.99)


def test_every_model_enters_the_contract() -> None:
    assert {case.kind for case in CASES} == set(MULTI_TASK_MODELS)


def test_a_recipe_says_what_the_class_takes() -> None:
    specs = {get_args(one.model_fields["kind"].annotation)[0]: one for one in get_args(get_args(MultiTaskModelSpec)[0])}
    assert set(specs) == set(MULTI_TASK_MODELS)
    for kind, cls in MULTI_TASK_MODELS.items():
        taken = {
            name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
            for name, parameter in inspect.signature(cls.__init__).parameters.items()
            if name not in ("self", "embeddings", "num_dense", "tasks", "generator")
        }
        fields = {name: one.get_default() for name, one in specs[kind].model_fields.items() if name != "kind"}
        assert taken == fields
