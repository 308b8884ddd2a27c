"""Merge the candidates of several sources, and order them by a weighted sum of their normalized scores.

Legend of shapes: S sources, K merged candidates, V item rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.pipeline.generators import Candidates


@dataclass(frozen=True)
class Merged:
    """All candidates of a query, with what each source says of each.

    Attributes:
        rows_K: Item rows, ascending.
        scores_KS: The sources' own scores; 0 where a source says nothing.
        ranks_KS: Ranks within each source from 1; 0 where a source did not list the item.
    """

    rows_K: NDArray[np.int32]
    scores_KS: NDArray[np.float32]
    ranks_KS: NDArray[np.int32]

    def normalized_KS(self) -> NDArray[np.float32]:
        """The square roots of each source's scores over its greatest; negative scores count as 0.

        The root lifts the middle of long-tailed scores: without it a source's first few items drown out the rest.
        """
        scores = np.maximum(self.scores_KS, 0)
        greatest = scores.max(axis=0, initial=0)
        relative: NDArray[np.float32] = np.divide(scores, greatest, out=np.zeros_like(scores), where=greatest > 0)
        return np.sqrt(relative)


def merge(found: Sequence[Candidates], num_rows: int) -> Merged:
    """Bring the sources' candidates together; a source that scores all items also scores those of the others.

    Args:
        found: One answer per source.
        num_rows: V, the rows of all items.
    """
    listed = np.zeros(num_rows, np.bool_)
    for source in found:
        listed[source.rows_k] = True
    rows = np.flatnonzero(listed).astype(np.int32)
    scores = np.zeros((len(rows), len(found)), np.float32)
    ranks = np.zeros((len(rows), len(found)), np.int32)
    for number, source in enumerate(found):
        at = np.searchsorted(rows, source.rows_k)
        if source.scores_V is not None:
            scores[:, number] = source.scores_V[rows]
        else:
            scores[at, number] = source.scores_k
        ranks[at, number] = np.arange(1, len(source.rows_k) + 1)
    return Merged(rows, scores, ranks)


@dataclass(frozen=True)
class Blend:
    """The fitted weight of each source; they sum to 1."""

    weights: Mapping[str, float]

    def weights_S(self, sources: Sequence[str]) -> NDArray[np.float32]:
        """The weights in the order of ``sources``; a source without one weighs nothing."""
        return np.array([self.weights.get(name, 0.0) for name in sources], np.float32)

    def shares_KS(self, merged: Merged, sources: Sequence[str]) -> NDArray[np.float32]:
        """The part of each source in each candidate's score; the score is the sum over sources."""
        return merged.normalized_KS() * self.weights_S(sources)
