"""A ranker's probabilities on whole candidate lists, counted by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from aisle.evaluate.candidate_lists import ScoredLists, measure_lists, score_lists
from aisle.evaluate.shop_temporal import evaluate_windows
from aisle.evaluate.windows import build_window
from aisle.pipeline import Pipeline
from aisle.pipeline.blend import Merged
from aisle.pipeline.calibration import PlattCalibrator, sigmoid
from aisle.pipeline.rank_stage import RankedCandidates
from tests.evaluate.test_shop_temporal import pipeline_of, window_of
from tests.histories import SIGNALS, Line, at, log_of

LOGITS = {"a": -2.0, "b": 1.0, "c": 2.0}


class Stage:
    """Gives each item its log odds, whoever asks."""

    placement, model = "for-you", "by-hand"

    def __init__(self, logits: Mapping[str, float], item_ids: Sequence[str], calibrator: PlattCalibrator) -> None:
        self._logits_V = np.array([logits.get(item_id, 0.0) for item_id in item_ids], np.float32)
        self.ranker = SimpleNamespace(calibrator=calibrator)

    def logits(self, query: object, merged: Merged, sources: object) -> np.ndarray:
        return self._logits_V[merged.rows_K]

    def rank(
        self, query: object, merged: Merged, sources: object, *, deadline: float | None = None
    ) -> RankedCandidates:
        order = np.argsort(-self.logits(query, merged, sources), kind="stable")
        return RankedCandidates(merged.rows_K[order], np.zeros(len(order), np.float32), None)


def ranked(pipeline: Pipeline, calibrator: PlattCalibrator | None = None) -> Pipeline:
    return pipeline.with_rank_stage(Stage(LOGITS, pipeline.item_ids, calibrator or PlattCalibrator()))  # type: ignore[arg-type]


def test_all_candidates_of_all_visitors_are_rows() -> None:
    window = window_of(20)
    lists = score_lists(window, ranked(pipeline_of(window, "abc"), PlattCalibrator(0.5, 0.1)), "for-you")
    # ann takes a and c, cat takes b.
    asked = [window.snapshot.user_ids[one.user] for one in window.asked("allow")]
    assert asked == ["ann", "cat"]
    assert lists.list_R.tolist() == [0, 0, 0, 1, 1, 1]
    assert lists.label_R.tolist() == [1, 0, 1, 0, 1, 0]
    assert lists.probability_R == pytest.approx(sigmoid(0.5 * np.array([-2.0, 1, 2] * 2) + 0.1))


def test_measures_by_hand() -> None:
    lists = ScoredLists(
        np.array([0.2, 0.6, 0.8, 0.1, 0.5, 0.3]), np.array([1.0, 0, 1, 0, 1, 0]), np.array([0, 0, 0, 1, 1, 1]), 2
    )
    found = measure_lists(lists)
    assert found["counts"] == {"lists": 2, "rows": 6, "positives": 3}
    loss = -sum(math.log(p) for p in (0.2, 0.4, 0.8, 0.9, 0.5, 0.7)) / 6
    assert found["metrics"] == {
        # Positives .2 .8 .5 against negatives .6 .1 .3: .2 beats one, .8 three, .5 two of three.
        "test/auc/candidates": pytest.approx(6 / 9),
        # List 0: .2 and .8 against .6, one of two; list 1: .5 against .1 and .3, both.
        "test/gauc/candidates": pytest.approx((1 / 2 + 1) / 2),
        "test/logloss/candidates": pytest.approx(loss),
        "test/normalized_entropy/candidates": pytest.approx(loss / math.log(2)),
        "test/calibration/candidates": pytest.approx(2.5 / 3),
        "test/calibration_error/candidates": pytest.approx((0.8 + 0.6 + 0.2 + 0.1 + 0.5 + 0.3) / 6),
    }
    assert found["calibration"][0] == {"predicted": pytest.approx(0.1), "observed": 0, "rows": 1}
    assert [one["rows"] for one in found["calibration"]] == [1] * 6


def test_what_has_no_value_is_left_out() -> None:
    nobody = ScoredLists.joined([ScoredLists(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), 0)])
    assert measure_lists(nobody) == {
        "counts": {"lists": 0, "rows": 0, "positives": 0},
        "metrics": {},
        "calibration": [],
    }
    missed = measure_lists(ScoredLists(np.array([0.25]), np.zeros(1), np.zeros(1, np.int64), 1))
    assert missed["metrics"] == {
        "test/logloss/candidates": pytest.approx(-math.log(0.75)),
        "test/calibration_error/candidates": 0.25,
    }


def test_visitors_are_drawn_by_the_seed() -> None:
    lines = [Line(1, f"u{user}", item) for user in range(30) for item in "ab"]
    lines += [Line(11, f"u{user}", "ab"[user % 2]) for user in range(30)]
    log = log_of([*lines, Line(19.5, "u0", "a")])
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    pipeline = ranked(pipeline_of(window, "ab"))
    few, again, other = (score_lists(window, pipeline, "for-you", max_lists=8, seed=seed) for seed in (0, 0, 1))
    assert few.num_lists == 8
    assert len(few.label_R) == 16
    assert few.label_R.tolist() == again.label_R.tolist() != other.label_R.tolist()
    assert score_lists(window, pipeline, "for-you").num_lists == 30


def test_joined_lists_stay_apart() -> None:
    one = ScoredLists(np.array([0.5, 0.5]), np.array([1.0, 0.0]), np.array([0, 0]), 1)
    two = ScoredLists(np.array([0.5, 0.25]), np.array([1.0, 0.0]), np.array([0, 1]), 2)
    both = ScoredLists.joined([one, two])
    assert (both.list_R.tolist(), both.num_lists) == ([0, 0, 1, 2], 3)


def test_a_pipeline_without_a_ranker_has_no_probabilities() -> None:
    window = window_of(20)
    with pytest.raises(ValueError, match="ranker of 'for-you'"):
        score_lists(window, pipeline_of(window, "abc"), "for-you")


def test_the_report_has_the_blend_and_the_probabilities_beside_the_ranker() -> None:
    fitted = [(window, ranked(pipeline_of(window, "abc"))) for window in (window_of(20), window_of(10))]
    report = evaluate_windows(fitted, {})
    assert {name: one["role"] for name, one in report["methods"].items()} == {
        "for-you": "placement",
        "for-you by blend": "stage",
    }
    alone = evaluate_windows([(window, pipeline.with_rank_stage(None)) for window, pipeline in fitted], {})
    assert report["methods"]["for-you by blend"]["metrics"] == alone["methods"]["for-you"]["metrics"]
    # The ranker puts c, b, a: ann finds c first and a third, cat finds b second.
    assert report["methods"]["for-you"]["metrics"]["test/ndcg@20/full/all"] == pytest.approx(
        ((1 + 1 / 2) / (1 + 1 / math.log2(3)) + 1 / math.log2(3)) / 2
    )
    assert set(report["paired"]["differences"]) == {"for-you by blend"}
    assert report["ranker"] == report["windows"][0]["ranker"] == measure_lists(score_lists(*fitted[0], "for-you"))
    assert report["windows"][1]["ranker"]["counts"] == {"lists": 1, "rows": 3, "positives": 1}
    assert "ranker" not in alone
    assert "ranker" not in alone["windows"][0]


def test_a_ranker_of_another_placement_is_no_part_of_the_report() -> None:
    window = window_of(20)
    pipeline = ranked(pipeline_of(window, "abc"))
    pipeline.rank_stage.placement = "bought-together"  # type: ignore[union-attr]
    assert set(evaluate_windows([(window, pipeline)], {})["methods"]) == {"for-you"}
