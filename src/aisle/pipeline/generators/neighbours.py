"""Item-to-items neighbour lists: every item of the profile votes for its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.generators.contract import Candidates, top_candidates
from aisle.pipeline.query import Query

#: Profiles longer than this vote with their strongest items only: it bounds the time of a request.
MAX_PROFILE_ITEMS = 500


@dataclass(frozen=True)
class NeighbourLists:
    """For each item row its neighbours and their weights, in compressed rows (CSR).

    Attributes:
        offsets: Where the list of row i starts and ends, ``offsets[i]:offsets[i + 1]``; length V + 1.
        neighbours: Item rows.
        weights: Their weights; may be negative (EASE).
    """

    offsets: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    weights: NDArray[np.float32]

    def votes(self, rows: NDArray[np.int32], weights: NDArray[np.float32], num_rows: int) -> NDArray[np.float32]:
        """The weighted sum of the rows' lists, dense over ``num_rows`` items."""
        known = rows < len(self.offsets) - 1
        rows, weights = rows[known], weights[known]
        starts, lengths = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        ends = np.cumsum(lengths)
        positions = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
        votes = self.weights[positions] * np.repeat(weights, lengths)
        return np.bincount(self.neighbours[positions], votes, minlength=num_rows).astype(np.float32)

    def weight(self, row: int, neighbour: int) -> float:
        """The weight of one neighbour in the list of one row; 0 where it is not listed."""
        if row >= len(self.offsets) - 1:
            return 0.0
        span = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        at = np.flatnonzero(self.neighbours[span] == neighbour)
        return float(self.weights[span][at[0]]) if len(at) else 0.0


class NeighbourGenerator:
    """Neighbour lists asked with a decaying profile.

    Args:
        name: The source's name in answers.
        lists: The fitted lists; several generators may ask the same ones.
        lists_name: Names the lists in the bundle.
        half_life_days: How fast profile entries lose weight; ``None``: never.
        reason: The sentence shown to people, with ``{item}`` for the profile item with the greatest vote.
    """

    kind = "neighbours"

    def __init__(
        self, name: str, lists: NeighbourLists, *, lists_name: str, half_life_days: float | None, reason: str
    ) -> None:
        self.name = name
        self.lists = lists
        self._lists_name = lists_name
        self._half_life_days = half_life_days
        self._reason = reason

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The items with the most votes."""
        rows, weights = query.profile(self._half_life_days, MAX_PROFILE_ITEMS)
        return top_candidates(self.lists.votes(rows, weights, query.num_rows), k, eligible_V)

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Names the profile item that voted most for ``row``."""
        rows, weights = query.profile(self._half_life_days, MAX_PROFILE_ITEMS)
        votes = [weight * self.lists.weight(int(item), row) for item, weight in zip(rows, weights, strict=True)]
        return self._reason, int(rows[int(np.argmax(votes))]) if votes and max(votes) > 0 else None

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the lists, once for all generators that ask them."""
        folder = f"generators/{self._lists_name}"
        if not writer.has(folder):
            lists = self.lists
            arrays: dict[str, NDArray[Any]] = {
                "offsets": lists.offsets,
                "neighbours": lists.neighbours,
                "weights": lists.weights,
            }
            writer.write_arrays(folder, arrays)
        return {
            "arrays": folder,
            "lists_name": self._lists_name,
            "half_life_days": self._half_life_days,
            "reason": self._reason,
        }

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read the lists; arrays are memory-mapped, so generators of one list share its pages."""
        arrays = bundle.read_arrays(parameters["arrays"])
        lists = NeighbourLists(arrays["offsets"], arrays["neighbours"], arrays["weights"])
        return cls(
            name,
            lists,
            lists_name=parameters["lists_name"],
            half_life_days=parameters["half_life_days"],
            reason=parameters["reason"],
        )
