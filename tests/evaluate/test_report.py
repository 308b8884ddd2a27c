"""Reports: names of metrics, means, intervals and paired differences."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.evaluate.report import MethodScores, measure, report_of
from aisle.metrics import Targets

METRIC = "test/ndcg@20/full/all"


def test_measures_are_named_by_protocol_and_variant() -> None:
    ranked = np.array([[3, 4, 5], [6, 7, -1]])
    targets = Targets.from_lists([[4], [9]])
    values = measure(ranked, targets, ("hr@2", "mrr@10", "recall@1"), variant="new")
    assert {name: found.tolist() for name, found in values.items()} == {
        "test/hr@2/full/new": [1, 0],
        "test/mrr@10/full/new": [0.5, 0],
        "test/recall@1/full/new": [0, 0],
    }
    assert list(measure(ranked, targets, ("ndcg@5",))) == ["test/ndcg@5/full"]


def test_scores_of_further_windows_are_appended() -> None:
    scores = MethodScores("baseline")
    scores.add("a", np.array([1.0, 0.0]))
    scores.add("a", np.array([0.5]))
    scores.add("b", np.zeros(0))
    assert scores.means() == {"a": 0.5}, "what nobody was asked has no mean"


def test_runs_under_several_seeds_are_averaged_question_by_question() -> None:
    runs = [MethodScores("placement", {METRIC: np.array(values)}) for values in ([0.0, 1.0, 0.5], [1.0, 0.5, 0.5])]
    both = MethodScores.averaged(runs)
    assert (both.role, both.per_question[METRIC].tolist()) == ("placement", [0.5, 0.75, 0.5])
    with pytest.raises(ValueError, match="the same questions"):
        MethodScores.averaged([*runs, MethodScores("placement", {METRIC: np.zeros(2)})])


def test_a_report_by_hand() -> None:
    ours = MethodScores("placement", {METRIC: np.array([0.5, 0.75, 1.0, 0.25])})
    theirs = MethodScores("baseline", {METRIC: np.array([0.25, 0.5, 0.75, 0.0])})
    report = report_of(
        "shop-temporal",
        {"for-you": ours, "plain": theirs},
        placement="for-you",
        paired_metrics=(METRIC,),
        counts={"u": 4},
    )
    assert report["protocol"] == "shop-temporal"
    assert report["counts"] == {"u": 4}
    assert report["methods"] == {
        "for-you": {"role": "placement", "metrics": {METRIC: 0.625}},
        "plain": {"role": "baseline", "metrics": {METRIC: 0.375}},
    }
    low, high = report["intervals"]["for-you"][METRIC]
    assert 0.25 <= low < 0.625 < high <= 1
    # Ours is better by a quarter for everyone: paired there is no doubt, however wide each interval is.
    assert report["paired"]["reference"] == "for-you"
    assert report["paired"]["differences"] == {"plain": {METRIC: {"difference": 0.25, "low": 0.25, "high": 0.25}}}


def test_nobody_asked_gives_no_intervals() -> None:
    methods = {"for-you": MethodScores("placement", {METRIC: np.zeros(0)}), "plain": MethodScores("baseline")}
    report = report_of("p", methods, placement="for-you", paired_metrics=(METRIC,), counts={})
    assert report["intervals"] == {}
    assert report["methods"]["for-you"]["metrics"] == {}


def test_the_same_seed_gives_the_same_intervals() -> None:
    values = np.random.default_rng(0).random(50)
    methods = {"for-you": MethodScores("placement", {METRIC: values})}
    options = {"placement": "for-you", "paired_metrics": (METRIC,), "counts": {}}
    one, again = (report_of("p", methods, **options) for _ in range(2))  # type: ignore[arg-type]
    other = report_of("p", methods, **options, seed=1)  # type: ignore[arg-type]
    assert one == again
    assert one["intervals"] != other["intervals"]
    assert one["intervals"]["for-you"][METRIC] == pytest.approx(other["intervals"]["for-you"][METRIC], abs=0.03)
