"""What a training has finished is kept whole, and not made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.features.candidates import CandidateFeaturizer
from aisle.train.shop import work_directory
from aisle.train.shop.ranker_examples import RankerExamples
from aisle.train.shop.work_directory import WorkDirectory
from tests.histories import at
from tests.train.shop.test_ranker_examples import collect, featurizer, pipeline


def test_each_part_is_made_once_and_read_back(tmp_path: Path) -> None:
    made: list[str] = []

    def fit() -> CandidateFeaturizer:
        made.append("featurizer")
        return featurizer()

    def ask() -> RankerExamples:
        made.append("examples")
        return collect()

    for _ in range(2):  # the second time as after a kill
        work = WorkDirectory(tmp_path)
        read = work.featurizer(at(10), fit)
        examples = work.examples("examples", at(10), ask)
        assert work.pipeline(at(10), pipeline).item_ids == pipeline().item_ids
    assert made == ["featurizer", "examples"]
    assert np.array_equal(read.tables.visitors_VW, featurizer().tables.visitors_VW)
    assert np.array_equal(examples.features_RF, collect().features_RF)


def test_parts_of_other_times_and_kinds_lie_apart(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    assert len(work.examples("examples", at(10), collect)) == 11
    assert len(work.examples("lists", at(10), lambda: collect(repeats=["allow"]))) == 8
    assert len(work.examples("examples", at(11), lambda: collect(repeats=["exclude"]))) == 3
    assert len(work.examples("examples", at(10), lambda: pytest.fail("made already"))) == 11
    assert len({work.checkpoints(at(day), member).path for day in (10, 11) for member in (0, 1)}) == 4


def test_what_failed_half_way_is_made_again(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)

    def fails() -> CandidateFeaturizer:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.featurizer(at(10), fails)
    assert work.featurizer(at(10), featurizer).fitted_until_ms == at(10)


def test_a_ranker_s_state_is_kept_each_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not WorkDirectory(tmp_path).checkpoints(at(10), 0).is_due(10**6)
    monkeypatch.setattr(work_directory, "CHECKPOINT_SECONDS", 0.0)
    assert WorkDirectory(tmp_path).checkpoints(at(10), 0).is_due(1)
