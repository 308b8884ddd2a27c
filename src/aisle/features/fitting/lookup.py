"""From keys to their positions in a fitted list, built once at load: sorted integers, or a dictionary of text."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.features.arrays import Ints, Mask, as_integers, as_text


class KeyLookup:
    """Positions of keys.

    Args:
        keys: The fitted keys, each once, text or integers.
    """

    def __init__(self, keys: pl.Series) -> None:
        self._places: dict[str | None, int] | None = None
        if keys.dtype == pl.String:
            self._places = dict(zip(keys.to_list(), range(len(keys)), strict=True))
        else:
            values = keys.cast(pl.Int64).to_numpy()
            self._order = np.argsort(values)
            self._sorted = values[self._order]

    def find(self, array: NDArray[Any]) -> tuple[Ints, Mask | None]:
        """Positions (-1: not among the keys), and where the value is missing (None: nowhere)."""
        if self._places is not None:
            values = as_text(array)
            places = np.fromiter(map(self._places.get, values, repeat(-1)), np.int64, len(values))
            if None not in values:
                return places, None
            return places, np.fromiter((value is None for value in values), np.bool_, len(values))
        integers, missing = as_integers(array)
        if not len(self._sorted):
            return np.full(len(integers), -1, np.int64), missing
        spots = np.minimum(np.searchsorted(self._sorted, integers), len(self._sorted) - 1)
        places = np.where(self._sorted[spots] == integers, self._order[spots], -1)
        if missing is not None:
            places[missing] = -1
        return places, missing
