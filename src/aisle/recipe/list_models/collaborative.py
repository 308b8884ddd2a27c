"""Collaborative filtering over lists: what a recipe may say of neighbours, linear models and factors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from aisle.recipe.strict import Strict

Exponent = Annotated[float, Field(ge=0, le=2)]
Weighting = Literal["binary", "tf-idf", "bm25"]


class ItemKnnSpec(Strict):
    """Item i of a history votes for item j by the users of both: sum over u of x_ui x_uj n_u^-c / (s_i^a s_j^b).

    x are the entries under the ``weighting``, n_u is how much user u has, s_i the sum of x_ui^2. a is
    ``history_exponent``, b ``candidate_exponent``, c ``user_exponent``. All at their defaults it is the cosine; the
    cosine of TF-IDF weights with ``tf-idf``; BM25 with ``bm25`` and a = b = 0.

    ``neighbours``: each item votes for so many at most, those with the greatest weights; missing: for all.
    """

    kind: Literal["item-knn"]
    weighting: Weighting = "binary"
    history_exponent: Exponent = 0.5
    candidate_exponent: Exponent = 0.5
    user_exponent: Exponent = 0.0
    neighbours: PositiveInt | None = None


class UserKnnSpec(Strict):
    """The most similar users vote for what they took, each with its similarity to the power ``amplification``.

    The similarity of users u and v is the sum over items i of x_ui x_vi m_i^-b / (s_u^c s_v^c). x are the entries under
    the ``weighting``, m_i is how many users took item i, s_u the sum of x_ui^2. b is ``item_exponent``, c
    ``user_exponent``. All at their defaults it is the cosine; the cosine of TF-IDF weights with ``tf-idf``; BM25 with
    ``bm25`` and c = 0.
    """

    kind: Literal["user-knn"]
    weighting: Weighting = "binary"
    neighbours: PositiveInt = 100
    item_exponent: Exponent = 0.0
    user_exponent: Exponent = 0.5
    amplification: PositiveFloat = 1.0


class ListEaseSpec(Strict):
    """EASE over lists; of a catalogue too large for ``memory_gb`` the most taken items are fitted.

    V items need 4 V^2 bytes. ``neighbours``: each item votes for so many at most, those with the weights of greatest
    magnitude, and only they are stored; missing: for all.
    """

    kind: Literal["ease"]
    l2: PositiveFloat = 200.0
    neighbours: PositiveInt | None = None
    memory_gb: PositiveFloat = 4.0


class GraphFilterSpec(Strict):
    """Normalized item-to-item weights, plus ``weight`` times a projection on the strongest ``rank`` directions.

    A user who has n items weighs n^-``user_exponent``. An item that m users took votes with m^-``history_exponent`` and
    is voted for with m^-``candidate_exponent``; in the projection it votes with m^-``projection_exponent`` and is voted
    for with m^``projection_exponent``. The published filter has 1, 0.5, 0.5 and 0.5.

    ``sharpening``: for how long the scores are sharpened (BSPM), 2.5 in its paper's best on Gowalla; 0: not at all.
    """

    kind: Literal["graph-filter"]
    rank: PositiveInt = 256
    weight: NonNegativeFloat = 0.3
    user_exponent: Exponent = 1.0
    history_exponent: Exponent = 0.5
    candidate_exponent: Exponent = 0.5
    projection_exponent: Exponent = 0.5
    sharpening: NonNegativeFloat = 0.0


class PureSvdSpec(Strict):
    """Projection on the strongest ``rank`` directions; an item that m users took is scaled by m^-``item_exponent``."""

    kind: Literal["pure-svd"]
    rank: PositiveInt = 64
    item_exponent: Exponent = 0.0


class ExplicitSvdSpec(Strict):
    """Matrix factorization of ratings by alternating least squares; the ratings are ``data.columns.action``.

    The squared length of the vector and the bias of a user or item with n ratings weighs ``regularization`` n^e. e is
    ``frequency_exponent``: 1 is the paper's, whose sum goes over ratings; less holds those with few ratings more, which
    else stand on top of every ranking.
    """

    kind: Literal["explicit-svd"]
    factors: PositiveInt = 32
    iterations: PositiveInt = 15
    regularization: PositiveFloat = 1.5
    frequency_exponent: Annotated[float, Field(ge=0, le=1)] = 0.5


class ImplicitAlsSpec(Strict):
    """Weighted matrix factorization by alternating least squares; what was taken has the confidence ``alpha``."""

    kind: Literal["ials"]
    factors: PositiveInt = 64
    iterations: PositiveInt = 15
    regularization: PositiveFloat = 0.01
    alpha: Annotated[float, Field(gt=1)] = 10.0


class BprSpec(Strict):
    """Matrix factorization by Bayesian personalized ranking, with a bias per item."""

    kind: Literal["bpr"]
    factors: PositiveInt = 64
    iterations: PositiveInt = 100
    learning_rate: PositiveFloat = 0.05
    regularization: NonNegativeFloat = 0.01
