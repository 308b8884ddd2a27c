"""Networks of a user and an item: by hand, and served as they are trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, Questions
from aisle.metrics import Targets
from aisle.models.collaborative import DMF, GMF, NNMF, NeuMF, PairMLP
from aisle.models.collaborative.vector_pairs import pair_penalty

LISTS = ItemLists.of([[0, 1], [1, 2, 4], [3]])
NUM_ITEMS = 5


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def network_of(kind: str) -> GMF | PairMLP | NeuMF | NNMF | DMF:
    sizes = (len(LISTS), NUM_ITEMS)
    if kind == "gmf":
        return GMF(*sizes, dimension=2, generator=generator())
    if kind == "mlp":
        return PairMLP(*sizes, dimension=2, hidden=[4, 3], generator=generator())
    if kind == "neumf":
        return NeuMF(*sizes, dimension=3, mlp_dimension=2, hidden=[4, 3], alpha=0.3, generator=generator())
    if kind == "nnmf":
        return NNMF(*sizes, dimension=2, num_products=3, hidden=[4, 3], generator=generator())
    return DMF(LISTS, NUM_ITEMS, hidden=[4, 3], temperature=0.5, generator=generator())


def questions(candidates_RK: np.ndarray | None = None) -> Questions:
    return Questions(LISTS, Targets.from_lists([[0]] * 3), np.arange(3), candidates_RK=candidates_RK)


def scores_of(network: GMF | PairMLP | NeuMF | NNMF | DMF) -> torch.Tensor:
    with torch.no_grad():
        return network(torch.arange(3), torch.arange(NUM_ITEMS).expand(3, -1))


def test_long_vectors_cost_as_often_as_they_are_looked_up_by_hand() -> None:
    users_UD, items_VD = torch.tensor([[1.0, 2.0], [9.0, 9.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    pairs = torch.tensor([0]), torch.tensor([[0, 1, 1]])  # user 0 in each of three pairs
    weighed = pair_penalty(users_UD, items_VD, *pairs, torch.tensor([1.0, 0.5]))
    assert weighed.item() == pytest.approx((1 + 0.5 * 4) + (9 + 2 * 0.5 * 1) / 3)


def test_a_gmf_cannot_escape_its_penalty_by_greater_weights() -> None:
    network = GMF(2, 2, dimension=2, generator=generator())
    pairs = torch.tensor([0, 1]), torch.tensor([[0, 1], [1, 0]])
    with torch.no_grad():
        network.weight_D.copy_(torch.tensor([-0.5, 2.0]))
        logits_BC, penalty = network(*pairs), network.penalty(*pairs)
        assert penalty.item() > 0
        network.users_UD /= 3
        network.items_VD /= 3
        network.weight_D *= 9
        torch.testing.assert_close(network(*pairs), logits_BC)
        torch.testing.assert_close(network.penalty(*pairs), penalty)


def test_long_vectors_of_neumf_cost_what_those_of_its_parts_do() -> None:
    network = NeuMF(2, 3, dimension=2, mlp_dimension=1, hidden=[2], generator=generator())
    pairs = torch.tensor([1]), torch.tensor([[2, 0]])
    with torch.no_grad():
        network.mlp.users_UD.copy_(torch.tensor([[7.0], [2.0]]))
        network.mlp.items_VD.copy_(torch.tensor([[1.0], [7.0], [3.0]]))
        assert network.mlp.penalty(*pairs).item() == pytest.approx(4 + (9 + 1) / 2)
        expected = network.gmf.penalty(*pairs) + network.mlp.penalty(*pairs)
        torch.testing.assert_close(network.penalty(*pairs), expected)


@pytest.mark.parametrize("kind", ["gmf", "mlp", "neumf", "nnmf", "dmf"])
def test_served_as_trained(kind: str) -> None:
    network = network_of(kind)
    for parameter in network.parameters():  # first values are so small that all scores would be alike
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator()))
    trained_RV = scores_of(network).numpy()
    assert np.ptp(trained_RV) > 0.01
    served_RV = network.recommender().score(questions())
    np.testing.assert_allclose(
        served_RV - served_RV[:, :1],
        (trained_RV - trained_RV[:, :1]) * (0.5 if kind == "dmf" else 1),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("kind", ["mlp", "neumf", "nnmf"])
def test_candidates_alone_are_scored(kind: str) -> None:
    served = network_of(kind).recommender()
    all_RV = served.score(questions())
    candidates_RK = np.array([[4, 0, 2], [1, 3, -1], [2, -1, -1]], np.int32)
    some_RV = served.score(questions(candidates_RK))
    for row, candidates in enumerate(candidates_RK):
        named = candidates[candidates >= 0]
        np.testing.assert_allclose(some_RV[row, named], all_RV[row, named], rtol=1e-6)
    assert some_RV[0, 1] == np.finfo(np.float32).min


def test_gmf_by_hand() -> None:
    network = GMF(1, 2, dimension=2, generator=generator())
    with torch.no_grad():
        network.users_UD.copy_(torch.tensor([[1.0, 2.0]]))
        network.items_VD.copy_(torch.tensor([[3.0, 4.0], [0.0, -1.0]]))
        network.weight_D.copy_(torch.tensor([0.5, 10.0]))
        network.bias.fill_(7.0)
    assert network(torch.tensor([0]), torch.tensor([[0, 1]])).tolist() == [[1.5 + 80 + 7, -20 + 7]]


def test_the_mlp_reads_both_vectors_side_by_side() -> None:
    network = PairMLP(3, NUM_ITEMS, dimension=2, hidden=[4, 3], generator=generator())
    side_by_side = torch.cat([network.users_UD[1], network.items_VD[2]])
    expected = network.tower(torch.relu(network.first(side_by_side)))
    torch.testing.assert_close(network(torch.tensor([1]), torch.tensor([[2]]))[0], expected)


def test_neumf_weighs_its_parts() -> None:
    network = network_of("neumf")
    assert isinstance(network, NeuMF)
    users, items = torch.tensor([0, 2]), torch.tensor([[1, 2], [3, 4]])
    expected = 0.3 * network.gmf(users, items) + 0.7 * network.mlp(users, items)
    torch.testing.assert_close(network(users, items), expected)


def test_nnmf_reads_vectors_and_products() -> None:
    network = network_of("nnmf")
    assert isinstance(network, NNMF)
    products = network.users_UP[1] * network.items_VP[2]
    values = network.layers[0](torch.cat([network.users_UD[1], network.items_VD[2], products]))
    for layer in list(network.layers)[1:]:
        values = layer(torch.sigmoid(values))
    torch.testing.assert_close(network(torch.tensor([1]), torch.tensor([[2]]))[0], values)


def test_dmf_scores_are_cosines_over_the_temperature() -> None:
    network = network_of("dmf")
    assert isinstance(network, DMF)
    user = network.users.rest(
        torch.relu(network.users.first_CH[[1, 2, 4]].sum(dim=0) + network.users.first_bias_H)
    )  # what user 1 took
    item = network.items.rest(torch.relu(network.items.first_CH[[0, 1]].sum(dim=0) + network.items.first_bias_H))
    cosine = torch.nn.functional.cosine_similarity(user, item, dim=0)  # of item 1, which users 0 and 1 took
    torch.testing.assert_close(network(torch.tensor([1]), torch.tensor([[1]]))[0, 0], cosine / 0.5)


def test_one_who_was_not_trained_on_is_the_mean_user() -> None:
    served = GMF(3, NUM_ITEMS, dimension=2, generator=generator()).recommender()
    stranger = Questions(ItemLists.empty(1), Targets.from_lists([[0]]), np.array([NOBODY]))
    np.testing.assert_allclose(served.score(stranger)[0], served.score(questions()).mean(axis=0), rtol=1e-4, atol=1e-9)
