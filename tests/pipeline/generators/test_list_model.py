"""Sources of models of lists keep the contract; scores by hand; what the model does not know says nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.pipeline.generators import Generator, ListModelGenerator
from aisle.pipeline.known_visitors import KnownVisitors
from aisle.pipeline.list_recommenders import (
    FoldedFactors,
    GraphFactors,
    HistoryLayer,
    HistoryNetwork,
    HistoryRecommender,
    LinearRecommender,
    UserFactors,
    recommender_kind,
)
from tests.contracts.generators import ALL, NUM_FITTED, GeneratorContract, everything, query_of

#: Rows 0 and 1 are reserved; nothing is known of rows 10 and 11.
KNOWN_V = np.isin(np.arange(NUM_FITTED), np.arange(2, 10))


def votes() -> NDArray[np.float32]:
    """Items of one parity vote for each other with 1, for the two items beside them with -1."""
    rows = np.arange(NUM_FITTED)
    distance_VV = np.abs(rows[:, None] - rows)
    return np.where(distance_VV % 2 == 0, np.float32(1), np.float32(-1) * (distance_VV == 1)).astype(np.float32)


def source(recommender: HistoryRecommender) -> ListModelGenerator:
    return ListModelGenerator("mine", recommender, KNOWN_V)


def linear() -> ListModelGenerator:
    return source(LinearRecommender(NUM_FITTED, weights_AA=votes()))


def network() -> ListModelGenerator:
    """The logit of an item is how many of the history are of its parity."""
    parity_VD = np.eye(2, dtype=np.float32)[np.arange(NUM_FITTED) % 2]
    layer = HistoryLayer(parity_VD, np.zeros(2, np.float32), "linear")
    return source(HistoryNetwork([layer], pooling="sum", items_VD=parity_VD, bias_V=np.zeros(NUM_FITTED, np.float32)))


class TestLinear(GeneratorContract):
    def build(self) -> Generator:
        return linear()


class TestNetwork(GeneratorContract):
    def build(self) -> Generator:
        return network()


class TestFolded(GeneratorContract):
    def build(self) -> Generator:
        return source(FoldedFactors(np.eye(2, dtype=np.float32)[np.arange(NUM_FITTED) % 2], 10.0, 0.1))


class TestGraph(GeneratorContract):
    """All of whose questions are of strangers."""

    def build(self) -> Generator:
        parity_VD = np.eye(2, dtype=np.float32)[np.arange(NUM_FITTED) % 2]
        visitors, _ = KnownVisitors.of_ids(["ann"])
        bias_V = np.zeros(NUM_FITTED, np.float32)
        graph = GraphFactors(np.ones((1, 2), np.float32), parity_VD, parity_VD, bias_V, normalize=False)
        return ListModelGenerator("mine", graph, KNOWN_V, visitors)


def test_a_user_is_answered_by_the_own_vector() -> None:
    visitors, order_N = KnownVisitors.of_ids(["ann", "bob"])
    likes_UD = np.array([[2, 0], [0, 1]], np.float32)[order_N]
    parity_VD = np.eye(2, dtype=np.float32)[np.arange(NUM_FITTED) % 2]
    factors = UserFactors(likes_UD, parity_VD, np.zeros(NUM_FITTED, np.float32))
    users = ListModelGenerator("mine", factors, KNOWN_V, visitors)
    for user_id, order, odds in (
        ("ann", [2, 4, 6, 8, 3], [np.exp(2)] * 4 + [1]),
        ("bob", [3, 5, 7, 9, 2], [np.e] * 4 + [1]),
    ):
        found = users.candidates(replace(query_of(), user_id=user_id), 5, everything())
        assert found.rows_k.tolist() == order
        assert found.scores_k == pytest.approx(np.array(odds) / (4 * odds[0] + 4), rel=1e-5)
    for user_id in ("cat", None):
        found = users.candidates(replace(query_of((2, 1.0)), user_id=user_id), 5, everything())
        assert len(found.rows_k) == 0
        assert found.scores_V is None


def test_scores_are_the_models_where_they_are_positive() -> None:
    found = linear().candidates(query_of((2, 1.0), (4, 0.0)), ALL, everything())
    assert found.rows_k.tolist() == [2, 4, 6, 8]
    assert found.scores_k.tolist() == [2, 2, 2, 2]
    assert found.scores_V is not None
    assert found.scores_V[[0, 1, 3, 5, 10]].tolist() == [0, 0, 0, 0, 0]


def test_scores_of_a_network_are_probabilities_of_known_items() -> None:
    found = network().candidates(query_of((2, 1.0), (4, 0.0)), ALL, everything())
    assert found.rows_k.tolist() == [2, 4, 6, 8, 3, 5, 7, 9]
    odds = np.exp([2.0] * 4 + [0.0] * 4)
    assert found.scores_k == pytest.approx(odds / odds.sum(), rel=1e-5)


def test_what_the_model_does_not_know_is_not_read() -> None:
    assert len(linear().candidates(query_of((10, 1.0)), ALL, everything()).rows_k) == 0
    alone, among = (
        linear().candidates(query_of(*rows), ALL, everything()) for rows in ([(2, 1.0)], [(2, 1.0), (10, 0.0)])
    )
    assert np.array_equal(alone.scores_k, among.scores_k)


def test_a_recommender_that_nobody_knows_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BundleError, match=r"expected a recommender of .*, received 'oracle'; upgrade Aisle"):
        recommender_kind("oracle")
    path = tmp_path_factory.mktemp("bundles") / "one"
    with BundleWriter(path) as writer:
        parameters = linear().save(writer)
    with pytest.raises(BundleError, match="upgrade Aisle"):
        ListModelGenerator.load("mine", Bundle.open(path), {**parameters, "recommender": "oracle"})
