"""The contract of a candidate generator: plain data that answers a query with items and scores, without torch.

Legend of shapes: k candidates of one source, V item rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.query import Query
from aisle.schema import Item


@dataclass(frozen=True)
class Candidates:
    """A source's candidates, best first.

    ``scores_V``, where a generator has it at no further cost, also scores the items that other sources bring.
    """

    rows_k: NDArray[np.int32]
    scores_k: NDArray[np.float32]
    scores_V: NDArray[np.float32] | None = None


class Generator(Protocol):
    """One source of candidates. A score of 0 means that the source has nothing to say of an item."""

    kind: str
    name: str

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """At most ``k`` eligible items with positive scores; equal scores in the order of rows."""
        ...

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Why this source proposes ``row``: a sentence with ``{item}`` for the row that is given beside it, if any."""
        ...

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the arrays, and return the plain parameters that :meth:`load` wants back."""
        ...

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what :meth:`save` wrote."""
        ...


@runtime_checkable
class EncodesNewItems(Protocol):
    """A source that finds items newer than its fit, by what the catalogue says of them."""

    def set_new_items(self, items: Sequence[Item | None]) -> None:
        """Say which items stand behind the bundle's rows, in their order (``None``: no record)."""
        ...


def top_candidates(scores_V: NDArray[np.float32], k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
    """The best ``k`` eligible items with positive scores of a dense vector."""
    rows = np.flatnonzero((scores_V > 0) & eligible_V)
    rows = rows[greatest(scores_V[rows], k)]
    ordered = rows[np.argsort(-scores_V[rows], kind="stable")].astype(np.int32)
    return Candidates(ordered, scores_V[ordered], scores_V)


def greatest(values: NDArray[np.floating[Any]], k: int) -> NDArray[np.int64]:
    """Positions of the ``k`` greatest values, ascending; of equal ones at the border the first are taken."""
    if len(values) <= k:
        return np.arange(len(values))
    threshold = np.partition(values, len(values) - k)[len(values) - k]
    above = np.flatnonzero(values > threshold)
    equal = np.flatnonzero(values == threshold)[: k - len(above)]
    return np.sort(np.concatenate([above, equal]))
