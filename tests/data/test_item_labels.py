"""Labels of items by row: categories and intervals of numbers, how they share, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from aisle.data.item_labels import ItemLabels, read_item_labels
from aisle.errors import DataError
from aisle.recipe.list_data import ItemTableSpec

ITEMS: dict[str, Any] = {
    "id": [4, 1, 2, 3],
    "kind": ["lamp", "lamp", "chair", None],
    "tags": [["red", "tall"], ["red"], ["red", "tall", "tall", "odd"], []],
    "genres": ["a|b", "a", "", "b|c"],
    "year": [1999, 1999, 2001, 2001],
    "price": [10.0, 2.0, None, 3.0],
}


def read(directory: Path, **columns: Any) -> ItemLabels:
    pl.DataFrame(ITEMS).write_parquet(directory / "items.parquet")
    spec = ItemTableSpec(file=str(directory / "items.parquet"), id="id", **columns)
    return read_item_labels(spec, pl.Series("item_id", [1, 2, 3, 4]))


def test_labels_of_a_column_share_one(tmp_path: Path) -> None:
    labels = read(tmp_path, categories=["tags", "year"])
    assert labels.names == ("tags:red", "tags:tall", "year:1999", "year:2001"), "one item alone is odd"
    expected = [[1, 0, 1, 0], [0.5, 0.5, 0, 1], [0, 0, 0, 1], [0.5, 0.5, 1, 0]]
    assert labels.weights_VL.toarray().tolist() == expected


def test_strings_are_whole_or_parted(tmp_path: Path) -> None:
    assert read(tmp_path, categories=["kind"]).weights_VL.toarray().tolist() == [[1], [0], [0], [1]]
    labels = read(tmp_path, categories=["genres"], separator="|")
    assert labels.names == ("genres:a", "genres:b")
    assert labels.weights_VL.toarray().tolist() == [[1, 0], [0, 0], [0, 1], [0.5, 0.5]]


def test_numbers_are_intervals_with_equally_many_items(tmp_path: Path) -> None:
    labels = read(tmp_path, numbers=["year"], intervals=2)
    assert labels.weights_VL.toarray().tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    assert read(tmp_path, numbers=["price"], intervals=2).names == ("price:1",), "2 | 3, 10; one item has no price"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"numbers": ["kind"]}, "expected numbers in the column kind, received String; name it in categories"),
        ({"categories": ["colour"]}, "expected the columns id, colour, received id, kind, tags"),
        ({"numbers": ["price"], "intervals": 9}, "expected labels that 2 items or more bear in price, received none"),
    ],
)
def test_what_is_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, **columns)


def test_a_table_is_for_something() -> None:
    with pytest.raises(ValidationError, match="expected columns in text, categories or numbers, received none"):
        ItemTableSpec(file="items.csv")
    with pytest.raises(ValidationError, match="separator: expected columns in categories that it parts"):
        ItemTableSpec(file="items.csv", text=["title"], separator=",")
