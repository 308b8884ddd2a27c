"""The kinds of index, as recipes and bundles say them."""

from __future__ import annotations

from aisle.index.contract import Index
from aisle.index.exact import ExactIndex
from aisle.index.faiss import FaissIndex
from aisle.index.faiss_kinds import Graph, Inverted, Linear
from aisle.recipe.indexes import ExactSpec, HnswSpec, IndexSpec, IvfSpec, PqSpec


def open_index(spec: IndexSpec, *, dimension: int) -> Index:
    """An empty index.

    Args:
        spec: Which kind, and its settings.
        dimension: D, the length of a vector.

    Raises:
        BackendUnavailableError: its library is not installed.
        ConfigError: a setting does not fit the dimension.
    """
    if isinstance(spec, ExactSpec):
        return ExactIndex(dimension)
    if isinstance(spec, HnswSpec):
        return FaissIndex(dimension, Graph(spec))
    if isinstance(spec, IvfSpec | PqSpec):
        return FaissIndex(dimension, Inverted(spec, dimension))
    return FaissIndex(dimension, Linear(spec))
