"""Calibrators against known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.errors import BundleError
from aisle.pipeline.calibration import IsotonicCalibrator, PlattCalibrator, calibrator_from_json
from aisle.train.shop.calibrate import fit_isotonic, fit_platt


def test_platt_finds_the_planted_line() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=100_000)
    label = (draw.random(100_000) < 1 / (1 + np.exp(-(0.5 * logits - 2)))).astype(float)
    fitted = fit_platt(logits, label)
    assert fitted.slope == pytest.approx(0.5, abs=0.03)
    assert fitted.intercept == pytest.approx(-2, abs=0.03)


def test_platt_keeps_the_mean_and_weighs_rows() -> None:
    logits, label = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    # Nothing to tell apart; four positives' weight and twelve negatives', drawn in to 5/6 and 1/14.
    fitted = fit_platt(logits, label, [6, 2, 6, 2])
    assert fitted.slope == pytest.approx(0, abs=1e-6)
    mean = (4 * 5 / 6 + 12 / 14) / 16
    assert fitted.probabilities(np.zeros(1, np.float32))[0] == pytest.approx(mean, abs=1e-6)


def test_platt_stays_finite_where_classes_separate() -> None:
    fitted = fit_platt([-1.0, -1.0, 1.0, 1.0], [0, 0, 1, 1])
    # Two logits, two free numbers: the drawn-in labels 1/4 and 3/4 are met exactly.
    np.testing.assert_allclose(fitted.probabilities(np.array([-1, 1], np.float32)), [0.25, 0.75], atol=1e-6)
    assert fitted.slope == pytest.approx(math.log(3))


def test_isotonic_pools_what_falls() -> None:
    # By level: 0, 1, 0, 1 -> the middle two are pooled to 1/2 at their mean logit.
    fitted = fit_isotonic([0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1])
    assert fitted == IsotonicCalibrator((0.0, 1.5, 3.0), (0.0, 0.5, 1.0))
    np.testing.assert_allclose(fitted.probabilities(np.array([-9, 0.75, 1.5, 9], np.float32)), [0, 0.25, 0.5, 1])


def test_isotonic_weighs_rows() -> None:
    fitted = fit_isotonic([0.0, 1.0, 2.0], [1, 0, 1], [1, 3, 1])
    assert fitted == IsotonicCalibrator((0.75, 2.0), (0.25, 1.0))


def test_calibrators_are_plain_json() -> None:
    for one in (PlattCalibrator(0.5, -1.0), IsotonicCalibrator((0.0, 1.0), (0.25, 0.75))):
        assert calibrator_from_json(one.as_json()) == one
    assert PlattCalibrator().probabilities(np.array([0.0, math.log(3), -1e9], np.float32)) == pytest.approx(
        [0.5, 0.75, 0.0]
    )
    with pytest.raises(BundleError, match="platt or isotonic"):
        calibrator_from_json({"kind": "beta"})


def test_one_label_alone_cannot_be_calibrated() -> None:
    for fit in (fit_platt, fit_isotonic):
        with pytest.raises(ValueError, match="both labels"):
            fit([0.0, 1.0], [1, 1])
