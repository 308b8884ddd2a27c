"""The baselines on tiny data: each against its formula written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from aisle.evaluate import baselines
from aisle.evaluate.baselines import basket_baselines, bm25_weights, knn_weights, pair_weights, user_baselines
from aisle.evaluate.windows import Question, Window, build_window
from tests.histories import SIGNALS, Line, at, log_of
from tests.retrieval.test_ease import ease_of_the_paper

LINES = [
    Line(0, "ann", "tea"),
    Line(20, "ann", "tea"),
    Line(80, "ann", "cup"),
    Line(90, "bob", "tea"),
    Line(90, "bob", "pot"),
    Line(95, "cat", "pot"),
    Line(96, "cat", "cup"),
    Line(96, "cat", "cup"),
    Line(97, None, "rug", session="s"),
    Line(110, "ann", "pot"),
    Line(111, "bob", "cup"),
    Line(112, "cat", "tea"),
]
TEA, CUP, POT, RUG = 2, 3, 4, 5
PLAIN = replace(SIGNALS, strengths={"purchase": 1.0})
#: Users ann, bob and cat by items.
TAKEN = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]])


def window_of(lines: Sequence[Line] = LINES) -> Window:
    log = log_of(lines, item_order=["tea", "cup", "pot", "rug"])
    return build_window(log, log.before(at(100)), horizon_days=28, signals=PLAIN, history_limit=1000)


@pytest.fixture(scope="module")
def window() -> Window:
    return window_of()


def scores(window: Window, name: str, repeat: str = "allow") -> dict[str, list[float]]:
    """The scores of tea, cup, pot and rug, by user."""
    block = window.asked("allow")
    found = user_baselines(PLAIN)[name](window)(block, repeat)  # type: ignore[arg-type]
    assert found.shape == (3, 6)
    return {
        window.snapshot.user_ids[one.user]: row[[TEA, CUP, POT, RUG]].tolist()
        for one, row in zip(block, found, strict=True)
    }


def decay(age: float, half_life_days: float) -> float:
    return 2 ** (-age / half_life_days)


def test_popular_counts_known_users(window: Window) -> None:
    users = ("ann", "bob", "cat")
    assert scores(window, "popular") == {user: [2, 2, 2, 0] for user in users}
    assert scores(window, "popular_28d") == {user: [1, 2, 2, 0] for user in users}


def test_own_history_with_what_is_popular_behind(window: Window) -> None:
    frequency = scores(window, "own_frequency")
    assert frequency["ann"] == pytest.approx([2 + 5e-5, 1 + 1e-4, 1e-4, 0])
    assert frequency["cat"] == pytest.approx([5e-5, 1 + 1e-4, 1 + 1e-4, 0]), "identical lines of one time are one"
    recency = scores(window, "own_recency")
    expected = [decay(100, 180) + decay(80, 180) + 5e-5, decay(20, 180) + 1e-4, 1e-4, 0]
    assert recency["ann"] == pytest.approx(expected)


def test_item_knn_is_cosine_with_itself_among_the_neighbours(window: Window) -> None:
    # All three items were taken by two users, each pair by one: cosine 1/2.
    ann = scores(window, "item_knn_cosine")["ann"]
    tea, cup = decay(80, 90), decay(20, 90)
    assert ann == pytest.approx([tea + cup / 2, tea / 2 + cup, tea / 2 + cup / 2, 0])


def test_knn_weights_against_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = (np.random.default_rng(0).random((30, 12)) < 0.4).astype(np.float64)
    monkeypatch.setattr(baselines, "KNN_NEIGHBOURS", 5)
    idf = np.maximum(np.log(12 / (1 + taken.sum(axis=1))), 0)[:, None]
    for weighting, weighted in (("cosine", taken), ("tfidf", taken * idf)):
        found = knn_weights(sparse.csr_matrix(taken), weighting)  # type: ignore[arg-type]
        for b in range(12):
            cosines = [
                weighted[:, a] @ weighted[:, b] / np.linalg.norm(weighted[:, a]) / np.linalg.norm(weighted[:, b])
                for a in range(12)
            ]
            kept = sorted(cosines)[-5]
            expected = [cosine if cosine >= kept else 0 for cosine in cosines]
            assert found[:, b] == pytest.approx(expected, abs=1e-6)


def test_bm25_weights_against_a_plain_loop() -> None:
    taken = (np.random.default_rng(1).random((20, 6)) < 0.4).astype(np.float64)
    mean = taken.sum(axis=1).mean()
    weighted = np.zeros_like(taken)
    for user, item in zip(*np.nonzero(taken), strict=True):
        length = taken[user].sum()
        idf = max(math.log(20 / (1 + taken[:, item].sum())), 0)
        weighted[user, item] = (1 * 101) / (100 * (1 - 0.8 + 0.8 * length / mean) + 1) * idf
    assert bm25_weights(sparse.csr_matrix(taken)) == pytest.approx(weighted.T @ weighted, rel=1e-5)


def test_ease_is_the_formula_of_the_paper(window: Window) -> None:
    weights = ease_of_the_paper(TAKEN, baselines.EASE_L2)
    expected = (np.array([1, 1, 0]) @ weights).tolist()
    assert scores(window, "ease")["ann"] == pytest.approx([*expected, 0], abs=1e-7)


def relative(values: np.ndarray) -> np.ndarray:
    return values / values.max() if values.max() > 0 else values


@pytest.mark.parametrize("name", ["ease_mix", "knn_mix"])
def test_a_mix_is_the_sum_of_its_parts(window: Window, name: str) -> None:
    similar = knn_weights(sparse.csr_matrix(TAKEN), "tfidf")
    weights = ease_of_the_paper(TAKEN, baselines.EASE_L2) if name == "ease_mix" else similar
    popular = np.array([1, 2, 2]) / 2
    own = np.array([decay(100, 180) + decay(80, 180), decay(20, 180), 0])
    profile = np.array([decay(80, 180), decay(20, 180), 0])
    expected = relative(profile @ weights) + 2 * relative(own) + popular
    assert scores(window, name)["ann"] == pytest.approx([*expected, 0], abs=1e-5)
    young = np.array([decay(80, 30), decay(20, 30), 0])
    expected = relative(young @ weights) + 0.3 * popular
    assert scores(window, name, "exclude")["ann"] == pytest.approx([*expected, 0], abs=1e-5)


def test_als_finds_two_kinds_of_customers() -> None:
    pytest.importorskip("implicit")
    draw = np.random.default_rng(0)
    lines = [
        Line(float(day), f"u{user}", f"{'ab'[user % 2]}{item}")
        for user in range(300)
        for day, item in enumerate(draw.permutation(12)[:8])
    ]
    lines += [Line(101, f"u{user}", lines[0].item) for user in (0, 1)] + [Line(101, "u1", "b0")]
    window = window_of(lines)
    block = window.asked("allow")
    found = user_baselines(PLAIN)["als"](window)(block, "allow")
    for one, row in zip(block, found, strict=True):
        kind = "ab"[int(window.snapshot.user_ids[one.user][1:]) % 2]
        best = [window.snapshot.item_ids[item] for item in np.argsort(-row)[:12]]
        assert all(item_id.startswith(kind) for item_id in best)


def test_pairs_of_a_basket() -> None:
    taken = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]], np.float32))
    assert pair_weights(taken, "count").tolist() == [[0, 2, 1], [2, 0, 1], [1, 1, 0]]
    # a 3 times, b 2, c 2.
    cosine = [[0, 2 / math.sqrt(6), 1 / math.sqrt(6)], [2 / math.sqrt(6), 0, 1 / 2], [1 / math.sqrt(6), 1 / 2, 0]]
    assert pair_weights(taken, "cosine") == pytest.approx(np.array(cosine))
    assert pair_weights(taken, "jaccard") == pytest.approx(np.array([[0, 2 / 3, 0], [2 / 3, 0, 0], [0, 0, 0]]))


def test_a_basket_sums_the_weights_of_its_items(window: Window) -> None:
    # Baskets of known users before the window, each a day: tea, tea, cup, tea pot, pot, cup.
    visible = np.array([TEA, CUP], np.int32)
    every = basket_baselines(PLAIN)
    assert every["cooccurrence"](window)(visible)[[TEA, CUP, POT, RUG]].tolist() == [0, 0, 1, 0]
    assert every["cosine"](window)(visible)[POT] == pytest.approx(1 / math.sqrt(3 * 2))
    assert every["jaccard"](window)(visible).tolist() == [0] * 6, "seen together once only"
    rows = np.array([[1, 0, 0]] * 2 + [[0, 1, 0]] * 2 + [[1, 0, 1], [0, 0, 1]])
    weights = ease_of_the_paper(rows, baselines.BASKET_L2)
    assert every["ease"](window)(visible)[[TEA, CUP, POT]] == pytest.approx(weights[[0, 1]].sum(axis=0), abs=1e-6)
    assert every["ease"](window)(visible)[RUG] == 0, "only a stranger took it"


def test_beyond_the_memory_only_the_most_taken_items_have_votes(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "MEMORY_GB", 2**2 * 12 / 1e9)
    assert scores(window, "item_knn_cosine")["bob"] == pytest.approx([decay(10, 90), decay(10, 90) / 2, 0, 0])
    assert scores(window, "ease")["bob"][2:] == [0, 0]


def test_fits_are_shared_within_a_window_and_not_between_windows(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []
    ease = baselines._ease

    def count(taken: sparse.csr_matrix, l2: float) -> np.ndarray:
        fitted.append(taken.shape[0])
        return ease(taken, l2)

    monkeypatch.setattr(baselines, "_ease", count)
    every = user_baselines(PLAIN)
    other = window_of(LINES[2:])
    for one in (window, other):
        every["ease"](one)
        every["ease_mix"](one)
    assert len(fitted) == 2


def test_a_question_is_scored_by_its_own_history(window: Window) -> None:
    block: list[Question] = window.asked("allow")
    for name, baseline in user_baselines(PLAIN).items():
        if name == "als":
            continue
        score = baseline(window)
        together = score(block, "allow")
        alone = np.concatenate([score([one], "allow") for one in block])
        assert together == pytest.approx(alone, abs=1e-6), name
