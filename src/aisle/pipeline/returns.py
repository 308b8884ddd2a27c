"""What a visitor gave back: a return takes back what an item's earlier events said."""

from __future__ import annotations

from aisle.store.contract import HistoryRows

RETURN = "return"


def without_returned(history: HistoryRows) -> HistoryRows:
    """The history without the events of each item up to its last return; what comes after it counts anew.

    Whatever the quantities: who gave one of three back has not praised the item.
    """
    last_return = {
        item_id: at
        for at, (kind, item_id) in enumerate(zip(history.types, history.item_ids, strict=True))
        if kind == RETURN
    }
    if not last_return:
        return history
    kept = [at for at, item_id in enumerate(history.item_ids) if at > last_return.get(item_id, -1)]
    return HistoryRows(
        [history.types[at] for at in kept],
        [history.item_ids[at] for at in kept],
        [history.times_ms[at] for at in kept],
        [history.quantities[at] for at in kept],
        [history.prices[at] for at in kept],
    )


def returned_items(history: HistoryRows, target: str) -> set[str]:
    """The items whose last word is a return: given back, and not taken (``target``) again since."""
    returned = set()
    for kind, item_id in zip(history.types, history.item_ids, strict=True):
        if kind == RETURN:
            returned.add(item_id)
        elif kind == target:
            returned.discard(item_id)
    return returned
