"""The mean of each prefix by hand, and vectors of items that differ where they are read and where they are sought."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from aisle.models.sequential.youtube_dnn import MeanEncoder, YouTubeDNN


def without_layers(dim: int, windows: Sequence[int] = ()) -> MeanEncoder:
    """An encoder whose tower passes the scaled mean on, of several the first alone."""
    encoder = MeanEncoder(dim, hidden=[], windows=windows, generator=torch.Generator().manual_seed(0)).eval()
    (layer,) = encoder.tower.layers
    with torch.no_grad():
        layer.weight.copy_(torch.eye(dim, layer.in_features))
    return encoder


def test_every_prefix_is_its_mean_times_the_root_of_the_width() -> None:
    embedded_1TD = torch.tensor([[[1.0, 0, 0, 0], [3.0, 2, 0, 0], [2.0, 4, 0, 3], [9.0, 9, 9, 9]]])
    means_1TD = without_layers(4)(embedded_1TD, torch.tensor([[True, True, True, False]]))
    expected_TD = 2 * torch.tensor([[1.0, 0, 0, 0], [2, 1, 0, 0], [2, 2, 0, 1], [2, 2, 0, 1]])
    torch.testing.assert_close(means_1TD[0], expected_TD)


@pytest.mark.parametrize("window", [1, 2, 3, 9])
def test_a_window_is_the_mean_of_the_last_items(window: int) -> None:
    draw = torch.Generator().manual_seed(1)
    embedded_BTD = torch.randn(2, 7, 4, generator=draw)
    is_item_BT = torch.arange(7) < torch.tensor([7, 4])[:, None]
    means_BTD = without_layers(4, [window, 5])(embedded_BTD, is_item_BT)
    for row, size in enumerate((7, 4)):
        for place in range(size):
            expected_D = 2 * embedded_BTD[row, max(0, place + 1 - window) : place + 1].mean(0)
            torch.testing.assert_close(means_BTD[row, place], expected_D)


def test_the_tower_reads_the_means_of_all_windows() -> None:
    encoder = MeanEncoder(4, hidden=[8], windows=[1, 3], generator=torch.Generator().manual_seed(0)).eval()
    first, second = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(1))
    second[:, 2] = first[:, 2]
    is_item_BT = torch.ones(1, 3, dtype=torch.bool)
    assert not torch.allclose(encoder(first, is_item_BT)[0, 2], encoder(second, is_item_BT)[0, 2])
    torch.testing.assert_close(without_layers(4, [1, 3])(first, is_item_BT)[0, 2], 2 * first[0, 2])


def test_windows_of_no_item_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected windows of 1 item or more, received \[2, 0\]"):
        MeanEncoder(4, hidden=[], windows=[2, 0], generator=torch.Generator())


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
