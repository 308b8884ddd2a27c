"""A table recipe's data: known numbers, fitted on training rows alone, whole or not there, in bounded memory."""

from __future__ import annotations

import math
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.data import table_files, tables
from aisle.errors import ConfigError, DataError
from aisle.features import arrays_of
from aisle.recipe import TableRecipe, load
from aisle.train.tables.data import PreparedTable, prepare_table
from tests.train.prepared_tables import (
    FEATURES,
    peak_bytes_of,
    prepare_and_be_killed,
    table_recipe,
    write_table,
)

#: Ten rows: eight train, one validates, one tests.
ROWS = pl.DataFrame(
    {
        "label": [0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
        "n1": [0.0, 0.0, 0.0, 0.0, math.e - 1, math.e - 1, math.e - 1, None, -5.0, math.e**3 - 1],
        "n2": [1.0] * 10,
        "c1": ["a", "a", "a", "b", "b", "c", None, "a", "c", None],
        "c2": ["x", "y", "x", "y", "x", "y", "x", "y", "x", "z"],
        "w": [1.0, 2.0] * 5,
    }
)
CRITEO = tables.TABLE_SETS["criteo_sample"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    ROWS.write_parquet(path)
    return path


def prepare(tmp_path: Path, recipe: TableRecipe) -> PreparedTable:
    return prepare_table(recipe, tmp_path / "prepared")


def test_the_arrays_are_those_worked_out_by_hand(tmp_path: Path, table: Path) -> None:
    found = prepare(tmp_path, table_recipe(table, weight="w"))
    assert {name: len(rows) for name, rows in found.rows.items()} == {"train": 8, "valid": 1, "test": 1}
    assert found.dense_names == ("n1", "n2")
    # Padding, unknown, missing; then a and b of c1 (c is rare in training), x and y of c2.
    assert found.table_sizes == {"c1": 5, "c2": 5}
    train, valid, test = (found.rows[name] for name in ("train", "valid", "test"))
    assert train.sparse_RS.tolist() == [[3, 3], [3, 4], [3, 3], [4, 4], [4, 3], [1, 4], [2, 3], [3, 4]]
    assert (valid.sparse_RS.tolist(), test.sparse_RS.tolist()) == ([[1, 3]], [[2, 1]])
    # Logarithms 0 0 0 0 1 1 1, and 0 for the missing one: mean 3/8, variance 15/64.
    mean, deviation = 3 / 8, math.sqrt(15) / 8
    expected = (np.array([0, 0, 0, 0, 1, 1, 1, 0]) - mean) / deviation
    assert train.dense_RN[:, 0] == pytest.approx(expected, rel=1e-6)
    assert train.dense_RN[:, 1] == pytest.approx(0), "what does not vary is only shifted"
    assert [valid.dense_RN[0, 0], test.dense_RN[0, 0]] == pytest.approx([-mean / deviation, (3 - mean) / deviation])
    assert train.label_R.tolist() == ROWS["label"].to_list()[:8]
    assert train.weight_R.tolist() == [1, 2, 1, 2, 1, 2, 1, 2]
    assert (train.dense_RN.dtype, train.sparse_RS.dtype) == (np.float32, np.int32)


def test_arrays_are_mapped_not_read(tmp_path: Path, table: Path) -> None:
    found = prepare(tmp_path, table_recipe(table))
    assert all(isinstance(array, np.memmap) for array in vars(found.rows["train"]).values() if array is not None)
    assert found.directory.parent == tmp_path / "prepared"


def test_later_rows_change_nothing_that_is_fitted(tmp_path: Path, table: Path) -> None:
    one = prepare(tmp_path, table_recipe(table))
    changed = tmp_path / "changed.parquet"
    ROWS.with_columns(
        pl.when(pl.int_range(pl.len()) < 8).then(pl.col("n1")).otherwise(1e6).alias("n1"),
        pl.when(pl.int_range(pl.len()) < 8).then(pl.col("c2")).otherwise(pl.lit("new")).alias("c2"),
    ).write_parquet(changed)
    other = prepare(tmp_path, table_recipe(changed))
    assert other.directory != one.directory
    assert np.array_equal(one.rows["train"].dense_RN, other.rows["train"].dense_RN)
    assert np.array_equal(one.rows["train"].sparse_RS, other.rows["train"].sparse_RS)
    assert other.rows["test"].sparse_RS[0, 1] == 1


def test_the_saved_features_give_a_request_the_same_inputs(tmp_path: Path, table: Path) -> None:
    found = prepare(tmp_path, table_recipe(table))
    online = found.workflow().online(arrays_of(ROWS[8:9].select("n1", "n2", "c1", "c2")))
    assert [online[name][0] for name in found.table_sizes] == found.rows["valid"].sparse_RS[0].tolist()
    assert [online[name][0] for name in found.dense_names] == pytest.approx(found.rows["valid"].dense_RN[0].tolist())


def test_text_and_parquet_in_stretches_give_the_same_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_table(tmp_path / "t.parquet", 3000)
    pl.read_parquet(whole).write_csv(tmp_path / "t.txt", include_header=False, separator="\t")
    text = table_recipe(tmp_path / "t.txt", columns=["label", "n1..n2", "c1..c2"])
    expected = prepare(tmp_path, table_recipe(whole))
    monkeypatch.setattr(table_files, "_BATCH_ROWS", 700)
    monkeypatch.setattr(table_files, "_BLOCK_BYTES", 1 << 14)
    for number, recipe in enumerate((table_recipe(whole), text)):
        found = prepare_table(recipe, tmp_path / f"in-stretches-{number}")
        assert found.table_sizes == expected.table_sizes
        for part, rows in expected.rows.items():
            assert np.array_equal(found.rows[part].sparse_RS, rows.sparse_RS)
            assert found.rows[part].dense_RN == pytest.approx(rows.dense_RN, rel=1e-5, abs=1e-6)
            assert np.array_equal(found.rows[part].label_R, rows.label_R)


def test_other_files_validate_and_test(tmp_path: Path, table: Path) -> None:
    ROWS[:3].write_csv(tmp_path / "valid.csv")
    ROWS[3:5].write_parquet(tmp_path / "test.parquet")
    ROWS[5:].write_parquet(tmp_path / "later.parquet")
    split = {"kind": "files", "valid": str(tmp_path / "valid.csv"), "test": str(tmp_path / "test.parquet")}
    found = prepare(tmp_path, table_recipe(table, split=split, extra_tests={"later": str(tmp_path / "later.parquet")}))
    assert {name: len(rows) for name, rows in found.rows.items()} == {"train": 10, "valid": 3, "test": 2, "later": 5}
    for name, start in (("valid", 0), ("test", 3), ("later", 5)):
        rows = found.rows[name]
        end = start + len(rows)
        assert np.array_equal(rows.sparse_RS, found.rows["train"].sparse_RS[start:end])
        assert np.array_equal(rows.label_R, found.rows["train"].label_R[start:end])


def test_a_threshold_makes_labels_of_ratings(tmp_path: Path) -> None:
    rated = ROWS.with_columns(label=pl.Series([1, 2, 3, 4, 5, 3, 4, 1, 5, 2]))
    rated.write_parquet(tmp_path / "rated.parquet")
    split = {"kind": "column", "column": "n1", "valid": [-5.0], "test": [0]}
    found = prepare(tmp_path, table_recipe(tmp_path / "rated.parquet", label_above=3, split=split))
    assert {name: rows.label_R.tolist() for name, rows in found.rows.items()} == {
        "train": [1, 0, 1, 0, 0],
        "valid": [1],
        "test": [0, 0, 0, 1],
    }


def test_dense_or_sparse_inputs_alone_are_enough(tmp_path: Path, table: Path) -> None:
    only_dense = prepare(tmp_path, table_recipe(table, features=[], dense=("n2",), sparse=()))
    assert (only_dense.rows["train"].dense_RN.shape, only_dense.rows["train"].sparse_RS.shape) == ((8, 1), (8, 0))
    only_sparse = prepare(tmp_path, table_recipe(table, dense=()))
    assert (only_sparse.rows["test"].dense_RN.shape, only_sparse.rows["test"].sparse_RS.shape) == ((1, 0), (1, 2))


def test_statistics_of_the_label_come_from_earlier_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = pl.DataFrame(
        {
            "at": [1, 1, 2, 2, 2, 3, 4, 5],
            "label": [1, 0, 1, 1, 0, 0, 1, 0],
            "c": ["a", "b", "a", "a", "b", "a", "a", "z"],
        }
    )
    timed.write_parquet(tmp_path / "timed.parquet")
    statistics = {"kind": "target_statistics", "columns": ["c"], "label": "label", "time": "at", "prior_weight": 1.0}
    recipe = table_recipe(
        tmp_path / "timed.parquet",
        features=[statistics],
        dense=("c_rate",),
        sparse=(),
        split={"kind": "column", "column": "at", "valid": [4], "test": [5]},
    )
    monkeypatch.setattr(table_files, "_BATCH_ROWS", 3)  # the rows of time 2 come in two stretches
    found = prepare(tmp_path, recipe)
    # (sum + prior) / (count + 1) of strictly earlier rows, the prior their mean label, at first 0.
    at_2 = {"a": (1 + 0.5) / 2, "b": (0 + 0.5) / 2}
    expected = [0, 0, at_2["a"], at_2["a"], at_2["b"], (3 + 0.6) / 4]
    assert found.rows["train"].dense_RN[:, 0] == pytest.approx(expected)
    # Afterwards the totals of all training rows: 3 of 4 of a, 3 of 6 of all.
    assert found.rows["valid"].dense_RN[0, 0] == pytest.approx((3 + 0.5) / 5)
    assert found.rows["test"].dense_RN[0, 0] == pytest.approx(0.5)


def test_what_was_prepared_is_used_again(tmp_path: Path, table: Path) -> None:
    stages: list[str] = []

    def told(recipe: TableRecipe) -> Path:
        stages.clear()
        found = prepare_table(recipe, tmp_path / "prepared", lambda stage, done, total: stages.append(stage))
        return found.directory

    first = told(table_recipe(table))
    assert list(dict.fromkeys(stages)) == ["check rows.parquet", "fit features", "transform rows.parquet"]
    other_model = table_recipe(table).model_copy(update={"seed": 7, "name": "other"})
    assert told(other_model) == first and not stages
    named = [{**spec, "columns": [f"{spec['columns'][0][0]}{number}" for number in (1, 2)]} for spec in FEATURES]
    assert told(table_recipe(table, features=named, dense=("n1", "n2"))) == first and not stages
    assert told(table_recipe(table, dense=("n1",))) != first and stages
    status = table.stat()
    os.utime(table, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert told(table_recipe(table)) != first and stages


def test_a_killed_preparation_leaves_nothing_that_looks_finished(tmp_path: Path, table: Path) -> None:
    directory = tmp_path / "prepared"
    process = multiprocessing.get_context("spawn").Process(target=prepare_and_be_killed, args=(table, directory))
    process.start()
    process.join()
    assert process.exitcode == -9
    (left,) = [path for path in directory.iterdir() if path.is_dir()]
    assert left.name.startswith(".") and (left / "rows").is_dir(), "it was killed while it wrote"
    found = prepare_table(table_recipe(table), directory)
    assert len(found.rows["train"]) == 8
    assert [path for path in directory.iterdir() if path.is_dir()] == [found.directory]


def test_a_failed_preparation_leaves_nothing(tmp_path: Path, table: Path) -> None:
    with pytest.raises(DataError):
        prepare(tmp_path, table_recipe(table, features=[], dense=("n1",), sparse=()))
    assert not [path for path in (tmp_path / "prepared").iterdir() if path.is_dir()]


def _with(column: str, values: list[Any]) -> pl.DataFrame:
    return ROWS.with_columns(pl.Series(column, values, strict=False))


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (
            _with("label", [0, 1, 2, 2, None, 1, 0, 1, 0, 1]),
            {},
            r"label 'label': expected 0 or 1, received .*2.*\(3 of",
        ),
        (_with("label", ["y"] * 10), {}, "column 'label': expected numbers, or true and false, received String"),
        (
            _with("label", [None, math.nan] + [5.0] * 8),
            {"label_above": 3},
            r"received missing \(2 of .* write a label in",
        ),
        (_with("label", [0] * 10), {}, "expected 0 and 1 in training rows, received 0 times 1 in 8 rows"),
        (_with("w", [-1.0, None] * 5), {"weight": "w"}, "weight 'w': .* received 10 others in rows 1 to 10"),
        (
            _with("w", [0.0] * 10),
            {"weight": "w"},
            "part 'train' of .*: expected rows, received 8 rows with the weight 0",
        ),
        (ROWS[:3], {"split": {"kind": "ordered"}}, r"part 'valid' of .*: expected rows, received 0 rows .* data.split"),
        (ROWS, {"label": "lable"}, "no column 'lable', did you mean 'label'"),
        (ROWS, {"weight": "ww"}, "no column 'ww'"),
        (
            ROWS,
            {"features": [], "dense": ("n1",), "sparse": ()},
            "'n1', received 1 missing of 8 rows of train; put fill",
        ),
        (
            _with("n2", [1.0, math.inf, 1e300] + [1.0] * 7),
            {"features": [], "dense": ("n2",), "sparse": ()},
            "'n2', received 2 infinite or beyond float32 of 8 rows of train; use log, or standardize with clip",
        ),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(
    tmp_path: Path, frame: pl.DataFrame, options: dict[str, Any], message: str
) -> None:
    frame.write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, table_recipe(tmp_path / "rows.parquet", **options))


def test_columns_that_are_not_there_are_refused(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match=r"inputs\.dense: unknown column 'n3', did you mean 'n"):
        prepare(tmp_path, table_recipe(table, dense=("n3",)))
    ROWS.drop("c2").write_parquet(tmp_path / "later.parquet")
    with pytest.raises(DataError, match=r"later\.parquet: no column 'c2', did you mean"):
        prepare(tmp_path, table_recipe(table, extra_tests={"later": str(tmp_path / "later.parquet")}))


def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    tables = [write_table(tmp_path / f"{rows}.parquet", rows) for rows in (30_000, 600_000)]
    in_memory = pl.read_parquet(tables[1]).estimated_size()
    result = tmp_path / "peaks"
    process = multiprocessing.get_context("spawn").Process(target=peak_bytes_of, args=(tables, tmp_path / "p", result))
    process.start()
    process.join()
    small, large = map(int, result.read_text().split())
    assert large - small < in_memory / 4, f"{large - small} more bytes for a table of {in_memory}"


@pytest.mark.data
@pytest.mark.skipif(tables.locate(CRITEO) is None, reason="the Criteo sample is not on this machine (AISLE_DATA)")
def test_the_criteo_protocol_gives_the_published_vocabulary(tmp_path: Path) -> None:
    recipe = load("criteo-bucketized")
    assert isinstance(recipe, TableRecipe)
    found = prepare(tmp_path, recipe)
    assert {name: len(rows) for name, rows in found.rows.items()} == {"train": 96520, "valid": 12065, "test": 12065}
    train = found.rows["train"]
    # Padding, unknown and missing aside; then one id for rare and unseen values, and one where values are missing.
    kept = sum(found.table_sizes[f"C{number}"] - 3 for number in range(1, 27))
    num_with_missing = int((train.sparse_RS[:, :26] == 2).any(axis=0).sum())
    assert kept + 26 + num_with_missing == 60_412
    assert train.dense_RN.mean(axis=0, dtype=np.float64) == pytest.approx(np.zeros(13), abs=1e-5)
    assert train.dense_RN.std(axis=0, dtype=np.float64) == pytest.approx(np.ones(13), abs=1e-4)
    assert train.label_R.mean() == pytest.approx(0.2563, abs=0.003)
    raw = pl.read_parquet(tables.find("criteo_sample"), columns=["I2", "I5"], n_rows=96_520)
    for place, name in ((26 + 1, "I2"), (26 + 4, "I5")):
        known = (raw[name] > 2).fill_null(False).to_numpy()
        squared = np.floor(np.log(raw[name].to_numpy()[known]) ** 2)
        # Rows of 0 padding, 1 missing, then one each below 0, of 0, 1, 2, above 2, and of each step.
        assert np.array_equal(train.sparse_RS[known, place], squared + 6)
