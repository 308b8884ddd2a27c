"""What items of a list data set say of themselves: a file with a row per item, in the order of item rows.

Legend of shapes: V items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from aisle.data.list_files import read_table
from aisle.errors import DataError
from aisle.recipe.list_data import ItemTableSpec


@dataclass(frozen=True)
class ItemTexts:
    """Words and labels by item row.

    Attributes:
        words_V: The text of each item; empty where it has none.
        labels_V: Values that are compared whole, as ``genres:drama``.
    """

    words_V: Sequence[str]
    labels_V: Sequence[Sequence[str]]


def read_item_texts(spec: ItemTableSpec, item_ids: pl.Series) -> ItemTexts:
    """The texts of items; columns of strings are words, those of lists or numbers are labels.

    Args:
        spec: Which file and columns.
        item_ids: The id of each item row.

    Raises:
        DataError: the file is missing, lacks a column, has an item twice, or none of the items.
    """
    rows = read_item_rows(spec, spec.text, item_ids)
    is_words = {name: rows.schema[name] == pl.String for name in spec.text}
    words = [rows[name].fill_null("").to_list() for name in spec.text if is_words[name]]
    labels = [_labels(rows[name]) for name in spec.text if not is_words[name]]
    return ItemTexts(
        [" ".join(filter(None, parts)) for parts in zip(*words, strict=True)] if words else [""] * len(rows),
        [[label for part in parts for label in part] for parts in zip(*labels, strict=True)] or [[]] * len(rows),
    )


def read_item_rows(spec: ItemTableSpec, columns: Sequence[str], item_ids: pl.Series) -> pl.DataFrame:
    """Columns of a table of items, a row per item row; empty where the table lacks the item.

    Raises:
        DataError: the file is missing, lacks a column, has an item twice, or none of the items.
    """
    table = read_table(spec.file, list(dict.fromkeys([spec.id, *columns])))
    table = table.with_columns(pl.col(spec.id).cast(pl.String))
    if table[spec.id].is_duplicated().any():
        raise DataError(f"{spec.file}: expected each item of {spec.id} once, received some twice")
    ids = item_ids.cast(pl.String).alias(spec.id).to_frame()
    if ids.join(table, on=spec.id, how="semi").is_empty():
        raise DataError(f"{spec.file}: expected items of the training file in {spec.id}, received others alone")
    return ids.join(table, on=spec.id, how="left", maintain_order="left")


def _labels(column: pl.Series) -> list[list[str]]:
    """``column:value`` for each value of a row; nulls give none."""
    values = [value if isinstance(value, list) else [value] for value in column.to_list()]
    return [[f"{column.name}:{value}" for value in of_row if value is not None] for of_row in values]
