"""A ranker's examples: the merged candidates of visitors at a snapshot's time, labelled with what they took after it.

Legend of shapes: R rows, F candidate features.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.errors import DataError
from aisle.evaluate.windows import Question, Window
from aisle.features.candidates import CandidateFeaturizer
from aisle.pipeline import Pipeline, RepeatPolicy
from aisle.pipeline.rank_stage import Featurized
from aisle.progress import Progress, silent
from aisle.schema import DAY_MS


@dataclass(frozen=True)
class RankerExamples:
    """Rows of one snapshot, list by list.

    Attributes:
        features_RF: See :class:`aisle.features.candidates.CandidateFeaturizer`.
        items_R: Item rows of the snapshot.
        codes_R2: The featurizer's codes of category and brand.
        list_R: Numbers of the candidate lists, rising from 0.
        label_R: Whether the visitor took the item within the horizon.
        weight_R: How many candidates of the list the row stands for.
    """

    features_RF: NDArray[np.float32]
    items_R: NDArray[np.int32]
    codes_R2: NDArray[np.int32]
    list_R: NDArray[np.int64]
    label_R: NDArray[np.float32]
    weight_R: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label_R)

    @property
    def featurized(self) -> Featurized:
        """The rows as the rank stage takes them."""
        return Featurized(self.features_RF, self.items_R, self.codes_R2)

    def save(self, directory: Path) -> None:
        """Write one array file per column; the directory appears whole or not at all."""
        partial = directory.with_name(f".{directory.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for column in fields(self):
            with (partial / f"{column.name}.npy").open("wb") as stream:
                np.save(stream, getattr(self, column.name), allow_pickle=False)
                stream.flush()
                os.fsync(stream.fileno())
        partial.rename(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map what was saved."""
        arrays: dict[str, NDArray[Any]] = {
            column.name: np.load(directory / f"{column.name}.npy", mmap_mode="r", allow_pickle=False)
            for column in fields(cls)
        }
        return cls(**arrays)


def collect_examples(
    pipeline: Pipeline,
    featurizer: CandidateFeaturizer,
    window: Window,
    *,
    placement: str,
    repeats: Sequence[RepeatPolicy],
    negatives: int | None,
    max_questions: int,
    seed: int,
    progress: Progress = silent,
) -> RankerExamples:
    """Ask the pipeline for candidates, as a server would at the snapshot's time, and see what became of them.

    Args:
        pipeline: Fitted at the snapshot; its sources bring the candidates.
        featurizer: Fitted at the snapshot.
        window: The snapshot and the days after it.
        placement: Who asks.
        repeats: Each visitor is asked for under each of these policies: sources bring other candidates where repeats
            are left out.
        negatives: So many candidates that were not taken are drawn from each list, weighted by the inverse rate;
            ``None``: all of them stay.
        max_questions: So many visitors at most are asked for, drawn by the seed.
        seed: With the snapshot's time, it decides every draw.
        progress: Told of questions done.

    Raises:
        DataError: the pipeline or the featurizer was fitted later than the snapshot, or nobody took anything.
    """
    now_ms = window.snapshot.until_ms
    for fitted_until_ms in (pipeline.fitted_until_ms, featurizer.fitted_until_ms):
        if fitted_until_ms > now_ms:
            raise DataError(
                f"expected state fitted until {now_ms} at most, received one fitted until {fitted_until_ms}: it has "
                "seen what it shall predict"
            )
    draw = np.random.default_rng([seed, now_ms // DAY_MS])
    lists: list[tuple[Question, RepeatPolicy]] = []
    for repeat in repeats:
        asked = window.asked(repeat)
        kept = np.arange(len(asked))
        if len(asked) > max_questions:
            kept = np.sort(draw.choice(kept, max_questions, replace=False))
        lists += [(asked[at], repeat) for at in kept]
    if not lists:
        raise DataError(
            "expected visitors who took something in the window, received none; import more events, or use a recipe "
            "without a ranker"
        )
    parts = []
    for number, (question, repeat) in enumerate(lists):
        if number % 50 == 0:
            progress("collect ranker examples", number, len(lists))
        found, taken_K = _ask(pipeline, featurizer, window, question, placement, repeat)
        parts.append(_rows_of(found, taken_K, negatives, number, draw))
    columns = {
        column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(RankerExamples)
    }
    return RankerExamples(**columns)


def _ask(
    pipeline: Pipeline,
    featurizer: CandidateFeaturizer,
    window: Window,
    asked: Question,
    placement: str,
    repeat: RepeatPolicy,
) -> tuple[Featurized, NDArray[np.bool_]]:
    """The candidates of a question, and which of them were taken."""
    where = pipeline.placement(placement)
    merged = pipeline.retrieve(where, asked.query, window.eligible_V(asked, repeat))
    return Featurized.of(featurizer, asked.query, merged, where.sources), np.isin(merged.rows_K, asked.targets)


def _rows_of(
    found: Featurized, taken_K: NDArray[np.bool_], negatives: int | None, number: int, draw: np.random.Generator
) -> RankerExamples:
    weight_K = np.ones(len(taken_K), np.float32)
    kept = np.arange(len(taken_K))
    others = np.flatnonzero(~taken_K)
    if negatives is not None and len(others) > negatives:
        drawn = draw.choice(others, negatives, replace=False)
        kept = np.sort(np.concatenate([np.flatnonzero(taken_K), drawn]))
        weight_K[others] = len(others) / negatives
    return RankerExamples(
        found.features_KF[kept],
        found.items_K[kept],
        found.codes_K2[kept],
        np.full(len(kept), number, np.int64),
        taken_K[kept].astype(np.float32),
        weight_K[kept],
    )
