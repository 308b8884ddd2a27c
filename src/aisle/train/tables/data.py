"""A table recipe's data as memory-mapped arrays: features fitted on training rows, all rows transformed, once.

Everything is read from the first row to the last, a hundred thousand or so at a time, so memory does not grow with the
data (vocabularies do, within the operators' bounds). What is prepared lies in a folder named by a fingerprint of the
files and of what the recipe says about data, features and inputs. The folder appears whole or not at all, and is used
again by every recipe that says the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

import aisle
from aisle.bundle import Bundle, BundleWriter
from aisle.data.table_files import TableFile, check_columns, identity
from aisle.features import Workflow
from aisle.features.table_workflow import TableWorkflow, table_workflow
from aisle.progress import Progress, silent
from aisle.recipe.data import FilesSplitSpec
from aisle.recipe.table import TableRecipe
from aisle.train.engine.batches import RankerRows
from aisle.train.run_files import write_atomically
from aisle.train.tables.passes import check_rows, fit_features, transform_rows
from aisle.train.tables.rows import TableSource
from aisle.train.tables.sources import open_tables, table_sources

#: Counts up when the same recipe and data would be written otherwise.
_FORMAT = 1
_SUMMARY_NAME = "table.json"
_FEATURES_NAME = "features"
_ROWS_NAME = "rows"


@dataclass(frozen=True)
class PreparedTable:
    """What a ranker over a table is trained and measured on.

    Attributes:
        directory: Where it lies; further files may be kept beside, not in it.
        recipe: The recipe with every column named.
        rows: "train", "valid", "test" and the recipe's extra tests, memory-mapped.
        dense_names: The columns of ``dense_RN``.
        table_sizes: For each column of ``sparse_RS`` in order: the rows of its table, padding 0 and unknown 1 included.
    """

    directory: Path
    recipe: TableRecipe
    rows: dict[str, RankerRows]
    dense_names: tuple[str, ...]
    table_sizes: dict[str, int]

    def workflow(self) -> Workflow:
        """The fitted features."""
        return Workflow.load(Bundle.open(self.directory / _FEATURES_NAME, verify=False), _FEATURES_NAME)


def prepare_table(recipe: TableRecipe, directory: Path, progress: Progress = silent) -> PreparedTable:
    """Prepare a recipe's data, or use what was prepared before.

    Args:
        recipe: The recipe.
        directory: Holds prepared tables, one folder each; processes may share it.
        progress: Told of rows read, fitted and written.

    Raises:
        ConfigError: the recipe does not fit the columns of the file.
        DataError: a file is not there or cannot be read, or its labels, weights or dense inputs are not what they must
            be.
    """
    tables = open_tables(recipe.data, progress)
    features = table_workflow(recipe, tables["train"].columns)
    for table in tables.values():
        check_columns(table, features.types)
    directory.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(features.recipe, tables)
    place = directory / fingerprint
    with _lock(directory / f".{fingerprint}.lock"):  # who comes second finds the work done
        if not place.exists():
            partial = directory / f".{fingerprint}.partial"
            shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
            partial.mkdir()
            try:
                _write(features, table_sources(recipe.data, tables), partial, progress)
                partial.rename(place)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return _load(place, features.recipe)


def _write(features: TableWorkflow, sources: list[TableSource], partial: Path, progress: Progress) -> None:
    summaries = [check_rows(features, source, progress) for source in sources]
    workflow = fit_features(features, sources[0], summaries[0][0].num_rows, progress)
    for source, of_parts in zip(sources, summaries, strict=True):
        transform_rows(features, workflow, source, of_parts, partial / _ROWS_NAME, progress)
    with BundleWriter(partial / _FEATURES_NAME, name=features.recipe.name) as writer:
        workflow.save(writer, _FEATURES_NAME)
    schema = workflow.output_schema
    inputs = features.recipe.inputs
    document = {
        "parts": [part for source in sources for part in source.parts],
        "dense": inputs.dense,
        "table_sizes": {name: schema[name].num_rows for name in inputs.sparse},
    }
    write_atomically(partial / _SUMMARY_NAME, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _load(place: Path, recipe: TableRecipe) -> PreparedTable:
    document: dict[str, Any] = orjson.loads((place / _SUMMARY_NAME).read_bytes())
    rows = {part: _rows(place / _ROWS_NAME / part) for part in document["parts"]}
    return PreparedTable(place, recipe, rows, tuple(document["dense"]), document["table_sizes"])


def _rows(folder: Path) -> RankerRows:
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("dense", "sparse", "label", "weight")
    }
    return RankerRows(arrays["dense"], arrays["sparse"], arrays["label"], arrays["weight"])


def _fingerprint(recipe: TableRecipe, tables: Mapping[str, TableFile]) -> str:
    data = recipe.data.model_dump(mode="json", exclude={"train": True, "extra_tests": True, "split": {"valid", "test"}})
    if not isinstance(recipe.data.split, FilesSplitSpec):
        data["split"] = recipe.data.split.model_dump(mode="json")
    content = {
        "format": [_FORMAT, aisle.__version__],
        "files": {part: identity(table.path) for part, table in tables.items()},
        "data": data,
        "features": [spec.model_dump(mode="json") for spec in recipe.features],
        "inputs": recipe.inputs.model_dump(mode="json"),
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Wait until no other process prepares the same; the system lets go of what a killed one held."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
