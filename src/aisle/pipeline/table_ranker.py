"""A ranker over a table as its bundle holds it: raw rows to log odds, without torch; one model or the mean of several.

Legend of shapes: R rows, N dense features, S sparse features, K tasks of a model of several labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError, DataError
from aisle.features import Workflow
from aisle.pipeline.onnx_ranker import OnnxRanker
from aisle.schema import Schema

TABLE_FILE = "table"
SCHEMA_FILE = "schema"
MEMBERS_FOLDER = "members"
_BLOCK_ROWS = 8192


class TableScorer(Protocol):
    """Gives rows of a table their log odds."""

    @property
    def schema(self) -> Schema:
        """The columns that it reads."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The labels of a model of several; none of a model of one."""

    def logits(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The log odds [R] of rows, or [R, K] of several labels."""


@dataclass(frozen=True)
class TableRanker:
    """One trained model.

    Attributes:
        workflow: Its fitted features.
        ranker: The exported model; its columns are outputs of the workflow.
        model: The model's kind, as reports name it.
        tasks: The labels of a model of several, in the order of its logits.
    """

    workflow: Workflow
    ranker: OnnxRanker
    model: str
    tasks: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The columns of a table that it reads: those of the features, and those that the model reads as they are."""
        schema = self.workflow.input_schema
        inputs = [*self.ranker.dense_names, *self.ranker.sparse_names]
        read = {*self.workflow.request_columns, *(name for name in inputs if name in schema)}
        return schema.select(name for name in schema.names if name in read)

    def logits(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The log odds [R] of raw rows, or [R, K].

        Raises:
            SchemaError: a column is missing, or of another type.
            DataError: a dense feature is no finite number.
        """
        parts = []
        for start in range(0, len(frame), _BLOCK_ROWS):
            made = self.workflow.transform(frame.slice(start, _BLOCK_ROWS))
            dense_RN = _matrix(made, self.ranker.dense_names, np.float32)
            if not np.isfinite(dense_RN).all():
                wrong = np.array(self.ranker.dense_names)[~np.isfinite(dense_RN).all(axis=0)]
                raise DataError(f"expected finite numbers in {', '.join(wrong)}, received others in rows from {start}")
            sparse_RS = _matrix(made, self.ranker.sparse_names, np.int64)
            parts.append(self.ranker.logits(dense_RN, sparse_RS))
        return np.concatenate(parts) if parts else np.zeros((0, len(self.tasks)) if self.tasks else 0, np.float32)

    def save(self, writer: BundleWriter) -> None:
        """Write everything that :func:`load_table_ranker` reads."""
        writer.write_json(TABLE_FILE, {"model": self.model, "tasks": list(self.tasks)})
        writer.write_json(SCHEMA_FILE, self.schema.to_plain())
        self.workflow.save(writer)
        self.ranker.save(writer)

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Read a bundle of one model.

        Raises:
            BundleError: a part is missing or not as expected.
        """
        document: dict[str, Any] = bundle.read_json(TABLE_FILE)
        try:
            tasks = tuple(document.get("tasks", ()))
            return cls(Workflow.load(bundle), OnnxRanker.load(bundle), document["model"], tasks)
        except (KeyError, TypeError) as error:
            raise BundleError(f"{bundle.directory}: expected a model over a table ({error}); train again") from error


@dataclass(frozen=True)
class TableEnsemble:
    """Several models of the same labels, each with features of its own; they answer with the mean of their logits.

    Raises:
        BundleError: they are of other labels.
    """

    members: Sequence[TableScorer]

    def __post_init__(self) -> None:
        tasks = {member.tasks for member in self.members}
        if len(tasks) != 1:
            raise BundleError(f"expected models of the same labels in the same order, received {sorted(tasks)}")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those of each member."""
        return self.members[0].tasks

    @property
    def schema(self) -> Schema:
        """The columns that any member reads."""
        columns = (column for member in self.members for column in member.schema)
        return Schema({column.name: column for column in columns}.values())

    def logits(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The mean [R] (or [R, K]) of the members' logits of raw rows."""
        logits = np.stack([member.logits(frame) for member in self.members])
        mean: NDArray[np.float32] = logits.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean


def save_ensemble(writer: BundleWriter, bundles: Sequence[Path]) -> None:
    """Write a bundle of several: each member's files as they are, below ``members/``."""
    writer.write_json(TABLE_FILE, {"members": len(bundles)})
    columns = {}
    for number, directory in enumerate(bundles):
        columns.update({column["name"]: column for column in Bundle.open(directory).read_json(SCHEMA_FILE)})
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                writer.copy_file(f"{MEMBERS_FOLDER}/{number}/{path.relative_to(directory).as_posix()}", path)
    writer.write_json(SCHEMA_FILE, list(columns.values()))


def load_table_ranker(bundle: Bundle) -> TableScorer:
    """What a verified bundle holds.

    Raises:
        BundleError: it is of no ranker over a table, or not as expected.
    """
    if f"{TABLE_FILE}.json" not in bundle.names():
        raise BundleError(f"{bundle.directory}: expected the bundle of a ranker over a table, received another kind")
    num_members = bundle.read_json(TABLE_FILE).get("members")
    if num_members is None:
        return TableRanker.load(bundle)
    folders = [bundle.directory / MEMBERS_FOLDER / str(number) for number in range(num_members)]
    # The whole bundle's hashes are checked already, those of the members' files among them.
    return TableEnsemble([load_table_ranker(Bundle.open(folder, verify=False)) for folder in folders])


def _matrix(frame: pl.DataFrame, names: Sequence[str], dtype: Any) -> NDArray[Any]:
    """Columns side by side; missing numbers are NaN."""
    matrix = np.empty((len(frame), len(names)), dtype)
    for place, name in enumerate(names):
        column = frame[name].cast(pl.Float32) if dtype is np.float32 else frame[name].cast(pl.Int64)
        matrix[:, place] = column.to_numpy()
    return matrix
