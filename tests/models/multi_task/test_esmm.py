"""ESMM: a purchase's probability is the product of two, in all ranges."""

from __future__ import annotations

import pytest
import torch

from aisle.models.multi_task import ESMM
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def _make() -> ESMM:
    return scrambled(ESMM(make_embeddings(4), num_dense=3, tower_layers=(8,), generator=generator())).double()


def test_a_purchase_is_a_click_and_a_conversion() -> None:
    model = _make()
    dense, embedded = torch.randn(6, 3, generator=generator(1)), torch.randn(6, 2, 4, generator=generator(2))
    dense, embedded = dense.double(), embedded.double()
    click, purchase = torch.sigmoid(model.score(dense, embedded)).unbind(1)
    conversion = torch.sigmoid(model.score_conversion(dense, embedded))
    torch.testing.assert_close(purchase, click * conversion)
    inputs = torch.cat([embedded.flatten(1), dense], dim=1)
    for tower, expected in zip(model.towers.towers, (click, conversion), strict=True):
        torch.testing.assert_close(torch.sigmoid(tower(inputs).float())[:, 0], expected)


@pytest.mark.parametrize(
    ("click", "conversion", "log_odds"),
    [
        (0.0, 0.0, -1.0986122886681098),  # 1/4: odds of 1 to 3
        (100.0, 0.7, 0.7),  # a sure click
        (-60.0, -50.0, -110.0),  # odds so small that they multiply
        (40.0, 40.0, 39.30685281944005),  # missed in two ways: half the odds
    ],
)
def test_log_odds_keep_their_digits(click: float, conversion: float, log_odds: float) -> None:
    model = _make().float()
    with torch.no_grad():
        for tower, bias in zip(model.towers.towers, (click, conversion), strict=True):
            tower.layers[-1].weight.zero_()
            tower.layers[-1].bias.fill_(bias)
    logits = model.score(torch.zeros(1, 3), torch.zeros(1, 2, 4))
    assert logits[0].tolist() == pytest.approx([click, log_odds], rel=1e-6)


def test_other_than_two_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a click and a purchase, received \['click'\]"):
        ESMM(make_embeddings(4), num_dense=3, tasks=("click",), generator=generator())
