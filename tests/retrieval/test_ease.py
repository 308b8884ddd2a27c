"""EASE against the formula of the paper, written out with a dense inverse; the memory budget."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from aisle.errors import DataError
from aisle.pipeline.generators import NeighbourGenerator
from aisle.recipe.generators import EaseSpec
from aisle.retrieval import Signals, fit_ease
from aisle.retrieval.ease import BYTES_PER_PAIR, affordable_items, ease_weights
from aisle.schema import Item
from tests.histories import SIGNALS, Line, snapshot_of


def ease_of_the_paper(taken: np.ndarray, l2: float) -> np.ndarray:
    """Steck 2019, Algorithm 1."""
    gram = taken.T @ taken + l2 * np.eye(taken.shape[1])
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def taken_at_random(rows: int = 40, items: int = 9) -> np.ndarray:
    return (np.random.default_rng(0).random((rows, items)) < 0.3).astype(np.float64)


def test_weights_are_those_of_the_paper() -> None:
    taken = taken_at_random()
    weights = ease_weights(sparse.csr_matrix(taken, dtype=np.float32), np.ones(40, np.float32), 5.0)
    assert weights == pytest.approx(ease_of_the_paper(taken, 5.0), abs=1e-5)


def test_row_weights_count_as_repeated_rows() -> None:
    taken = taken_at_random(10)
    times = np.arange(10) % 3
    weights = ease_weights(sparse.csr_matrix(taken, dtype=np.float32), times.astype(np.float32), 5.0)
    assert weights == pytest.approx(ease_of_the_paper(np.repeat(taken, times, axis=0), 5.0), abs=1e-5)


def lines_of(taken: np.ndarray, day: float = 10) -> list[Line]:
    return [Line(day, f"u{row}", f"i{column}") for row, column in zip(*np.nonzero(taken), strict=True)]


def dense(generator: NeighbourGenerator, num_items: int) -> np.ndarray:
    lists = generator.lists
    return np.array([[lists.weight(2 + a, 2 + b) for b in range(num_items)] for a in range(num_items)])


def fit(lines: list[Line], signals: Signals = SIGNALS, **options: object) -> list[NeighbourGenerator]:
    spec = EaseSpec.model_validate({"kind": "ease", "l2": 5, "history_half_life_days": [30], **options})
    items = [Item(item_id=f"i{number}") for number in range(9)]
    return fit_ease("ease", spec, snapshot_of(lines, items, day=20), signals)


def test_a_fit_on_a_snapshot_is_the_formula_on_its_matrix() -> None:
    taken = taken_at_random()
    (generator,) = fit(lines_of(taken))
    assert generator.name == "ease"
    assert dense(generator, 9) == pytest.approx(ease_of_the_paper(taken, 5.0), abs=1e-5)


def test_the_strongest_signal_of_a_user_counts() -> None:
    taken = taken_at_random()
    views = [Line(9, f"u{row}", "i0", "view") for row in range(20)]
    seen = taken.copy()
    seen[:20, 0] = np.maximum(taken[:20, 0], 0.2)
    (generator,) = fit(lines_of(taken) + views)
    assert dense(generator, 9) == pytest.approx(ease_of_the_paper(seen, 5.0), abs=1e-5)


def test_a_half_life_weighs_rows_by_their_last_event_and_l2_with_them() -> None:
    taken = taken_at_random()
    taken[:, 0] = 1  # nobody took nothing
    early, late = taken[:20], taken[20:]
    (generator,) = fit(
        lines_of(early, day=10) + [replace(line, day=15, user=f"late {line.user}") for line in lines_of(late)],
        half_life_days=5,
    )
    rows = np.repeat([0.25, 0.5], 20)
    expected = ease_of_the_paper(np.sqrt(rows)[:, None] * taken, 5.0 * rows.mean())
    assert dense(generator, 9) == pytest.approx(expected, abs=1e-5)


def test_only_the_strongest_weights_are_kept_also_negative_ones() -> None:
    taken = taken_at_random()
    (generator,) = fit(lines_of(taken), top_n=7)
    full = ease_of_the_paper(taken, 5.0)
    threshold = np.sort(np.abs(full), axis=1)[:, -7:-6]
    assert dense(generator, 9) == pytest.approx(np.where(np.abs(full) >= threshold, full, 0), abs=1e-5)
    assert (full[np.abs(full) >= threshold] < 0).any(), "else this test shows nothing"


def test_one_source_per_half_life_over_the_same_lists() -> None:
    several = fit(lines_of(taken_at_random()), history_half_life_days=[30, None])
    assert [generator.name for generator in several] == ["ease_30d", "ease_always"]
    assert several[0].lists is several[1].lists


def test_beyond_the_memory_budget_the_most_taken_items_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    taken = np.zeros((6, 5))
    for item, count in enumerate((1, 4, 4, 0, 5)):
        taken[:count, item] = 1
    matrix = sparse.csr_matrix(taken)
    assert affordable_items(matrix, 1.0).tolist() == [0, 1, 2, 4], "what nobody took needs no memory"
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert affordable_items(matrix, 2**2 * BYTES_PER_PAIR / 1e9).tolist() == [1, 4], "equal ones by row"
    assert "the 2 most taken are kept" in caplog.text
    (generator,) = fit(lines_of(taken), memory_gb=3**2 * BYTES_PER_PAIR / 1e9)
    votes = dense(generator, 5)
    assert votes[[0, 3]].tolist() == [[0] * 5] * 2
    kept = np.ix_([1, 2, 4], [1, 2, 4])
    assert votes[kept] == pytest.approx(ease_of_the_paper(taken[:, [1, 2, 4]], 5.0), abs=1e-5)


def test_no_events_give_no_source() -> None:
    assert fit([Line(1, "u", "i1", "impression")]) == []
    assert fit([Line(1, None, "i1", session="s")]) == [], "no user is known"
    assert len(fit([Line(1, None, "i1", session="s")], over="visitors")) == 1


def test_a_matrix_that_cannot_be_factorized_says_how_to_go_on() -> None:
    twins = sparse.csr_matrix(np.ones((4, 2)), dtype=np.float32)
    with pytest.raises(DataError, match=r"expected a positive definite Gram matrix, .* raise l2 \(1e-12\)"):
        ease_weights(twins, np.ones(4, np.float32), 1e-12)
