"""Predictions of a test set: measured, kept, averaged, and the intervals of their mean."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from aisle.errors import DataError
from aisle.evaluate.predictions import Predictions, bootstrap_ensemble, named_metrics
from aisle.metrics import auc_components, log_loss


def _predictions(logits: list[float], labels: list[float], weights: list[float] | None = None) -> Predictions:
    arrays = (np.array(values, np.float32) for values in (logits, labels))
    return Predictions(*arrays, weight_R=None if weights is None else np.array(weights, np.float32))


def _members(num_rows: int, num_members: int) -> list[Predictions]:
    draw = np.random.default_rng(0)
    truth = draw.normal(size=num_rows)
    label = (draw.random(num_rows) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    noisy = truth + draw.normal(size=(num_members, num_rows)) * 0.8
    return [Predictions(one.astype(np.float32), label) for one in noisy]


def test_metrics_by_hand() -> None:
    one = _predictions([math.log(3), -math.log(3), 0.0, math.log(3)], [1, 0, 0, 0])
    found = named_metrics({"test": one, "later": _predictions([0.0, 0.0], [0, 0])})
    assert found["test/auc"] == pytest.approx(2.5 / 3)
    assert found["test/logloss"] == pytest.approx(-(2 * math.log(0.75) + math.log(0.5) + math.log(0.25)) / 4)
    assert found["test/accuracy"] == 0.5
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert found["test/normalized_entropy"] == pytest.approx(found["test/logloss"] / entropy)
    # One label alone has no AUC and no entropy to compare with.
    assert {name for name in found if name.startswith("later")} == {"later/logloss", "later/accuracy"}


def test_weights_count(tmp_path: Path) -> None:
    one = _predictions([1.0, -1.0, 2.0], [1, 1, 0], [1, 2, 1])
    twice = _predictions([1.0, -1.0, -1.0, 2.0], [1, 1, 1, 0])
    assert one.metrics() == pytest.approx(twice.metrics())
    assert one.components("logloss").value == pytest.approx(twice.metrics()["logloss"])
    assert one.components("auc").value == pytest.approx(twice.metrics()["auc"])
    one.save(tmp_path / "test")
    again = Predictions.load(tmp_path / "test")
    assert again.has_rows_of(one) and again.logit_R.tolist() == [1.0, -1.0, 2.0]
    assert not again.has_rows_of(_predictions([1.0, -1.0, 2.0], [1, 1, 0]))


def test_the_mean_is_of_logits() -> None:
    one, other = _predictions([2.0, -1.0], [1, 0]), _predictions([0.0, -3.0], [1, 0])
    assert Predictions.mean([one, other]).logit_R.tolist() == [1.0, -2.0]
    with pytest.raises(DataError, match="predictions of the same rows"):
        Predictions.mean([one, _predictions([0.0, -3.0], [0, 1])])


def test_what_is_no_prediction(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the predictions of a run"):
        Predictions.load(tmp_path)
    with pytest.raises(ValueError, match="one logit, label and weight per row"):
        _predictions([1.0], [1, 0])
    with pytest.raises(ValueError, match="expected one of auc, logloss"):
        _predictions([1.0], [1]).components("accuracy")


def test_intervals_of_the_mean_of_several_models() -> None:
    members = _members(1500, 3)
    found = bootstrap_ensemble(members, num_resamples=600)
    mean = Predictions.mean(members)
    assert found["auc"]["value"] == pytest.approx(mean.metrics()["auc"])
    assert found["logloss"]["value"] == pytest.approx(log_loss(mean.probability_R, mean.label_R))
    for metric in ("auc", "logloss"):
        low, high = found[metric]["interval"]
        assert low < found[metric]["value"] < high
    low, high = found["auc"]["interval"]
    error = auc_components(mean.logit_R, mean.label_R).standard_error
    assert (high - low) / 3.92 == pytest.approx(error, rel=0.1), "as DeLong says"
    # Averaging takes noise away, and the pairing shows it: the gain's interval is the narrower one.
    low_gain, high_gain = found["auc"]["gain_interval"]
    assert 0 < low_gain < found["auc"]["gain"] < high_gain
    assert high_gain - low_gain < (high - low) / 2
    assert found["logloss"]["gain_interval"][1] < 0
    assert bootstrap_ensemble(members, num_resamples=600) == found
