"""Whether a difference is real: errors over rows and seeds by hand, and how often equals are called different."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import DataError
from aisle.evaluate.comparison import compare, difference
from aisle.evaluate.predictions import Predictions
from aisle.metrics import bootstrap_mean, log_loss, log_loss_rows

NUM_ROWS = 600


def _methods(seed: int, *, noise: tuple[float, float], num_seeds: int, spread: float = 0.0) -> list[list[Predictions]]:
    """Two methods' predictions of the same rows: the truth, scaled anew and under noise drawn anew for each seed."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=NUM_ROWS)
    label = (draw.random(NUM_ROWS) < 1 / (1 + np.exp(-truth))).astype(np.float32)

    def predictions(level: float) -> Predictions:
        scale = 1 + spread * draw.normal()
        return Predictions((scale * truth + level * draw.normal(size=NUM_ROWS)).astype(np.float32), label)

    return [[predictions(level) for _ in range(num_seeds)] for level in noise]


def test_a_run_beside_itself_ties() -> None:
    ((one, *_), _) = _methods(0, noise=(0.5, 0.5), num_seeds=1)
    for metric in ("auc", "logloss"):
        found = difference([one], [one], metric)
        assert (found.value, found.low, found.high, found.verdict) == (0, 0, 0, "tie")
        assert found.seed_standard_error is None


def test_of_single_runs_the_interval_is_that_of_the_paired_bootstrap() -> None:
    (one,), (other,) = _methods(1, noise=(0.3, 1.5), num_seeds=1)
    found = difference([one], [other], "logloss")
    loss_R = [log_loss_rows(run.probability_R, run.label_R) for run in (one, other)]
    expected = bootstrap_mean(loss_R[0] - loss_R[1])
    assert found.value == pytest.approx(expected.mean)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.05)
    assert found.verdict == "better", "a lower log loss is better"
    assert difference([other], [one], "logloss").verdict == "worse"
    assert difference([one], [other], "auc").verdict == "better", "a higher AUC is"


def test_seeds_add_what_the_rows_do_not_say() -> None:
    ours, theirs = _methods(2, noise=(0.0, 0.0), num_seeds=3, spread=0.5)
    found = difference(ours, theirs, "logloss")
    values = [[log_loss(one.probability_R, one.label_R) for one in several] for several in (ours, theirs)]
    spread = np.sqrt(np.var(values[0], ddof=1) / 3 + np.var(values[1], ddof=1) / 3)
    assert found.value == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    assert found.seed_standard_error is not None
    assert 0.8 * spread < found.seed_standard_error < spread, "less what each training errs on rows of its own"
    total = np.hypot(found.row_standard_error, found.seed_standard_error)
    assert 1.96 * total < (found.high - found.low) / 2 < 4.31 * total, "between the normal and t with 2 degrees"
    assert difference(ours, theirs[:1], "logloss").seed_standard_error is None


@pytest.mark.parametrize("metric", ["auc", "logloss"])
def test_of_twins_the_interval_is_no_wider_than_that_of_their_seeds(metric: str) -> None:
    ours, _ = _methods(0, noise=(0.5, 0.5), num_seeds=3)
    theirs = [Predictions(one.logit_R + np.float32(1e-4) * one.logit_R**2, one.label_R) for one in ours]
    found = difference(ours, theirs, metric)
    assert found.verdict == "tie" and found.seed_standard_error is not None
    total = np.hypot(found.row_standard_error, found.seed_standard_error)
    assert (found.high - found.low) / 2 <= 4.31 * total, "t with 2 degrees of freedom"


def test_noise_of_single_rows_is_not_counted_twice() -> None:
    ours, theirs = _methods(6, noise=(0.5, 0.5), num_seeds=40)
    found = difference(ours, theirs, "auc")
    assert found.seed_standard_error is not None
    assert found.seed_standard_error < 0.6 * found.row_standard_error


@pytest.mark.parametrize("metric", ["auc", "logloss"])
def test_equals_are_called_different_no_more_often_than_the_confidence_says(metric: str) -> None:
    pairs = (_methods(seed, noise=(0.3, 0.3), num_seeds=3, spread=0.3) for seed in range(400))
    verdicts = [difference(ours, theirs, metric).verdict for ours, theirs in pairs]
    assert 0.01 < np.mean([verdict != "tie" for verdict in verdicts]) < 0.06


def test_the_report() -> None:
    ours, theirs = _methods(3, noise=(2.0, 0.1), num_seeds=2)
    report = compare({"noisy": ours, "clear": theirs, "one": theirs[:1]}, test_set="later")
    assert (report["reference"], report["rows"], report["set"]) == ("noisy", NUM_ROWS, "later")
    assert set(report["differences"]) == {"clear", "one"}
    assert report["differences"]["clear"]["later/auc"]["verdict"] == "better"
    assert report["methods"]["one"]["deviations"] == {}
    values = [one.metrics()["auc"] for one in ours]
    assert report["methods"]["noisy"]["metrics"]["later/auc"] == pytest.approx(np.mean(values))
    assert report["methods"]["noisy"]["deviations"]["later/auc"] == pytest.approx(np.std(values, ddof=1))


def test_what_cannot_be_compared() -> None:
    (ours, theirs), (others, _) = (_methods(seed, noise=(0.5, 0.5), num_seeds=1) for seed in (4, 5))
    with pytest.raises(DataError, match=r"b: expected the test rows of a \(600 rows\), received 600 rows with other"):
        compare({"a": ours, "b": others}, test_set="test")
    with pytest.raises(DataError, match="two or more runs"):
        compare({"a": ours}, test_set="test")
    alike = [Predictions(np.zeros(4, np.float32), np.zeros(4, np.float32))]
    with pytest.raises(DataError, match="both labels"):
        compare({"a": alike, "b": alike}, test_set="test")
    assert compare({"a": ours, "b": theirs}, test_set="test")["differences"]["b"]["test/auc"]["verdict"] == "tie"
