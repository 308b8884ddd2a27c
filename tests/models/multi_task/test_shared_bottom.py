"""Shared bottom: towers over the same hidden values."""

from __future__ import annotations

import pytest
import torch

from aisle.models.multi_task import SharedBottom
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_the_score_from_its_parts() -> None:
    model = scrambled(
        SharedBottom(make_embeddings(4), num_dense=3, bottom_layers=(6,), tower_layers=(5,), generator=generator())
    )
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    hidden = model.bottom(torch.cat([embedded.flatten(1), dense], dim=1))
    logits = model.score(dense, embedded)
    for task in range(2):
        torch.testing.assert_close(logits[:, task], model.towers.towers[task](hidden)[:, 0])


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one shared layer"):
        SharedBottom(make_embeddings(4), num_dense=3, bottom_layers=(), generator=generator())
    with pytest.raises(ValueError, match=r"each once, received \['click', 'click'\]"):
        SharedBottom(make_embeddings(4), num_dense=3, tasks=("click", "click"), generator=generator())
