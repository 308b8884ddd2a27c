"""Matrix factorization by the library ``implicit``: weighted alternating least squares, Bayesian personalized ranking.

Source: Hu et al., "Collaborative filtering for implicit feedback datasets", ICDM 2008 (iALS); Rendle et al., "BPR:
Bayesian personalized ranking from implicit feedback", UAI 2009.
Deviation: interactions are binary. Of iALS the item vectors are kept and every asker is folded in anew, so that those
who were not trained on are answered alike.

Legend of shapes: U users trained on, V items, D factors.
"""

from __future__ import annotations

import importlib.util

import numpy as np
from threadpoolctl import threadpool_limits

from aisle.data.questions import ListSplit
from aisle.errors import BackendUnavailableError
from aisle.pipeline.list_recommenders.folded_factors import FoldedFactors
from aisle.pipeline.list_recommenders.interactions import taken_matrix
from aisle.pipeline.list_recommenders.user_factors import UserFactors
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import BprSpec, ImplicitAlsSpec


def fit_implicit_als(
    spec: ImplicitAlsSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> FoldedFactors:
    """The item vectors of the training lists.

    Raises:
        BackendUnavailableError: ``implicit`` is not installed.
    """
    _require_implicit(spec.kind)
    from implicit.cpu.als import AlternatingLeastSquares

    # The library's threads and those of the BLAS below them would stand in each other's way; it warns of that.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=spec.factors,
            regularization=spec.regularization,
            alpha=spec.alpha,
            iterations=spec.iterations,
            random_state=seed,
        )
        model.fit(
            taken_matrix(split.train, split.num_items),
            show_progress=False,
            callback=lambda iteration, *_: progress("alternate", iteration + 1, spec.iterations),
        )
    return FoldedFactors(np.asarray(model.item_factors, np.float32), spec.alpha, spec.regularization)


def fit_bpr(spec: BprSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> UserFactors:
    """The vectors of the training lists and items; one thread, as several race and no two fits are the same.

    Raises:
        BackendUnavailableError: ``implicit`` is not installed.
    """
    _require_implicit(spec.kind)
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=spec.factors,
        learning_rate=spec.learning_rate,
        regularization=spec.regularization,
        iterations=spec.iterations,
        num_threads=1,
        random_state=seed,
    )
    model.fit(
        taken_matrix(split.train, split.num_items),
        show_progress=False,
        callback=lambda iteration, *_: progress("rank pairs", iteration + 1, spec.iterations),
    )
    users_UD, items_VD = np.asarray(model.user_factors), np.asarray(model.item_factors)
    # The library keeps each item's bias as its last factor, beside a 1 in each user's vector.
    return UserFactors(users_UD[:, :-1].copy(), items_VD[:, :-1].copy(), items_VD[:, -1].copy())


def _require_implicit(kind: str) -> None:
    if importlib.util.find_spec("implicit") is None:
        raise BackendUnavailableError(f"model {kind}: expected the library implicit; pip install 'aisle[baselines]'")
