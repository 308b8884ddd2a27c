"""Paired differences of recommenders over lists: by hand where values are few, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import DataError
from aisle.evaluate.list_comparison import AnsweredQuestions, compare_answers

METRIC = "test/hr@1/full"
NAN = float("nan")


def answers(*seeds: list[float], metric: str = METRIC, asked: object = "here") -> AnsweredQuestions:
    return AnsweredQuestions({metric: [np.array(values) for values in seeds]}, asked)


def test_a_constant_gap_has_no_width() -> None:
    report = compare_answers({"a": answers([0.1, 0.5, 0.2]), "b": answers([0.3, 0.7, 0.4])})
    found = report["differences"]["b"][METRIC]
    assert [found[key] for key in ("value", "low", "high")] == pytest.approx([0.2, 0.2, 0.2])
    assert found["verdict"] == "better"
    assert (report["questions"], report["reference"], list(report["differences"])) == (3, "a", ["b"])


def test_each_question_is_worth_the_mean_over_seeds() -> None:
    report = compare_answers({"a": answers([0, 0]), "b": answers([1, 0], [0, 1])})
    found = report["differences"]["b"][METRIC]
    assert [found[key] for key in ("value", "low", "high")] == [0.5, 0.5, 0.5]
    assert report["methods"]["b"] == {"num_seeds": 2, "metrics": {METRIC: 0.5}, "deviations": {METRIC: 0.0}}
    assert report["methods"]["a"]["deviations"] == {}


def test_seeds_that_are_apart() -> None:
    report = compare_answers({"a": answers([0, 0]), "b": answers([1, 1], [0, 0])})
    assert report["methods"]["b"]["deviations"][METRIC] == pytest.approx(0.5**0.5)


def test_a_metric_that_does_not_speak_of_a_question_leaves_it_out() -> None:
    report = compare_answers({"a": answers([NAN, 0.0, 0.0]), "b": answers([NAN, 1.0, 1.0])})
    assert report["differences"]["b"][METRIC]["value"] == 1.0
    assert report["methods"]["b"]["metrics"][METRIC] == 1.0


def test_a_wider_confidence_is_a_wider_interval() -> None:
    draw = np.random.default_rng(0)
    methods = {name: answers(list(draw.normal(size=200))) for name in ("a", "b")}
    narrow, wide = (
        compare_answers(methods, confidence=confidence)["differences"]["b"][METRIC] for confidence in (0.5, 0.99)
    )
    assert wide["low"] < narrow["low"] < narrow["value"] < narrow["high"] < wide["high"]
    assert wide["verdict"] == "tie"


def test_only_metrics_of_all_are_compared() -> None:
    both = AnsweredQuestions({METRIC: [np.zeros(2)], "test/mrr@5/full": [np.zeros(2)]}, "here")
    report = compare_answers({"a": both, "b": answers([0.0, 1.0])})
    assert list(report["differences"]["b"]) == [METRIC]
    with pytest.raises(DataError, match="expected runs with a metric in common"):
        compare_answers({"a": answers([0.0]), "b": answers([0.0], metric="test/mrr@5/full")})


@pytest.mark.parametrize("other", [answers([0.0, 1.0, 0.0]), answers([0.0, 1.0], asked="elsewhere")])
def test_other_questions_are_refused(other: AnsweredQuestions) -> None:
    with pytest.raises(DataError, match="b: expected the 2 test questions of a, received"):
        compare_answers({"a": answers([0.0, 1.0]), "b": other})


def test_one_run_is_no_comparison() -> None:
    with pytest.raises(DataError, match="expected two or more runs to compare, received 1"):
        compare_answers({"a": answers([0.0])})
