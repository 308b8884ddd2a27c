"""The passes over a table's files: rows checked, features fitted on training rows, all rows transformed and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from aisle.data import splits
from aisle.data.table_files import check_columns
from aisle.errors import DataError
from aisle.features import Workflow
from aisle.features.table_workflow import TableWorkflow
from aisle.progress import Progress
from aisle.train.tables.rows import LABEL, PART, PartSummary, PartWriter, TableSource, label_types, summarize


def check_rows(features: TableWorkflow, source: TableSource, progress: Progress) -> list[PartSummary]:
    """Count a file's rows by part, and check what training could not do with.

    Raises:
        DataError: a part has no rows, or a label or weight is not what it must be.
    """
    types = _row_types(features, source)
    check_columns(source.table, types)
    stage = f"check {source.table.path.name}"
    found = summarize(source, types, lambda done: progress(stage, done, None))
    for part, summary in zip(source.parts, found, strict=True):
        _check_part(source, part, summary)
    return found


def _check_part(source: TableSource, part: str, summary: PartSummary) -> None:
    columns = (summary.num_known, summary.num_positive, summary.weight)
    for label, num_known, num_positive, weight in zip(source.data.label_columns, *columns, strict=True):
        if not summary.num_rows or not weight > 0:
            of_label = f" that say {label}" if source.data.tasks else ""
            raise DataError(
                f"part {part!r} of {source.table.path}: expected rows{of_label}, received {summary.num_rows} rows with "
                f"the weight {weight:g}; see data.split"
            )
        if part == "train" and num_positive in (0, num_known):
            raise DataError(
                f"label {label!r}: expected 0 and 1 in training rows, received {num_positive} times 1 in {num_known} "
                "rows; check data.label, data.label_above and data.split"
            )


def _row_types(features: TableWorkflow, source: TableSource) -> dict[str, pl.DataType]:
    """The columns that every pass reads: label, weight, and those of the split."""
    data = source.data
    types = label_types(data)
    if len(source.parts) > 1:
        types |= {name: features.types.get(name, pl.String()) for name in splits.split_columns(data.split)}
    return types


def _frames(features: TableWorkflow, source: TableSource) -> Iterator[pl.DataFrame]:
    """All rows with what the features read; the label's own column is the label (of several: as it is)."""
    types = _row_types(features, source) | features.types
    tasks, label = source.data.tasks, source.data.label
    labels = [pl.col(name).cast(pl.Float64) for name in tasks] or [pl.col(LABEL).cast(pl.Float64).alias(label)]
    for frame in source.frames(types):
        yield frame.with_columns(labels)


def fit_features(features: TableWorkflow, source: TableSource, num_train: int, progress: Progress) -> Workflow:
    """The features fitted on the training rows of a file, of which there are ``num_train``."""

    def train_frames() -> Iterator[pl.DataFrame]:
        done = 0
        for frame in _frames(features, source):
            train = frame.filter(pl.col(PART) == splits.TRAIN)
            done += len(train)
            if len(train):
                yield train
            progress("fit features", done, num_train)
            if done == num_train:
                return

    workflow = features.workflow
    return workflow if workflow.is_fitted else workflow.fit(train_frames)


def transform_rows(
    features: TableWorkflow,
    workflow: Workflow,
    source: TableSource,
    summaries: list[PartSummary],
    directory: Path,
    progress: Progress,
) -> None:
    """Write the model's inputs of all rows of a file, one folder for each part.

    Args:
        features: What the model reads.
        workflow: Its fitted features.
        source: The file.
        summaries: What :func:`check_rows` said of its parts.
        directory: Where the folders go.
        progress: Told of rows.

    Raises:
        DataError: a dense input is no finite number.
    """
    inputs, num_tasks = features.recipe.inputs, len(source.data.tasks)
    total = sum(summary.num_rows for summary in summaries)
    stage = f"transform {source.table.path.name}"
    done = 0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                PartWriter(directory / part, summary.num_rows, inputs.dense, inputs.sparse, num_tasks=num_tasks)
            )
            for part, summary in zip(source.parts, summaries, strict=True)
        ]
        for number, frame in _transformed(features, workflow, source):
            writers[number].append(frame)
            done += len(frame)
            progress(stage, done, total)
        for part, writer in zip(source.parts, writers, strict=True):
            writer.check(part)


def _transformed(
    features: TableWorkflow, workflow: Workflow, source: TableSource
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Stretches of one part each, after the features."""
    numbers = range(len(source.parts))
    if features.time is not None and source.parts[0] == "train":
        train = (frame.filter(pl.col(PART) == splits.TRAIN) for frame in _frames(features, source))
        for frame in workflow.transform_training(_cut_between_times(train, features.time)):
            yield splits.TRAIN, frame
        numbers = range(1, len(source.parts))
    if not numbers:
        return
    for frame in _frames(features, source):
        for number in numbers:
            of_part = frame.filter(pl.col(PART) == number)
            if len(of_part):
                yield number, workflow.transform(of_part)


def _cut_between_times(frames: Iterable[pl.DataFrame], time: str) -> Iterator[pl.DataFrame]:
    """The same rows, no time in two stretches: rows of the last time wait for those after them."""
    waiting: pl.DataFrame | None = None
    for frame in frames:
        rows = frame if waiting is None else pl.concat([waiting, frame])
        if not len(rows):
            continue
        is_last = (rows[time] == rows[time][-1]).fill_null(False)
        waiting = rows.filter(is_last)
        if len(waiting) < len(rows):
            yield rows.filter(~is_last)
    if waiting is not None and len(waiting):
        yield waiting
