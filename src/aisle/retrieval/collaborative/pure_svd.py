"""PureSVD: a history is projected on the strongest directions of who took what, and read back from there.

Source: Cremonesi et al., "Performance of recommender algorithms on top-N recommendation tasks", RecSys 2010; the
scaling of items: Nikolakopoulos et al., "EigenRec: generalizing PureSVD for effective and efficient top-N
recommendations", 2019.
Deviation: interactions are binary.

Legend of shapes: R users, V items, D directions.
"""

from __future__ import annotations

from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.interactions import column_sums, negative_power, scaled, taken_matrix
from aisle.pipeline.list_recommenders.linear import LinearRecommender
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import PureSvdSpec
from aisle.retrieval.collaborative.spectrum import strongest_directions


def fit_pure_svd(
    spec: PureSvdSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> LinearRecommender:
    """The directions of the training lists."""
    taken_RV = taken_matrix(split.train, split.num_items)
    item_V = negative_power(column_sums(taken_RV), spec.item_exponent)
    progress("decompose", 0, None)
    directions_VD = strongest_directions(scaled(None, taken_RV, item_V), spec.rank, seed=seed)
    encoder_VD = directions_VD * item_V[:, None]
    return LinearRecommender(split.num_items, encoder_VD=encoder_VD, decoder_DV=directions_VD.T.copy())
