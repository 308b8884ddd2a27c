"""A list that is the same for everyone: popular, trending or newly arrived items with their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.generators.contract import Candidates
from aisle.pipeline.query import Query


class PopularityList:
    """Items by one fitted score.

    Args:
        name: The source's name in answers.
        scores_V: Scores by item row, 0 where there is nothing to say.
        reason: The sentence shown to people.
    """

    kind = "popularity"

    def __init__(self, name: str, scores_V: NDArray[np.float32], *, reason: str) -> None:
        self.name = name
        self._scores_V = np.asarray(scores_V, np.float32)
        self._reason = reason
        listed = np.flatnonzero(self._scores_V > 0)
        self._order = listed[np.argsort(-self._scores_V[listed], kind="stable")].astype(np.int32)

    @property
    def scores_V(self) -> NDArray[np.float32]:
        """The fitted scores by item row."""
        return self._scores_V

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The first ``k`` eligible items of the list."""
        rows = self._order[eligible_V[self._order]][:k]
        scores_V = self._scores_V
        if query.num_rows > len(scores_V):
            scores_V = np.pad(scores_V, (0, query.num_rows - len(scores_V)))
        return Candidates(rows, scores_V[rows], scores_V)

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """The list's own sentence."""
        return self._reason, None

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the scores."""
        writer.write_arrays(f"generators/{self.name}", {"scores": self._scores_V})
        return {"arrays": f"generators/{self.name}", "reason": self._reason}

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read the scores."""
        return cls(name, bundle.read_arrays(parameters["arrays"])["scores"], reason=parameters["reason"])
