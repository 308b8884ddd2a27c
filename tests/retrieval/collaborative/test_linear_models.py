"""EASE, PureSVD and the graph filter over lists, against their formulas written out with dense matrices."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.questions import ListSplit
from aisle.errors import ConfigError
from aisle.pipeline.list_recommenders.sharpening import Sharpening
from aisle.recipe.list_models.collaborative import GraphFilterSpec, ListEaseSpec, PureSvdSpec
from aisle.retrieval.collaborative import LinearRecommender, fit_graph_filter, fit_list_ease, fit_pure_svd
from aisle.retrieval.collaborative.spectrum import strongest_directions
from tests.contracts.list_recommenders import ListRecommenderContract
from tests.retrieval.collaborative.questions import ask, split_of

NUM_ITEMS = 9


class TestEase(ListRecommenderContract):
    def fit(self, split: ListSplit) -> LinearRecommender:
        return fit_list_ease(ListEaseSpec(kind="ease", l2=5), split)


class TestPureSvd(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> LinearRecommender:
        return fit_pure_svd(PureSvdSpec(kind="pure-svd", rank=2), split)


class TestGraphFilter(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> LinearRecommender:
        return fit_graph_filter(GraphFilterSpec(kind="graph-filter", rank=2), split)


class TestSharpenedGraphFilter(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> LinearRecommender:
        return fit_graph_filter(GraphFilterSpec(kind="graph-filter", rank=2, sharpening=0.5), split)


def random_lists() -> tuple[list[list[int]], NDArray[np.float64]]:
    """Lists in which every item occurs, and the matrix of who took what."""
    taken_UV = (np.random.default_rng(3).random((30, NUM_ITEMS)) < 0.35).astype(float)
    return [np.flatnonzero(row_V).tolist() for row_V in taken_UV], taken_UV


def identity_scores(recommender: LinearRecommender) -> NDArray[np.float32]:
    return recommender.score(ask(*([item] for item in range(NUM_ITEMS))))


def test_ease_is_that_of_the_paper() -> None:
    lists, taken_UV = random_lists()
    inverse = np.linalg.inv(taken_UV.T @ taken_UV + 3 * np.eye(NUM_ITEMS))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    fitted = fit_list_ease(ListEaseSpec(kind="ease", l2=3), split_of(lists, NUM_ITEMS))
    assert identity_scores(fitted) == pytest.approx(expected, abs=1e-5)


def test_ease_of_the_most_taken_items_where_memory_is_short(caplog: pytest.LogCaptureFixture) -> None:
    lists = [[0, 1, 3], [0, 3], [1, 3], [2]]
    with caplog.at_level(logging.WARNING):
        fitted = fit_list_ease(ListEaseSpec(kind="ease", l2=1, memory_gb=3.7e-8), split_of(lists, 4))  # 3 x 3 weights
    assert "the 3 most taken are kept" in caplog.text
    scores_RV = fitted.score(ask([3], [2]))
    assert scores_RV[0, 0] > 0
    assert scores_RV[0, 2] == 0
    assert not scores_RV[1].any()


def test_ease_of_the_strongest_neighbours() -> None:
    lists, _ = random_lists()
    whole = identity_scores(fit_list_ease(ListEaseSpec(kind="ease", l2=3), split_of(lists, NUM_ITEMS)))
    fitted = fit_list_ease(ListEaseSpec(kind="ease", l2=3, neighbours=2), split_of(lists, NUM_ITEMS))
    weakest = np.sort(np.abs(whole), axis=1)[:, -2, None]
    assert identity_scores(fitted) == pytest.approx(np.where(np.abs(whole) >= weakest, whole, 0))


def test_ease_says_what_it_needs_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.retrieval.collaborative.ease._available_bytes", lambda: 323)
    lists, _ = random_lists()
    with pytest.raises(ConfigError, match=r"weights between 9 items.*lower model\.memory_gb"):
        fit_list_ease(ListEaseSpec(kind="ease"), split_of(lists, NUM_ITEMS))  # 4 x 9 x 9 bytes


def test_pure_svd_projects_on_the_strongest_directions() -> None:
    lists, taken_UV = random_lists()
    _, _, directions = np.linalg.svd(taken_UV)
    fitted = fit_pure_svd(PureSvdSpec(kind="pure-svd", rank=4), split_of(lists, NUM_ITEMS))
    assert identity_scores(fitted) == pytest.approx(directions[:4].T @ directions[:4], abs=1e-5)


def test_pure_svd_with_scaled_items() -> None:
    lists, taken_UV = random_lists()
    scale_V = taken_UV.sum(axis=0) ** -0.5
    _, _, directions = np.linalg.svd(taken_UV * scale_V)
    expected = np.diag(scale_V) @ directions[:2].T @ directions[:2]
    fitted = fit_pure_svd(PureSvdSpec(kind="pure-svd", rank=2, item_exponent=0.5), split_of(lists, NUM_ITEMS))
    assert identity_scores(fitted) == pytest.approx(expected, abs=1e-5)


def test_the_graph_filter_is_that_of_the_paper() -> None:
    lists, taken_UV = random_lists()
    users_U, items_V = taken_UV.sum(axis=1), taken_UV.sum(axis=0)
    normalized = taken_UV / np.sqrt(np.maximum(users_U, 1))[:, None] / np.sqrt(items_V)
    _, _, directions = np.linalg.svd(normalized)
    projection = np.diag(items_V**-0.5) @ directions[:3].T @ directions[:3] @ np.diag(items_V**0.5)
    expected = normalized.T @ normalized + 0.3 * projection
    fitted = fit_graph_filter(GraphFilterSpec(kind="graph-filter", rank=3), split_of(lists, NUM_ITEMS))
    assert identity_scores(fitted) == pytest.approx(expected, abs=1e-5)
    plain = fit_graph_filter(
        GraphFilterSpec(kind="graph-filter", rank=3, weight=2, projection_exponent=0), split_of(lists, NUM_ITEMS)
    )
    expected = normalized.T @ normalized + 2 * directions[:3].T @ directions[:3]
    assert identity_scores(plain) == pytest.approx(expected, abs=1e-5)


def test_the_graph_filter_without_projection_and_with_other_exponents() -> None:
    lists, taken_UV = random_lists()
    users_U, items_V = taken_UV.sum(axis=1), taken_UV.sum(axis=0)
    weighted = taken_UV * (np.maximum(users_U, 1) ** -0.5)[:, None]
    expected = np.diag(items_V**-0.7) @ taken_UV.T @ weighted @ np.diag(items_V**-0.3)
    spec = GraphFilterSpec(
        kind="graph-filter", weight=0, user_exponent=0.5, history_exponent=0.7, candidate_exponent=0.3
    )
    fitted = fit_graph_filter(spec, split_of(lists, NUM_ITEMS))
    assert fitted.encoder_VD is None
    assert identity_scores(fitted) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.2])
def test_sharpened_scores_decay_by_what_the_filter_makes_of_them(weight: float) -> None:
    """A short time: the fourth order of exp(-tP) is exact to the precision of float32."""
    lists, taken_UV = random_lists()
    users_U, items_V = np.maximum(taken_UV.sum(axis=1), 1), taken_UV.sum(axis=0)
    normalized = taken_UV / np.sqrt(users_U)[:, None] / np.sqrt(items_V)
    values, directions = np.linalg.eigh(normalized.T @ normalized)
    decay = directions @ np.diag(np.exp(-0.2 * values)) @ directions.T
    spec = GraphFilterSpec(kind="graph-filter", rank=3, weight=weight)
    blurred = identity_scores(fit_graph_filter(spec, split_of(lists, NUM_ITEMS)))
    spec = spec.model_copy(update={"sharpening": 0.2})
    fitted = fit_graph_filter(spec, split_of(lists, NUM_ITEMS))
    assert identity_scores(fitted) == pytest.approx(blurred @ decay, abs=1e-5)


def test_sharpening_is_one_step_of_fourth_order() -> None:
    """One user with one item: N is 1, and so is P."""
    sharpening = Sharpening(sparse.csr_matrix(np.ones((1, 1), np.float32)), 2.5)
    received = sharpening.sharpen(np.array([[2.0]], np.float32))
    assert received.item() == pytest.approx(2 * (1 - 2.5 + 2.5**2 / 2 - 2.5**3 / 6 + 2.5**4 / 24))


def test_directions_by_iteration_are_those_of_the_dense_decomposition() -> None:
    matrix = sparse.random(900, 400, density=0.02, format="csr", random_state=np.random.default_rng(0))
    _, _, expected_DV = np.linalg.svd(matrix.toarray(), full_matrices=False)
    directions_VD = strongest_directions(matrix, 5, seed=1)
    assert directions_VD @ directions_VD.T == pytest.approx(expected_DV[:5].T @ expected_DV[:5], abs=1e-4)
    again_VD = strongest_directions(matrix, 5, seed=1)
    assert np.array_equal(again_VD, directions_VD)


def test_directions_of_little() -> None:
    assert strongest_directions(sparse.csr_matrix((4, 3)), 2, seed=0).shape == (3, 0)
    two_alike = sparse.csr_matrix(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]))
    direction_V1 = np.abs(strongest_directions(two_alike, 3, seed=0))
    assert direction_V1 == pytest.approx(np.array([[0.5**0.5], [0.5**0.5], [0]]))
