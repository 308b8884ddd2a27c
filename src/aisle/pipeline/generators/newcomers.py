"""A quota of candidates for items that hardly anyone could take yet, so that the ranker sees them.

Legend of shapes: V item rows, k candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.generators.contract import Candidates, top_candidates
from aisle.pipeline.generators.towers import Towers
from aisle.pipeline.generators.two_tower import nearest_entry, scores_of_all
from aisle.pipeline.query import Query
from aisle.schema import DAY_MS, Item

#: Stands in ``first_taken_ms_V`` for items that were never taken.
NEVER_MS = np.iinfo(np.int64).max


class NewcomerGenerator:
    """The newcomers nearest to the query, by the score of a two-tower source whose towers it shares.

    A newcomer is an item behind the bundle's rows, one that was never taken, or one that was taken first less than so
    many days ago. Learned sources rank such items low, for they learn from what was taken; here they only compete with
    each other.

    Args:
        name: The source's name in answers.
        towers: Encode queries and items.
        towers_name: Names the towers in the bundle.
        temperature: Of the training.
        first_taken_ms_V: When each item was first taken; :data:`NEVER_MS` where it was not.
        newcomer_days: How long an item is one.
        quota: At most so many candidates, however many are asked for.
    """

    kind = "newcomers"

    def __init__(
        self,
        name: str,
        towers: Towers,
        *,
        towers_name: str,
        temperature: float,
        first_taken_ms_V: NDArray[np.int64],
        newcomer_days: float,
        quota: int,
    ) -> None:
        self.name = name
        self.towers = towers
        self._towers_name = towers_name
        self._temperature = temperature
        self._first_taken_ms_V = first_taken_ms_V
        self._newcomer_days = newcomer_days
        self._quota = quota

    def set_new_items(self, items: Sequence[Item | None]) -> None:
        """Say which items stand behind the bundle's rows."""
        self.towers.set_new_items(items)

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The nearest newcomers, at most the quota; others have no score from this source."""
        query_D = self.towers.query_vector(query)
        if query_D is None:
            return Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))
        newcomers_V = np.ones(query.num_rows, np.bool_)
        since_ms = query.now_ms - round(self._newcomer_days * DAY_MS)
        newcomers_V[: len(self._first_taken_ms_V)] = self._first_taken_ms_V > since_ms
        scores_V = scores_of_all(self.towers, query_D, query.num_rows, self._temperature)
        found = top_candidates(scores_V, min(k, self._quota), eligible_V & newcomers_V)
        return Candidates(found.rows_k, found.scores_k)

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Names the history item that is nearest to ``row``."""
        because = nearest_entry(self.towers, query, row)
        return ("New in the shop", None) if because is None else ("New, and fits with {item}", because)

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the towers, once for all sources that share them, and the items' first times."""
        folder = f"generators/{self._towers_name}"
        parameters = {"towers_name": self._towers_name, "towers": self.towers.save(writer, folder)}
        writer.write_arrays(f"generators/{self.name}", {"first_taken_ms": self._first_taken_ms_V})
        return {
            **parameters,
            "arrays": folder,
            "temperature": self._temperature,
            "newcomer_days": self._newcomer_days,
            "quota": self._quota,
        }

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved."""
        return cls(
            name,
            Towers.load(bundle, parameters["arrays"], parameters["towers"]),
            towers_name=parameters["towers_name"],
            temperature=parameters["temperature"],
            first_taken_ms_V=bundle.read_arrays(f"generators/{name}")["first_taken_ms"],
            newcomer_days=parameters["newcomer_days"],
            quota=parameters["quota"],
        )
