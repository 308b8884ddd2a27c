"""A closed-form graph filter: what a graph convolution over users and items tends to, without training.

Source: Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021 (GF-CF). With the normalized
matrix N of who took what, scores are taken x (N'N + weight D^-1/2 V V' D^1/2), where V holds the strongest right
singular vectors of N, and D how many took each item. Such scores can be sharpened, see :mod:`.sharpening`.
Deviation: the exponents of users and items are free, in N'N those of items that vote and that are voted for apart.

Legend of shapes: U users, V items, D directions.
"""

from __future__ import annotations

from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.interactions import column_sums, negative_power, row_sums, scaled, taken_matrix
from aisle.pipeline.list_recommenders.linear import LinearRecommender
from aisle.pipeline.list_recommenders.sharpening import Sharpening
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import GraphFilterSpec
from aisle.retrieval.collaborative.spectrum import strongest_directions


def fit_graph_filter(
    spec: GraphFilterSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> LinearRecommender:
    """The weights and the projection of the training lists; the seed starts the decomposition."""
    taken_UV = taken_matrix(split.train, split.num_items)
    users_U, items_V = row_sums(taken_UV), column_sums(taken_UV)
    progress("count pairs", 0, None)
    voting_UV = scaled(negative_power(users_U, spec.user_exponent), taken_UV, None)
    history_V = negative_power(items_V, spec.history_exponent)
    candidate_V = negative_power(items_V, spec.candidate_exponent)
    weights_VV = scaled(None, taken_UV, history_V).T.tocsr() @ scaled(None, voting_UV, candidate_V)
    normalized_UV = scaled(negative_power(users_U, 0.5), taken_UV, negative_power(items_V, 0.5))
    sharpening = Sharpening(normalized_UV, spec.sharpening) if spec.sharpening else None
    if spec.weight == 0:
        return LinearRecommender(split.num_items, weights_AA=weights_VV, sharpening=sharpening)
    progress("decompose", 0, None)
    directions_VD = strongest_directions(normalized_UV, spec.rank, seed=seed)
    encoder_VD = directions_VD * (spec.weight * negative_power(items_V, spec.projection_exponent))[:, None]
    decoder_DV = directions_VD.T * negative_power(items_V, -spec.projection_exponent)
    return LinearRecommender(
        split.num_items,
        weights_AA=weights_VV,
        encoder_VD=encoder_VD,
        decoder_DV=decoder_DV,
        sharpening=sharpening,
    )
