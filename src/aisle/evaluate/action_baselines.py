"""Baselines of the next action: how good the actions with an item are, those of a person, and both together.

Fitted on all that the questions' histories hold: at the test also on what validated. How strongly means are drawn to
the mean of all, or effects to 0, is chosen on the validation questions.

Legend of shapes: E entries of all histories, R questions (histories), V items.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from aisle.data.action_lists import ActionQuestions, ActionSplit
from aisle.evaluate.predictions import Predictions

Floats = NDArray[np.float64]
#: So many entries of the mean, or so strong a penalty.
STRENGTHS = (1.0, 3.0, 10.0, 30.0)
_SMALLEST = 1e-6

#: From questions, whether each entry of the histories is good, and a strength to the log odds of each question.
Baseline = Callable[[ActionQuestions, Floats, float], Floats]


def item_mean(questions: ActionQuestions, label_E: Floats, strength: float) -> Floats:
    """The share of good actions with the item, as if ``strength`` more had been as good as the mean."""
    item_E = questions.histories.items.items_E
    size = int(max(item_E.max(), questions.item_R.max())) + 1
    return _shrunken(item_E, label_E, size, strength)[questions.item_R]


def user_mean(questions: ActionQuestions, label_E: Floats, strength: float) -> Floats:
    """The share of good actions of the person, as if ``strength`` more had been as good as the mean."""
    return _shrunken(questions.histories.items.list_E, label_E, len(questions), strength)


def user_and_item(questions: ActionQuestions, label_E: Floats, strength: float) -> Floats:
    """A logistic regression on who and which item, all effects penalized by ``strength / 2`` times their squares.

    Source: Koren, "Factorization meets the neighborhood", KDD 2008, section 2.1 (baseline estimates), for a label.
    """
    histories, num_users = questions.histories.items, len(questions)
    list_E, item_E = histories.list_E, histories.items_E
    num_items = int(max(item_E.max(), questions.item_R.max())) + 1
    mean = logit(label_E.mean())

    def loss(effects: Floats) -> tuple[float, Floats]:
        logit_E = mean + effects[:num_users][list_E] + effects[num_users:][item_E]
        error_E = expit(logit_E) - label_E
        value = float((np.logaddexp(0, logit_E) - label_E * logit_E).sum() + strength / 2 * (effects @ effects))
        by_user, by_item = np.bincount(list_E, error_E, num_users), np.bincount(item_E, error_E, num_items)
        return value, np.concatenate([by_user, by_item]) + strength * effects

    effects = minimize(loss, np.zeros(num_users + num_items), jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    told_R: Floats = mean + effects[:num_users] + effects[num_users:][questions.item_R]
    return told_R


BASELINES: dict[str, Baseline] = {"item-mean": item_mean, "user-mean": user_mean, "user-and-item": user_and_item}


def fit_action_baselines(split: ActionSplit) -> dict[str, Predictions]:
    """What each of :data:`BASELINES` predicts for the test questions."""
    return {name: _fit(baseline, split) for name, baseline in BASELINES.items()}


def _fit(baseline: Baseline, split: ActionSplit) -> Predictions:
    losses = [_predict(baseline, split, split.valid, one).metrics()["logloss"] for one in STRENGTHS]
    return _predict(baseline, split, split.test, STRENGTHS[int(np.argmin(losses))])


def _predict(baseline: Baseline, split: ActionSplit, questions: ActionQuestions, strength: float) -> Predictions:
    label_E = split.is_positive_A[questions.histories.actions.items_E].astype(np.float64)
    logit_R = baseline(questions, label_E, strength)
    return Predictions(logit_R.astype(np.float32), split.is_positive_A[questions.action_R].astype(np.float32))


def _shrunken(group_E: NDArray[np.signedinteger], label_E: Floats, size: int, strength: float) -> Floats:
    """The log odds of each group."""
    counts, sums = np.bincount(group_E, minlength=size), np.bincount(group_E, label_E, size)
    share: Floats = (sums + strength * label_E.mean()) / (counts + strength)
    log_odds: Floats = logit(np.clip(share, _SMALLEST, 1 - _SMALLEST))
    return log_odds
