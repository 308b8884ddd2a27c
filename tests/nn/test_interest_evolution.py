"""AUGRU is a GRU whose steps may count less; attention over interests says how much."""

from __future__ import annotations

import torch
from torch import nn

from aisle.nn.sequences.interest_evolution import AUGRU, InterestEvolution
from tests.rankers import generator

INPUTS, HIDDEN, LENGTH = 3, 4, 5


def _inputs(seed: int = 1) -> torch.Tensor:
    return torch.randn(6, LENGTH, INPUTS, generator=generator(seed))


def test_where_all_positions_count_wholly_it_is_a_gru() -> None:
    augru, gru = AUGRU(INPUTS, HIDDEN, generator=generator()), nn.GRU(INPUTS, HIDDEN, batch_first=True)
    with torch.no_grad():
        for ours, name in ((augru.inputs, "ih"), (augru.hidden, "hh")):
            ours.bias.normal_(generator=generator(2))
            for part in ("weight", "bias"):
                update, reset, new = getattr(ours, part).chunk(3)
                # Torch's gate keeps the state where ours lets it go, and stands behind the reset gate.
                getattr(gru, f"{part}_{name}_l0").copy_(torch.cat([reset, -update, new]))
    last = augru(_inputs(), torch.ones(6, LENGTH))
    torch.testing.assert_close(last, gru(_inputs())[0][:, -1])


def test_a_position_that_counts_nothing_changes_nothing() -> None:
    augru = AUGRU(INPUTS, HIDDEN, generator=generator())
    weight = torch.ones(6, LENGTH)
    weight[:, 2:4] = 0
    kept = torch.tensor([0, 1, 4])
    torch.testing.assert_close(augru(_inputs(), weight), augru(_inputs()[:, kept], torch.ones(6, 3)))
    assert torch.equal(augru(_inputs(), torch.zeros(6, LENGTH)), torch.zeros(6, HIDDEN))


def test_half_a_weight_is_half_a_step() -> None:
    augru = AUGRU(INPUTS, HIDDEN, generator=generator())
    first = _inputs()[:, :1]
    torch.testing.assert_close(augru(first, torch.full((6, 1), 0.5)), augru(first, torch.ones(6, 1)) / 2)


def test_attention_is_a_softmax_over_taken_places() -> None:
    model = InterestEvolution(2, INPUTS, generator=generator())
    candidate = torch.randn(6, 2, generator=generator(3))
    mask = (torch.arange(LENGTH) < torch.tensor([[3]])).float().expand(6, -1)
    score = (_inputs() * model.attention(candidate)[:, None]).sum(dim=2)[:, :3]
    weight = torch.cat([torch.softmax(score, dim=1), torch.zeros(6, 2)], dim=1)
    torch.testing.assert_close(model(candidate, _inputs(), mask), model.augru(_inputs(), weight))
    assert torch.equal(model(candidate, _inputs(), torch.zeros(6, LENGTH)), torch.zeros(6, INPUTS))
