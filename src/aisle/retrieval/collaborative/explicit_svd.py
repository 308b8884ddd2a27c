"""Matrix factorization of ratings: a mean, a bias per user and item, and the product of their vectors.

Source: Koren et al., "Matrix factorization techniques for recommender systems", IEEE Computer 2009.
Deviations: of its two ways to learn this is alternating least squares, which solves for a vector and its bias at once.
Vectors of items are kept and every asker is folded in by the ratings of the history, so that those who were not trained
on are answered alike. The regularization may grow slower than the number of ratings.

Legend of shapes: R lists or questions, V items, A actions, N vectors of the other side, W the factors of a vector and
its bias behind them, B lists of a block, T ratings of a list, E targets of all questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import PADDING, ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.data.ratings import ratings_of
from aisle.errors import DataError
from aisle.pipeline.list_recommenders.user_factors import UserFactors
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import ExplicitSvdSpec

#: Numbers of a block of lists, each list as long as the longest of them.
_BLOCK_CELLS = 1 << 21
_FIRST_SCALE = 0.1


class RatingFactors:
    """What an asker would rate each item, by the least-squares answer to the ratings of the history.

    Args:
        spec: How strongly the asker's vector is held at zero.
        items_VW: The vector of each item, its bias at the end.
        ratings_A: The rating that each action is.
        mean: Of all ratings.
    """

    def __init__(
        self, spec: ExplicitSvdSpec, items_VW: NDArray[np.float32], ratings_A: NDArray[np.float64], mean: float
    ) -> None:
        self.spec = spec
        self.items_VW = items_VW
        self.ratings_A = ratings_A
        self.mean = mean

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The rating [R, V] of every item; who asks does not matter, only how the history was rated.

        Raises:
            DataError: histories hold items, and no ratings.
        """
        askers_RW = self._fold_in(questions).astype(np.float32)
        scores_RV: NDArray[np.float32] = askers_RW[:, :-1] @ self.items_VW[:, :-1].T
        return scores_RV + self.items_VW[:, -1] + askers_RW[:, -1:] + np.float32(self.mean)

    def rate(self, questions: Questions) -> NDArray[np.float64]:
        """The rating [E] of each target, between the least and the greatest of all ratings.

        Raises:
            DataError: histories hold items, and no ratings.
        """
        askers_EW = np.repeat(self._fold_in(questions), questions.targets.sizes, axis=0)
        items_EW = self.items_VW[questions.targets.items].astype(np.float64)
        products_E = (askers_EW[:, :-1] * items_EW[:, :-1]).sum(axis=1)
        rated_E: NDArray[np.float64] = products_E + askers_EW[:, -1] + items_EW[:, -1] + self.mean
        return rated_E.clip(self.ratings_A.min(), self.ratings_A.max())

    def _fold_in(self, questions: Questions) -> NDArray[np.float64]:
        return least_squares(self.spec, questions.histories, self.items_VW, self.ratings_A, self.mean)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the vectors below a folder of a bundle."""
        writer.write_json(f"{folder}/fold_in", {"spec": self.spec.model_dump(), "mean": self.mean})
        writer.write_arrays(f"{folder}/factors", {"items": self.items_VW, "ratings": self.ratings_A})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the vectors, memory-mapped."""
        settings, arrays = bundle.read_json(f"{folder}/fold_in"), bundle.read_arrays(f"{folder}/factors")
        spec = ExplicitSvdSpec.model_validate(settings["spec"])
        return cls(spec, arrays["items"], arrays["ratings"], settings["mean"])


