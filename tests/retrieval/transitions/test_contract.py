"""Every model of transitions keeps the contract of recommenders over lists."""

from __future__ import annotations

from aisle.data.questions import ListSplit
from aisle.recipe.list_models.collaborative import ListEaseSpec
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.list_models.transitions import (
    BlendPartSpec,
    BlendSpec,
    MarkovSpec,
    NextItemRidgeSpec,
    PopularitySpec,
    RulesSpec,
    SessionItemKnnSpec,
    VsknnSpec,
)
from aisle.retrieval.transitions import (
    Blend,
    ItemVotes,
    SessionNeighbours,
    fit_blend,
    fit_markov,
    fit_next_item_ridge,
    fit_popularity,
    fit_rules,
    fit_session_item_knn,
    fit_vsknn,
)
from tests.contracts.list_recommenders import ListRecommenderContract


class TestPopularity(ListRecommenderContract):
    learns = frozenset()

    def fit(self, split: ListSplit) -> ItemVotes:
        return fit_popularity(PopularitySpec(kind="popularity"), split)


class TestOwnThenPopular(ListRecommenderContract):
    learns = frozenset()

    def fit(self, split: ListSplit) -> ItemVotes:
        return fit_popularity(PopularitySpec(kind="popularity", own=True), split)


class TestMarkov(ListRecommenderContract):
    learns = frozenset({"cycle"})

    def fit(self, split: ListSplit) -> ItemVotes:
        return fit_markov(MarkovSpec(kind="markov"), split)


class TestRules(ListRecommenderContract):
    def fit(self, split: ListSplit) -> ItemVotes:
        return fit_rules(RulesSpec(kind="rules"), split)


class TestSessionItemKnn(ListRecommenderContract):
    def fit(self, split: ListSplit) -> ItemVotes:
        return fit_session_item_knn(SessionItemKnnSpec(kind="session-item-knn", history=HistorySpec(decay=1)), split)


class TestTwoSteps(ListRecommenderContract):
    def fit(self, split: ListSplit) -> ItemVotes:
        spec = SessionItemKnnSpec(kind="session-item-knn", second_step=0.1, history=HistorySpec(decay=1))
        return fit_session_item_knn(spec, split)


class TestNextItemRidge(ListRecommenderContract):
    def fit(self, split: ListSplit) -> ItemVotes:
        return fit_next_item_ridge(NextItemRidgeSpec(kind="next-item-ridge", l2=1), split)


class TestVsknn(ListRecommenderContract):
    def fit(self, split: ListSplit) -> SessionNeighbours:
        return fit_vsknn(VsknnSpec(kind="vsknn", neighbours=10, amplification=2, history=HistorySpec(decay=1)), split)


class TestBlend(ListRecommenderContract):
    def fit(self, split: ListSplit) -> Blend:
        parts = [
            BlendPartSpec(model=RulesSpec(kind="rules")),
            BlendPartSpec(model=VsknnSpec(kind="vsknn")),
            BlendPartSpec(model=ListEaseSpec(kind="ease", l2=5)),
            BlendPartSpec(model=PopularitySpec(kind="popularity"), weight=0.1),
        ]
        return fit_blend(BlendSpec(kind="blend", parts=parts), split)
