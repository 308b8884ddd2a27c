"""MLPs and the loss, by hand."""

from __future__ import annotations

import math

import torch

from aisle.nn.losses import weighted_bce
from aisle.nn.mlp import MLP
from tests.rankers import generator


def test_an_mlp_is_linear_relu_linear() -> None:
    mlp = MLP(2, [2, 1], last_activation=False, generator=generator())
    with torch.no_grad():
        mlp.layers[0].weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, 0.0]]))
        mlp.layers[0].bias.copy_(torch.tensor([0.5, 0.0]))
        mlp.layers[2].weight.copy_(torch.tensor([[2.0, 3.0]]))
        mlp.layers[2].bias.copy_(torch.tensor([-20.0]))
    # [3.5, max(-1, 0)] -> 7 - 20
    assert mlp(torch.tensor([[1.0, 2.0]])).item() == -13.0
    assert [type(layer).__name__ for layer in mlp.layers] == ["Linear", "ReLU", "Linear"]


def test_first_weights_have_the_stated_spread() -> None:
    layer = MLP(300, [100], last_activation=False, generator=generator()).layers[0]
    assert abs(layer.weight.std().item() / math.sqrt(2 / 400) - 1) < 0.02
    assert not layer.bias.any()


def test_dropout_acts_in_training_only() -> None:
    mlp = MLP(4, [64, 1], last_activation=False, dropout=0.5, generator=generator())
    example = torch.ones(1, 4)
    torch.manual_seed(0)
    assert mlp(example).item() != mlp(example).item()
    mlp.eval()
    assert mlp(example).item() == mlp(example).item()


def test_the_loss_is_the_weighted_mean_of_log_losses() -> None:
    logits = torch.tensor([0.0, math.log(3.0)])  # probabilities 1/2 and 3/4
    loss = weighted_bce(logits, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 3.0]))
    assert math.isclose(loss.item(), (math.log(2) + 3 * math.log(4)) / 4, rel_tol=1e-6)