def fit_explicit_svd(
    spec: ExplicitSvdSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> RatingFactors:
    """The item vectors of the ratings in the training lists.

    Raises:
        DataError: the lists have no ratings, or they are not numbers.
    """
    ratings_A, lists = ratings_of(split.actions), split.train
    actions_E = lists.actions_E
    if actions_E is None or not (actions_E >= 0).any():
        raise DataError("explicit-svd: expected training lists with ratings, received none")
    mean = float(ratings_A[actions_E[actions_E >= 0]].mean())
    of_items = _transposed(lists, split.num_items)
    items_VW = np.random.default_rng(seed).normal(0, _FIRST_SCALE, (split.num_items, spec.factors + 1))
    items_VW[:, -1] = 0
    for iteration in range(spec.iterations):
        progress("alternate", iteration, spec.iterations)
        users_NW = least_squares(spec, lists, items_VW, ratings_A, mean)
        items_VW = least_squares(spec, of_items, users_NW, ratings_A, mean)
    return RatingFactors(spec, items_VW.astype(np.float32), ratings_A, mean)


def fit_user_factors(spec: ExplicitSvdSpec, split: ListSplit, *, seed: int = 0) -> UserFactors:
    """The vectors of the training lists too; scores are ratings without what is the same for all items of an asker.

    Raises:
        DataError: the lists have no ratings, or they are not numbers.
    """
    fitted = fit_explicit_svd(spec, split, seed=seed)
    users_UW = least_squares(spec, split.train, fitted.items_VW, fitted.ratings_A, fitted.mean).astype(np.float32)
    items_VW = fitted.items_VW
    return UserFactors(users_UW[:, :-1].copy(), items_VW[:, :-1].copy(), items_VW[:, -1].copy())


def least_squares(
    spec: ExplicitSvdSpec,
    lists: ItemLists,
    others_NW: NDArray[np.floating],
    ratings_A: NDArray[np.float64],
    mean: float,
) -> NDArray[np.float64]:
    """The vectors of lists [R, W] that explain their ratings best, given the vectors of what they rated.

    With X the vectors that a list of T ratings holds, a 1 in the place of each bias, and y the ratings without mean and
    these biases, it is the solution w of (X'X + regularization T^frequency_exponent I) w = X'y; 0 without ratings.
    """
    num_others, width = others_NW.shape
    features_NW = np.zeros((num_others + 1, width))  # what stands for padding is the last row
    features_NW[:-1, :-1], features_NW[:-1, -1] = others_NW[:, :-1], 1
    known_N = np.append(others_NW[:, -1].astype(np.float64) + mean, 0)
    solved_RW = np.zeros((len(lists), width))
    for rows_B in _blocks(lists.sizes_R, width):
        part = lists.take(rows_B)
        length = int(part.sizes_R.max())
        actions_BT = part.padded_actions(length)
        is_rated_BT = actions_BT >= 0
        rows_BT = np.where(is_rated_BT, part.padded(length), PADDING)
        missing_BT = np.where(is_rated_BT, ratings_A[actions_BT] - known_N[rows_BT], 0)
        features_BTW = features_NW[rows_BT]
        grams_BWW = features_BTW.transpose(0, 2, 1) @ features_BTW
        held_B = spec.regularization * np.maximum(is_rated_BT.sum(axis=1), 1) ** spec.frequency_exponent
        grams_BWW += held_B[:, None, None] * np.eye(width)
        sums_BW1 = features_BTW.transpose(0, 2, 1) @ missing_BT[:, :, None]
        solved_RW[rows_B] = np.linalg.solve(grams_BWW, sums_BW1)[:, :, 0]
    return solved_RW


def _blocks(sizes_R: NDArray[np.int64], width: int) -> Iterator[NDArray[np.int64]]:
    """Lists of similar lengths, as many as fit into a block."""
    order_R, start = np.argsort(-sizes_R, kind="stable"), 0
    while start < len(order_R):
        longest = max(int(sizes_R[order_R[start]]), width)
        count = max(1, _BLOCK_CELLS // (longest * width))
        yield order_R[start : start + count]
        start += count


def _transposed(lists: ItemLists, num_items: int) -> ItemLists:
    """Who rated each item, and how."""
    order_E = np.argsort(lists.items_E, kind="stable")
    sizes_V = np.bincount(lists.items_E, minlength=num_items)
    actions_E = None if lists.actions_E is None else lists.actions_E[order_E]
    return ItemLists(np.append(0, np.cumsum(sizes_V)), lists.list_E[order_E].astype(np.int32), actions_E)
