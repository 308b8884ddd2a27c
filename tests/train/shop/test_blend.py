"""Fitting a blend: a planted weight is found, silence weighs nothing, and the seed decides everything."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.pipeline import Blend
from aisle.train.shop.blend import MAX_QUESTIONS, fit_blend
from aisle.train.shop.blend_examples import Examples

SOURCES = ("good", "noise", "weak", "silent")


def planted(num_questions: int = 200, num_candidates: int = 40, seed: int = 0) -> Examples:
    """Candidates of which the three right ones are the best by .6 x good + .4 x weak."""
    draw = np.random.default_rng(seed)
    features = draw.random((num_questions, num_candidates, 4)).astype(np.float32)
    features[:, :, 3] = 0
    truth = features @ np.array([0.6, 0, 0.4, 0], np.float32)
    best = np.argsort(-truth, axis=1)[:, :3]
    labels = np.zeros((num_questions, num_candidates), np.bool_)
    np.put_along_axis(labels, best, True, axis=1)
    return Examples(features, labels, np.full(num_questions, 3, np.int64))


def mean_ndcg(blend: Blend, examples: Examples) -> float:
    scores = examples.features_RKS @ blend.weights_S(SOURCES)
    total = 0.0
    for scores_K, labels_K, wanted in zip(scores, examples.labels_RK, examples.num_targets_R, strict=True):
        order = np.argsort(-scores_K, kind="stable")[:20]
        discount = 1 / np.log2(np.arange(2, 22))
        total += (labels_K[order] * discount[: len(order)]).sum() / discount[: min(20, wanted)].sum()
    return total / len(scores)


def test_a_planted_weight_is_found() -> None:
    blend = fit_blend(SOURCES, [planted()], seed=0)
    assert sum(blend.weights.values()) == pytest.approx(1)
    assert blend.weights["good"] > blend.weights["weak"] > blend.weights["noise"]
    assert blend.weights["noise"] < 0.05
    assert blend.weights["good"] / (blend.weights["good"] + blend.weights["weak"]) == pytest.approx(0.6, abs=0.1)
    fresh = planted(seed=1)
    assert mean_ndcg(blend, fresh) > 0.95
    equal = Blend(dict.fromkeys(SOURCES, 0.25))
    assert mean_ndcg(blend, fresh) > mean_ndcg(equal, fresh) + 0.1


def test_a_source_that_says_nothing_weighs_nothing() -> None:
    assert fit_blend(SOURCES, [planted()], seed=0).weights["silent"] == 0


def test_the_same_seed_gives_the_same_weights() -> None:
    many = planted(MAX_QUESTIONS + 300, 25)
    one, again, other = (fit_blend(SOURCES, [many], seed=seed) for seed in (3, 3, 4))
    assert one == again
    assert one != other, "the seed draws the questions"


def test_each_window_counts_alike_however_many_ask() -> None:
    small, large = planted(20), planted(400, seed=1)
    swapped = Examples(small.features_RKS[:, :, [1, 0, 2, 3]], small.labels_RK, small.num_targets_R)
    blend = fit_blend(SOURCES, [swapped, large], seed=0)
    assert blend.weights["noise"] > 0.1, "the small window, where its plane is the good one, is heard"


def test_without_anything_to_learn_from_all_weigh_the_same() -> None:
    empty = Examples(np.zeros((0, 0, 4), np.float32), np.zeros((0, 0), np.bool_), np.zeros(0, np.int64))
    missed = planted()
    missed.labels_RK[:] = False
    for examples in ([], [empty], [missed], [empty, missed]):
        assert fit_blend(SOURCES, examples, seed=0).weights == dict.fromkeys(SOURCES, 0.25)


def test_short_lists_and_padding_are_no_matter() -> None:
    features = np.zeros((1, 2, 4), np.float32)
    features[0, 0, 1], features[0, 1, 0] = 1, 0.5  # noise proposes a wrong one more loudly
    examples = Examples(features, np.array([[False, True]]), np.array([5]))
    blend = fit_blend(SOURCES, [examples], seed=0)
    assert blend.weights["good"] * 0.5 > blend.weights["noise"]
    assert blend.weights["weak"] == blend.weights["silent"] == 0
