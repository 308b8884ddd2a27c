"""MMoE: each task's mixture of the experts, written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aisle.models.multi_task import MMoE
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def _make(**fields: Any) -> MMoE:
    fields = {"num_experts": 3, "expert_layers": (6,), "tower_layers": (5,)} | fields
    return scrambled(MMoE(make_embeddings(4), num_dense=3, generator=generator(), **fields))


def test_each_task_has_a_gate_of_its_own() -> None:
    model = _make()
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    inputs = torch.cat([embedded.flatten(1), dense], dim=1)
    logits = model.score(dense, embedded)
    experts = [expert(inputs) for expert in model.experts]
    for task in range(2):
        rows = slice(task * 3, task * 3 + 3)
        share = torch.softmax(inputs @ model.gates.weight[rows].T + model.gates.bias[rows], dim=1)
        mixed = sum(share[:, e : e + 1] * experts[e] for e in range(3))
        torch.testing.assert_close(logits[:, task], model.towers.towers[task](mixed)[:, 0])


@pytest.mark.parametrize("fields", [{"num_experts": 0}, {"expert_layers": ()}])
def test_no_expert_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one expert and one layer"):
        _make(**fields)
