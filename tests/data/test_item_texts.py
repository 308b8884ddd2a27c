"""Texts of items by row: which columns are words and which labels, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aisle.data.item_texts import ItemTexts, read_item_texts
from aisle.data.list_splits import split_lists
from aisle.errors import DataError
from aisle.recipe.list_data import ItemTableSpec, ListDataSpec

ITEMS: dict[str, Any] = {
    "id": [30, 10, 40],
    "title": ["Tall lamp", None, "Unknown to the lists"],
    "maker": ["Ann", "Bob", "Ann"],
    "tags": [["red", "tall"], ["red", None], []],
    "year": [1999, None, 2001],
}


def read(directory: Path, text: list[str], items: dict[str, Any] = ITEMS, rows: tuple[int, ...] = (10, 20, 30)) -> Any:
    pl.DataFrame(items).write_parquet(directory / "items.parquet")
    spec = ItemTableSpec(file=str(directory / "items.parquet"), id="id", text=text)
    return read_item_texts(spec, pl.Series("item_id", rows))


def test_strings_are_words_lists_and_numbers_are_labels(tmp_path: Path) -> None:
    texts = read(tmp_path, ["title", "tags", "maker", "year"])
    assert texts == ItemTexts(["Bob", "", "Tall lamp Ann"], [["tags:red"], [], ["tags:red", "tags:tall", "year:1999"]])


def test_either_alone(tmp_path: Path) -> None:
    assert read(tmp_path, ["maker"]) == ItemTexts(["Bob", "", "Ann"], [[], [], []])
    assert read(tmp_path, ["year"]) == ItemTexts(["", "", ""], [[], [], ["year:1999"]])


@pytest.mark.parametrize(
    ("items", "text", "message"),
    [
        (ITEMS, ["colour"], "colour"),
        ({**ITEMS, "id": [30, 30, 40]}, ["title"], "once"),
        ({**ITEMS, "id": [1, 2, 3]}, ["title"], "received others alone"),
    ],
)
def test_what_is_refused(tmp_path: Path, items: dict[str, Any], text: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, items)


def test_a_recipe_names_the_file_and_the_split_holds_it(tmp_path: Path) -> None:
    lists = pl.DataFrame({"user": [1, 1, 1, 2], "item": [30, 10, 20, 10]})
    lists.write_parquet(tmp_path / "lists.parquet")
    (tmp_path / "items.csv").write_text("id,title\n10,Ten\n20,Twenty\n30,Thirty\n")
    document = {
        "train": str(tmp_path / "lists.parquet"),
        "columns": {"user": "user", "item": "item"},
        "split": {"kind": "leave-one-out"},
    }
    texts = {"file": str(tmp_path / "items.csv"), "id": "id", "text": ["title"]}
    split, item_ids = split_lists(ListDataSpec.model_validate({**document, "items": texts}))
    assert item_ids.to_list() == [10, 20, 30]
    assert split.item_texts == ItemTexts(["Ten", "Twenty", "Thirty"], [[], [], []])
    assert split_lists(ListDataSpec.model_validate(document))[0].item_texts is None
