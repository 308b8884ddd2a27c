"""What a visitor gave back, and has not taken again since."""

from __future__ import annotations

from aisle.store.contract import HistoryRows

RETURN = "return"


def returned_items(history: HistoryRows, target: str) -> set[str]:
    """The items whose last word is a return: given back, and not taken (``target``) again since.

    Whatever the quantities. The purchase stays what models read of the visitor: they learnt from histories in which
    returned purchases stand, and a query must be made as theirs were.
    """
    returned = set()
    for kind, item_id in zip(history.types, history.item_ids, strict=True):
        if kind == RETURN:
            returned.add(item_id)
        elif kind == target:
            returned.discard(item_id)
    return returned
