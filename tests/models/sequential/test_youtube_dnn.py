"""The mean of each prefix by hand, and vectors of items that differ where they are read and where they are sought."""

from __future__ import annotations

import pytest
import torch

from aisle.models.sequential.youtube_dnn import MeanEncoder, YouTubeDNN


def without_layers(dim: int) -> MeanEncoder:
    """An encoder whose tower passes the scaled mean on."""
    encoder = MeanEncoder(dim, hidden=[], generator=torch.Generator().manual_seed(0)).eval()
    (layer,) = encoder.tower.layers
    with torch.no_grad():
        layer.weight.copy_(torch.eye(dim))
    return encoder


def test_every_prefix_is_its_mean_times_the_root_of_the_width() -> None:
    embedded_1TD = torch.tensor([[[1.0, 0, 0, 0], [3.0, 2, 0, 0], [2.0, 4, 0, 3], [9.0, 9, 9, 9]]])
    means_1TD = without_layers(4)(embedded_1TD, torch.tensor([[True, True, True, False]]))
    expected_TD = 2 * torch.tensor([[1.0, 0, 0, 0], [2, 1, 0, 0], [2, 2, 0, 1], [2, 2, 0, 1]])
    torch.testing.assert_close(means_1TD[0], expected_TD)


def test_the_order_of_a_history_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    encoder = MeanEncoder(4, hidden=[8], generator=generator)
    model = YouTubeDNN(9, 4, encoder, normalize=False, generator=generator).eval()
    with torch.no_grad():
        queries = model(torch.tensor([[1, 2, 3], [3, 1, 2]]))
    torch.testing.assert_close(queries[0, 2], queries[1, 2])
    assert not torch.allclose(queries[0, 1], queries[1, 1])


@pytest.mark.parametrize("normalize", [False, True])
def test_items_are_read_and_sought_by_vectors_of_their_own(normalize: bool) -> None:
    model = YouTubeDNN(3, 2, without_layers(2), normalize=normalize, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.items.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
        model.sought.copy_(torch.tensor([[0.0, 2], [2, 0], [0, 0]]))
        scores_V = model.eval()(torch.tensor([[0]]))[0, 0] @ model.item_vectors().T
    assert scores_V.tolist() == pytest.approx([0, 1 if normalize else 2 * 2**0.5, 0])
