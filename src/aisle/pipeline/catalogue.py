"""The live catalogue beside a bundle: which items exist now, newer ones included, and what filters ask of them.

A mirror of the store in memory, brought up to date by each request from the store's change number, so that an item
made unavailable is gone from the next answer of every worker.

Legend of shapes: V item rows (the bundle's first, newer items behind them), L category levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.pipeline.request import ItemFilter
from aisle.schema import Item
from aisle.store.contract import CatalogueChanges


class Catalogue:
    """Item rows, their records, and filters over them.

    Args:
        item_ids: The bundle's item ids by row ("" for reserved rows); without a bundle an empty list.
    """

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.change = 0
        self.num_fitted = len(item_ids)
        self.item_ids: list[str] = list(item_ids)
        self.row_of: dict[str, int] = {item_id: row for row, item_id in enumerate(item_ids) if item_id}
        self.records: list[Item | None] = [None] * len(item_ids)
        self._codes: dict[str, int] = {}
        capacity = len(item_ids)
        self._available_V = np.array([bool(item_id) for item_id in item_ids], np.bool_)
        self._price_V = np.full(capacity, np.nan)
        self._brand_V = np.full(capacity, -1, np.int64)
        self._family_V = np.full(capacity, -1, np.int64)
        self._leaf_V = np.full(capacity, -1, np.int64)
        self._category_VL = np.full((capacity, 1), -1, np.int64)

    @property
    def num_rows(self) -> int:
        """V."""
        return len(self.item_ids)

    @property
    def family_V(self) -> NDArray[np.int64]:
        """One number per family of variants (an item and those that name it as ``parent_id``); -1: not known."""
        return self._family_V

    @property
    def brand_V(self) -> NDArray[np.int64]:
        """One number per brand; -1: not known."""
        return self._brand_V

    @property
    def leaf_V(self) -> NDArray[np.int64]:
        """One number per most specific category, told apart by its whole path; -1: not known."""
        return self._leaf_V

    def new_items(self) -> list[Item | None]:
        """The items behind the bundle's rows, in their order (``None``: deleted since)."""
        return self.records[self.num_fitted :]

    def apply(self, changes: CatalogueChanges) -> None:
        """Bring the mirror up to date."""
        named = [*(item.item_id for item in changes.items), *changes.deleted]
        self._grow(named, max((len(item.category) for item in changes.items), default=1))
        for item in changes.items:
            self._set(self.row_of[item.item_id], item)
        for item_id in changes.deleted:
            row = self.row_of[item_id]
            self._available_V[row] = False
            self.records[row] = None
        self.change = changes.change

    def learn(self, item_ids: Sequence[str]) -> None:
        """Give rows to items that are known from events alone: available, and meeting no condition on a record."""
        unknown = [item_id for item_id in item_ids if item_id not in self.row_of]
        if unknown:
            self._grow(unknown, 1)
            self._available_V[[self.row_of[item_id] for item_id in unknown]] = True

    def eligible_V(self, wanted: ItemFilter) -> NDArray[np.bool_]:
        """Which items are available and meet every condition."""
        eligible = self._available_V.copy()
        if wanted.available is False:
            eligible[:] = False
        if wanted.category:
            eligible &= np.isin(self._category_VL, self._known_codes("category", wanted.category)).any(axis=1)
        if wanted.brand:
            eligible &= np.isin(self._brand_V, self._known_codes("brand", wanted.brand))
        if wanted.price is not None:
            with np.errstate(invalid="ignore"):  # an item without a price meets no price condition
                eligible &= self._price_V >= (-np.inf if wanted.price.min is None else wanted.price.min)
                eligible &= self._price_V <= (np.inf if wanted.price.max is None else wanted.price.max)
        for name, values in wanted.attributes.items():
            for row in np.flatnonzero(eligible):
                eligible[row] = _has_attribute(self.records[row], name, values)
        return eligible

    def _grow(self, new_ids: Sequence[str], levels: int) -> None:
        for item_id in new_ids:
            if item_id not in self.row_of:
                self.row_of[item_id] = len(self.item_ids)
                self.item_ids.append(item_id)
                self.records.append(None)
        extra = len(self.item_ids) - len(self._available_V)
        deeper = max(levels - self._category_VL.shape[1], 0)
        self._available_V = np.pad(self._available_V, (0, extra))
        self._price_V = np.pad(self._price_V, (0, extra), constant_values=np.nan)
        self._brand_V = np.pad(self._brand_V, (0, extra), constant_values=-1)
        self._family_V = np.pad(self._family_V, (0, extra), constant_values=-1)
        self._leaf_V = np.pad(self._leaf_V, (0, extra), constant_values=-1)
        self._category_VL = np.pad(self._category_VL, ((0, extra), (0, deeper)), constant_values=-1)

    def _set(self, row: int, item: Item) -> None:
        self.records[row] = item
        self._available_V[row] = item.available
        self._price_V[row] = np.nan if item.price is None else item.price
        self._brand_V[row] = -1 if item.brand is None else self._code("brand", item.brand)
        self._family_V[row] = self._code("family", item.parent_id or item.item_id)
        self._leaf_V[row] = self._code("leaf", "\x1f".join(item.category)) if item.category else -1
        self._category_VL[row] = -1
        for level, name in enumerate(item.category):
            self._category_VL[row, level] = self._code("category", name)

    def _code(self, kind: str, value: str) -> int:
        return self._codes.setdefault(f"{kind}:{value}", len(self._codes))

    def _known_codes(self, kind: str, values: Sequence[str]) -> list[int]:
        return [code for value in values if (code := self._codes.get(f"{kind}:{value}")) is not None]


def _has_attribute(item: Item | None, name: str, values: Sequence[str]) -> bool:
    value = item.attributes.get(name) if item is not None else None
    held = value if isinstance(value, list) else [value]
    return any(str(one) in values for one in held if one is not None)
