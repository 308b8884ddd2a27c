"""The mirror of the catalogue: rows, changes, and filters against a plain reading of the records."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.pipeline import Catalogue, ItemFilter, PriceRange
from aisle.schema import Item
from aisle.store.contract import CatalogueChanges

TEA = Item(item_id="tea", title="Tea", category=["Drinks", "Hot"], brand="Leaf", price=4.0)
POT = Item(item_id="pot", category=["Kitchen"], price=20.0, attributes={"colour": ["red", "blue"], "litres": 2})
CUP = Item(item_id="cup", category=["Kitchen", "Cups", "Hot"], brand="Clay", attributes={"colour": "red"})
OLD = Item(item_id="old", category=["Kitchen"], price=1.0, available=False)


def filled(*items: Item, fitted: tuple[str, ...] = ("", "")) -> Catalogue:
    catalogue = Catalogue(list(fitted))
    catalogue.apply(CatalogueChanges(len(items), list(items), []))
    return catalogue


def names(catalogue: Catalogue, **conditions: Any) -> list[str]:
    return [catalogue.item_ids[row] for row in np.flatnonzero(catalogue.eligible_V(ItemFilter(**conditions)))]


def test_fitted_rows_stay_and_newer_items_come_behind() -> None:
    catalogue = filled(POT, TEA, fitted=("", "", "tea", "seen-once"))
    assert catalogue.item_ids == ["", "", "tea", "seen-once", "pot"]
    assert catalogue.num_rows == 5
    assert catalogue.row_of == {"tea": 2, "seen-once": 3, "pot": 4}
    assert catalogue.new_items() == [POT]
    eligible = catalogue.eligible_V(ItemFilter()).tolist()
    assert eligible == [False, False, True, True, True], "known from events alone is available"
    assert catalogue.change == 2


def test_changes_are_followed() -> None:
    catalogue = filled(TEA, POT)
    sold_out = TEA.model_copy(update={"available": False, "category": ["Gone"]})
    catalogue.apply(CatalogueChanges(3, [sold_out], []))
    assert names(catalogue) == ["pot"]
    assert names(catalogue, category=("Drinks",)) == []
    catalogue.apply(CatalogueChanges(4, [TEA], ["pot", "never heard of"]))
    assert names(catalogue) == ["tea"]
    assert catalogue.records[catalogue.row_of["pot"]] is None
    catalogue.apply(CatalogueChanges(5, [POT], []))
    assert names(catalogue) == ["tea", "pot"]
    assert catalogue.change == 5


def test_items_known_from_events_alone_are_learnt_unless_they_were_deleted() -> None:
    catalogue = filled(TEA)
    catalogue.apply(CatalogueChanges(2, [], ["deleted"]))
    catalogue.learn(["sold", "tea", "deleted"])
    assert names(catalogue) == ["tea", "sold"]
    assert names(catalogue, price=PriceRange(min=0)) == ["tea"]
    catalogue.learn(["sold"])
    assert catalogue.num_rows == 5
    catalogue.apply(CatalogueChanges(3, [Item(item_id="sold", brand="Leaf"), Item(item_id="deleted")], []))
    assert names(catalogue, brand=("Leaf",)) == ["tea", "sold"]
    assert names(catalogue) == ["tea", "deleted", "sold"]


def test_filters_by_hand() -> None:
    catalogue = filled(TEA, POT, CUP, OLD, fitted=("", "", "seen-once"))
    assert names(catalogue) == ["seen-once", "tea", "pot", "cup"]
    assert names(catalogue, category=("Kitchen",)) == ["pot", "cup"]
    assert names(catalogue, category=("Hot",)) == ["tea", "cup"], "a category on any level"
    assert names(catalogue, category=("Drinks", "Cups")) == ["tea", "cup"], "any of the listed"
    assert names(catalogue, category=("hot",)) == []
    assert names(catalogue, brand=("Clay", "Leaf")) == ["tea", "cup"]
    assert names(catalogue, brand=("Kitchen",)) == [], "a brand is no category"
    assert names(catalogue, price=PriceRange(min=4.0)) == ["tea", "pot"], "ends are included, no price meets none"
    assert names(catalogue, price=PriceRange(max=4.0)) == ["tea"]
    assert names(catalogue, price=PriceRange(4.5, 19.5)) == []
    assert names(catalogue, available=True) == ["seen-once", "tea", "pot", "cup"]
    assert names(catalogue, available=False) == [], "what cannot be bought is never recommended"
    assert names(catalogue, attributes={"colour": ("blue", "red")}) == ["pot", "cup"]
    assert names(catalogue, attributes={"colour": ("blue",)}) == ["pot"], "any of an item's values"
    assert names(catalogue, attributes={"litres": ("2",)}) == ["pot"]
    assert names(catalogue, attributes={"colour": ("red",), "litres": ("2",)}) == ["pot"], "all conditions together"
    assert names(catalogue, category=("Hot",), brand=("Clay",), attributes={"colour": ("red",)}) == ["cup"]


def test_an_item_and_its_variants_are_one_family() -> None:
    small, large = Item(item_id="tea-s", parent_id="tea"), Item(item_id="tea-l", parent_id="tea")
    orphan = Item(item_id="x", parent_id="y")
    catalogue = filled(small, TEA, large, POT, orphan, fitted=("", "", "seen-once"))
    family = {name: int(catalogue.family_V[row]) for name, row in catalogue.row_of.items()}
    assert family["tea"] == family["tea-s"] == family["tea-l"] >= 0
    assert len({family["tea"], family["pot"], family["x"]}) == 3
    assert family["seen-once"] == -1


def test_deeper_categories_later() -> None:
    catalogue = filled(POT)
    deep = Item(item_id="deep", category=["a", "b", "c", "d"])
    catalogue.apply(CatalogueChanges(2, [deep], []))
    assert names(catalogue, category=("d",)) == ["deep"]
    assert names(catalogue, category=("Kitchen",)) == ["pot"]


_WORDS = st.sampled_from(["a", "b", "c"])
_ITEMS = st.lists(
    st.builds(
        dict,
        category=st.lists(_WORDS, max_size=3),
        brand=st.none() | _WORDS,
        price=st.none() | st.integers(0, 4).map(float),
        available=st.booleans(),
        attributes=st.dictionaries(_WORDS, _WORDS | st.lists(_WORDS, max_size=2) | st.integers(0, 2), max_size=2),
    ),
    max_size=8,
)
_FILTERS = st.builds(
    ItemFilter,
    category=st.lists(_WORDS, max_size=2).map(tuple),
    brand=st.lists(_WORDS, max_size=2).map(tuple),
    price=st.none() | st.builds(PriceRange, st.none() | st.integers(0, 4), st.none() | st.integers(0, 4)),
    available=st.none() | st.booleans(),
    attributes=st.dictionaries(_WORDS, st.lists(_WORDS | st.just("1"), min_size=1, max_size=2).map(tuple), max_size=2),
)


def meets(item: Item, wanted: ItemFilter) -> bool:
    """The filter, as the contract says it, on one record."""
    if not item.available or wanted.available is False:
        return False
    if wanted.category and not set(wanted.category) & set(item.category):
        return False
    if wanted.brand and item.brand not in wanted.brand:
        return False
    if wanted.price is not None:
        low = float("-inf") if wanted.price.min is None else wanted.price.min
        high = float("inf") if wanted.price.max is None else wanted.price.max
        if item.price is None or not low <= item.price <= high:
            return False
    for name, values in wanted.attributes.items():
        held = item.attributes.get(name)
        if not {str(one) for one in (held if isinstance(held, list) else [held]) if one is not None} & set(values):
            return False
    return True


@settings(deadline=None)
@given(_ITEMS, _ITEMS, _FILTERS)
def test_a_filter_passes_what_meets_it(
    before: list[dict[str, Any]], after: list[dict[str, Any]], wanted: ItemFilter
) -> None:
    catalogue = Catalogue(["", "", "0", "1"])
    records: dict[str, Item] = {}
    for change, stage in enumerate((before, after), 1):
        items = [Item(item_id=str(number), **fields) for number, fields in enumerate(stage)]
        catalogue.apply(CatalogueChanges(change, items, []))
        records.update({item.item_id: item for item in items})
    unknown = {"0", "1"} - set(records)
    expected = {item_id for item_id, item in records.items() if meets(item, wanted)}
    expected |= {item_id for item_id in unknown if meets(Item(item_id=item_id), wanted)}
    eligible_V = catalogue.eligible_V(wanted)
    assert {catalogue.item_ids[row] for row in np.flatnonzero(eligible_V)} == expected
