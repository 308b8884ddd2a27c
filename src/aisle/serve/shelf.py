"""The catalogue as a person looks through it: in pages, by words, by category, newest first.

Kept beside the recommender's mirror of the catalogue and brought up to date item by item, so that a shop of 100,000
items is searched in a few milliseconds.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aisle.pipeline import Recommender
from aisle.schema import Item

#: So many of the newest items can be asked for.
MAX_NEWEST = 100


@dataclass(frozen=True)
class ShelfPage:
    """Some items, and how many there are in all."""

    items: list[Item]
    total: int


@dataclass(frozen=True)
class CategoryCount:
    """A category and how many items it has."""

    name: str
    num_items: int


class Shelf:
    """Reads of the current catalogue; each follows the latest change.

    Args:
        recommender: Whose mirror of the catalogue is read.
    """

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._catalogue: object = None
        self._change = -1
        #: Per row of the mirror: the record as it was read, and its words in lower case.
        self._records: list[Item | None] = []
        self._texts: list[str] = []
        self._rows_of: dict[str, dict[int, None]] = {}  # rows by category, a set that keeps its order
        self._children: Counter[tuple[str, str]] = Counter()  # items by (category, the next one in), "": the top
        self._present: list[int] = []
        self._newest: list[Item] = []

    def page(
        self, *, search: str = "", category: str = "", item_ids: Sequence[str] = (), offset: int = 0, limit: int = 50
    ) -> ShelfPage:
        """Items in the order in which they first came, or in the order of ``item_ids``.

        Args:
            search: Words that the title or the id must contain, in any order and case.
            category: On any level; empty: all.
            item_ids: Only these; empty: all.
            offset: How many to leave out, from 0.
            limit: How many to give, from 0.
        """
        words = search.casefold().split()
        with self._lock:
            self._refresh()
            rows: Sequence[int] = self._present
            if item_ids:
                known = (self._recommender.catalogue.row_of.get(item_id) for item_id in dict.fromkeys(item_ids))
                rows = [row for row in known if row is not None and self._has(row)]
            if category:
                within = self._rows_of.get(category, {})
                rows = [row for row in rows if row in within] if item_ids else sorted(within)
            for word in words:
                rows = [row for row in rows if word in self._texts[row]]
            items = [item for row in rows[offset : offset + limit] if (item := self._records[row]) is not None]
        return ShelfPage(items, len(rows))

    def item(self, item_id: str) -> Item | None:
        """The current record of an item, or None."""
        items = self.page(item_ids=[item_id]).items
        return items[0] if items else None

    def newest(self, limit: int) -> list[Item]:
        """Available items, the newest first (at most :data:`MAX_NEWEST`)."""
        with self._lock:
            self._refresh()
            return self._newest[:limit]

    def categories(self, within: str = "", limit: int = 20) -> list[CategoryCount]:
        """The categories right below one (empty: the most general ones), those with the most items first."""
        with self._lock:
            self._refresh()
            counts = Counter({name: count for (parent, name), count in self._children.items() if parent == within})
        return [CategoryCount(name, count) for name, count in counts.most_common(limit) if count > 0]

    def _has(self, row: int) -> bool:
        return row < len(self._records) and self._records[row] is not None

    def _refresh(self) -> None:
        self._recommender.refresh()
        catalogue = self._recommender.catalogue
        if catalogue is self._catalogue and catalogue.change == self._change:
            return
        if catalogue is not self._catalogue:  # another bundle numbers the rows anew
            self._forget()
        self._catalogue, self._change = catalogue, catalogue.change
        records = list(catalogue.records)
        missing = len(records) - len(self._records)
        self._records += [None] * missing
        self._texts += [""] * missing
        for row, (before, item) in enumerate(zip(self._records, records, strict=True)):
            if before is not item:
                self._replace(row, before, item)
        self._present = [row for row, item in enumerate(self._records) if item is not None]
        self._newest = heapq.nlargest(
            MAX_NEWEST,
            (item for item in reversed(self._records) if item is not None and item.available),
            key=lambda item: item.created_at or 0,
        )

    def _replace(self, row: int, before: Item | None, item: Item | None) -> None:
        for record, difference in ((before, -1), (item, 1)):
            path = [] if record is None else record.category
            for parent, name in zip(["", *path], path, strict=False):
                self._children[parent, name] += difference
                if difference < 0:
                    self._rows_of[name].pop(row, None)
                else:
                    self._rows_of.setdefault(name, {})[row] = None
        self._records[row] = item
        self._texts[row] = "" if item is None else f"{item.title or ''} {item.item_id}".casefold()
