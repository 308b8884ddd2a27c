"""LightGCN: a graph of two users and two items by hand, its gradient, and its penalty."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.data.item_lists import ItemLists
from aisle.models.collaborative import LightGCN

#: User 0 took both items, user 1 item 1 alone.
LISTS = ItemLists.of([[0, 1], [1]])


def network_of(num_layers: int, lists: ItemLists = LISTS, num_items: int = 2, *, normalize: bool = False) -> LightGCN:
    generator = torch.Generator().manual_seed(0)
    return LightGCN(lists, num_items, dimension=3, num_layers=num_layers, normalize=normalize, generator=generator)


def adjacency() -> torch.Tensor:
    """Each edge over the root of both degrees; degrees are 2, 1 of users and 1, 2 of items."""
    edges = {(0, 2): (2 * 1) ** -0.5, (0, 3): (2 * 2) ** -0.5, (1, 3): (1 * 2) ** -0.5}
    matrix = torch.zeros(4, 4)
    for (one, other), value in edges.items():
        matrix[one, other] = matrix[other, one] = value
    return matrix


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_vectors_are_means_over_layers(num_layers: int) -> None:
    network = network_of(num_layers)
    layers = [network.table_ND]
    for _ in range(num_layers):
        layers.append(adjacency() @ layers[-1])
    expected = torch.stack(layers).mean(dim=0)
    torch.testing.assert_close(torch.cat(network.vectors()), expected, rtol=1e-5, atol=1e-6)


def test_the_way_back_is_the_gradient() -> None:
    network = network_of(2)
    users, items = torch.tensor([0, 1]), torch.tensor([[0, 1], [1, 0]])
    network(users, items).square().sum().backward()
    received = network.table_ND.grad
    table = network.table_ND.detach().requires_grad_()
    vectors = (table + adjacency() @ table + adjacency() @ adjacency() @ table) / 3
    scores = (vectors[users][:, None] * vectors[2:][items]).sum(dim=2)
    scores.square().sum().backward()
    torch.testing.assert_close(received, table.grad, rtol=1e-5, atol=1e-6)


def test_nodes_without_edges_keep_their_share() -> None:
    network = network_of(1, ItemLists.of([[0], []]), 2)
    users, items = network.vectors()
    torch.testing.assert_close(users[1], network.table_ND[1] / 2)
    torch.testing.assert_close(items[1], network.table_ND[3] / 2)


def test_the_penalty_counts_rows_as_often_as_they_are_named() -> None:
    network = network_of(1)
    lengths = network.table_ND.square().sum(dim=1)
    expected = (2 * lengths[0] + lengths[2] + 3 * lengths[3]) / 2
    received = network.penalty(torch.tensor([0, 0]), torch.tensor([[0, 1], [1, 1]]))
    torch.testing.assert_close(received, expected)


def test_scores_can_be_cosines() -> None:
    plain, network = network_of(2), network_of(2, normalize=True)
    users, items = plain.vectors()
    expected = torch.cosine_similarity(users[:, None], items[None], dim=2)
    served = network.recommender()
    torch.testing.assert_close(torch.from_numpy(served.users_UD @ served.items_VD.T), expected.detach())


def test_what_serves_it_knows_how_many_took_an_item() -> None:
    lists = ItemLists.of([[0, 1], [1]])  # item 2 was taken by nobody
    generator = torch.Generator().manual_seed(0)
    served = LightGCN(lists, 3, dimension=3, popularity=0.5, generator=generator).recommender()
    np.testing.assert_allclose(served.bias_V, [0, 0.5 * np.log(2), 0], rtol=1e-6)


def test_first_values_have_the_scale_that_was_asked_for() -> None:
    lists = ItemLists.of([[0, 1]] * 500)
    generator = torch.Generator().manual_seed(0)
    network = LightGCN(lists, 500, dimension=8, first_scale=0.01, generator=generator)
    assert network.table_ND.std().item() == pytest.approx(0.01, rel=0.05)


def test_what_serves_it_scores_alike() -> None:
    network = network_of(2)
    served = network.recommender()
    scores = network(torch.tensor([0, 1]), torch.tensor([[0, 1], [0, 1]]))
    torch.testing.assert_close(torch.from_numpy(served.users_UD @ served.items_VD.T), scores.detach())


def test_first_values_can_be_the_strongest_directions_of_the_graph() -> None:
    lists = ItemLists.of([[0, 1], [0, 1, 2], [3, 4], [3, 4]])  # two parts, of which one has a weak link
    generator = torch.Generator().manual_seed(0)
    network = LightGCN(lists, 6, dimension=8, first_scale=0.1, spectrum=True, generator=generator)
    drawn = LightGCN(lists, 6, dimension=8, first_scale=0.1, generator=torch.Generator().manual_seed(0))
    table, counts = network.table_ND.detach(), lists.counts(6).toarray()
    scale = np.sqrt(np.maximum(counts.sum(1, keepdims=True), 1) * np.maximum(counts.sum(0), 1))
    adjacency = np.zeros((10, 10), np.float32)
    adjacency[:4, 4:] = counts / scale
    adjacency += adjacency.T
    values = np.linalg.norm(adjacency @ table.numpy()[:, :3], axis=0) / np.linalg.norm(table.numpy()[:, :3], axis=0)
    np.testing.assert_allclose(values[:2], [1, 1], rtol=1e-5)  # one of each part
    assert 0.1 < values[2] < 1
    np.testing.assert_allclose(adjacency @ table.numpy()[:, :3], values * table.numpy()[:, :3], atol=1e-6)
    assert table[9, :3].abs().max() < 1e-6  # item 5 was taken by nobody
    assert table[:, :3].square().mean().sqrt().item() == pytest.approx(0.1, rel=1e-5)
    assert torch.equal(table[:, 3:], drawn.table_ND[:, 3:])  # the graph has no more than three
