"""Autoencoders of histories: by hand, what is drawn and dropped, and served as they are trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, Questions
from aisle.metrics import Targets
from aisle.models.collaborative import MultDAE, MultVAE

HISTORIES = ItemLists.of([[0, 3, 1, 4], [], [2]])
ITEMS_E = torch.from_numpy(HISTORIES.items_E.astype(np.int64))
STARTS_B = torch.from_numpy(HISTORIES.starts_R1[:-1])


def network_of(kind: type[MultDAE], hidden: list[int]) -> MultDAE:
    network = kind(5, hidden=hidden, latent=2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        network.first_bias_H.copy_(torch.linspace(-1, 1, len(network.first_bias_H)))
        network.last.bias.copy_(torch.linspace(0, 1, 5))
    return network


@pytest.mark.parametrize("hidden", [[], [4], [4, 3]])
@pytest.mark.parametrize("kind", [MultDAE, MultVAE])
def test_served_as_evaluated(kind: type[MultDAE], hidden: list[int]) -> None:
    network = network_of(kind, hidden).eval()
    with torch.no_grad():
        logits_BV, _ = network(ITEMS_E, STARTS_B)
    asked = Questions(HISTORIES, Targets.from_lists([[0]] * 3), np.full(3, NOBODY))
    np.testing.assert_allclose(network.recommender().score(asked), logits_BV.numpy(), rtol=1e-5, atol=1e-6)


def test_a_dae_by_hand() -> None:
    network = network_of(MultDAE, []).eval()
    logits_BV, divergence = network(ITEMS_E, STARTS_B)
    # Four items: each weighs 1 / 2, so that the history has length 1.
    latent = torch.tanh(network.first_VH[[0, 1, 3, 4]].sum(dim=0) / 2 + network.first_bias_H)
    torch.testing.assert_close(logits_BV[0], network.last(latent))
    torch.testing.assert_close(logits_BV[1], network.last(torch.tanh(network.first_bias_H)))
    assert divergence == 0


def test_the_divergence_from_the_standard_normal_by_hand() -> None:
    network = network_of(MultVAE, []).eval()
    mean, log_variance = torch.tensor([[3.0, 0.0]]), torch.log(torch.tensor([[1.0, 4.0]]))
    latent_BZ, divergence = network.latent_values(torch.cat([mean, log_variance], dim=1))
    assert latent_BZ.tolist() == mean.tolist()
    assert divergence.item() == pytest.approx(9 / 2 + (4 - 1 - np.log(4)) / 2)


def test_latent_values_are_drawn_in_training_alone() -> None:
    network = network_of(MultVAE, []).train()
    encoded = torch.tensor([[1.0, -1.0, np.log(4.0), np.log(0.01)]]).expand(4000, -1)
    torch.manual_seed(0)
    drawn_BZ, _ = network.latent_values(encoded)
    np.testing.assert_allclose(drawn_BZ.mean(dim=0).numpy(), [1.0, -1.0], atol=0.15)
    np.testing.assert_allclose(drawn_BZ.std(dim=0).numpy(), [2.0, 0.1], rtol=0.06)


def test_training_drops_entries_of_the_input() -> None:
    network = network_of(MultDAE, []).train()
    torch.manual_seed(0)
    row = network.first_VH[2] * 2  # what is kept weighs twice at a dropout of one half
    for _ in range(8):
        encoded_Z = network.encode(torch.tensor([2]), torch.tensor([0]))[0] - network.first_bias_H
        assert torch.allclose(encoded_Z, row, atol=1e-6) or torch.allclose(encoded_Z, torch.zeros(2), atol=1e-6)
