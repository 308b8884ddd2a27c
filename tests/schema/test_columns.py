"""Columns say what they are for; a schema holds each once, and survives JSON."""

from __future__ import annotations

import json

import pytest

from aisle.errors import SchemaError
from aisle.schema import Column, ColumnType, Schema, Tag

USER_AGE = Column(name="age", type=ColumnType.NUMBER, tags=frozenset({Tag.USER, Tag.DENSE}))
ITEM = Column(name="item", type=ColumnType.INTEGER, tags=frozenset({Tag.ITEM, Tag.CATEGORICAL}), num_rows=12)
HISTORY = Column(
    name="history",
    type=ColumnType.INTEGER,
    tags=frozenset({Tag.USER, Tag.SEQUENCE}),
    is_list=True,
    num_rows=12,
    length=5,
)
SCHEMA = Schema([USER_AGE, ITEM, HISTORY])


def test_columns_are_chosen_by_all_their_tags() -> None:
    assert SCHEMA.tagged(Tag.USER).names == ["age", "history"]
    assert SCHEMA.tagged(Tag.USER, Tag.SEQUENCE).names == ["history"]
    assert SCHEMA.tagged(Tag.LABEL).names == []
    assert SCHEMA.select(["history", "age"]).names == ["history", "age"]


def test_a_column_takes_the_place_of_its_namesake() -> None:
    label = Column(name="label", type=ColumnType.BOOLEAN)
    wider = Column(name="item", type=ColumnType.INTEGER, num_rows=99)
    changed = SCHEMA.with_columns([label, wider])
    assert changed.names == ["age", "item", "history", "label"]
    assert changed["item"].num_rows == 99
    assert SCHEMA["item"].num_rows == 12


def test_through_json_it_is_the_same() -> None:
    assert Schema.from_plain(json.loads(json.dumps(SCHEMA.to_plain()))) == SCHEMA
    assert Schema.from_plain([]) == Schema()
    assert Schema([ITEM, USER_AGE, HISTORY]) != SCHEMA, "the order counts"
    assert len({SCHEMA, Schema(SCHEMA)}) == 1


@pytest.mark.parametrize(
    "plain",
    [
        {"columns": []},
        [{"type": "number"}],
        [{"name": "a", "type": "decimal"}],
        [{"name": "a", "type": "number", "tags": ["owner"]}],
        [{"name": "a", "type": "number", "size": 3}],
        [{"name": "a", "type": "number"}, {"name": "a", "type": "text"}],
    ],
)
def test_what_is_no_schema_is_refused(plain: object) -> None:
    with pytest.raises(SchemaError, match="expected"):
        Schema.from_plain(plain)


def test_a_column_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(SchemaError, match="expected a name"):
        Column(name="", type=ColumnType.TEXT)
    with pytest.raises(SchemaError, match="num_rows >= 1 on an integer column, received 3 on type text"):
        Column(name="c", type=ColumnType.TEXT, num_rows=3)
    with pytest.raises(SchemaError, match="expected length >= 0 on a list, received 4"):
        Column(name="c", type=ColumnType.TEXT, length=4)


def test_a_missing_column_is_named_beside_those_that_are_there() -> None:
    with pytest.raises(SchemaError, match="expected a column 'price', received the columns age, item, history"):
        SCHEMA.select(["price"])
