"""A ranker's examples: candidates, labels and weights worked by hand; what has seen the future is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from aisle.errors import DataError
from aisle.evaluate.windows import Window, build_window
from aisle.features.candidates import CandidateFeaturizer
from aisle.features.item_tables import ItemColumns, ShopEvents
from aisle.pipeline import Blend, Pipeline, Placement, RepeatPolicy
from aisle.pipeline.generators import PopularityList, RepeatGenerator
from aisle.schema import DAY_MS
from aisle.train.shop.ranker_examples import RankerExamples, collect_examples
from tests.histories import SIGNALS, at
from tests.train.shop.test_blend_examples import LOG

SOURCES = ("popular", "own")
SNAPSHOT = LOG.before(at(10))
#: Before day 10 ann took tea, mate, cola and rug, bob tea; in the window ann takes tea again, bob mate and tea.
WINDOW = build_window(LOG, SNAPSHOT, horizon_days=10, signals=SIGNALS, history_limit=99)


def pipeline(until_ms: int = SNAPSHOT.until_ms) -> Pipeline:
    scores = np.array([0, 0, 4, 3, 2, 1], np.float32)
    return Pipeline(
        item_ids=SNAPSHOT.item_ids,
        generators={
            "popular": PopularityList("popular", scores, reason=""),
            "own": RepeatGenerator("own", score="recency", half_life_days=None),
        },
        placements={"p": Placement("p", "history", SOURCES, {"allow": Blend({})})},
        signals=SIGNALS.strengths,
        target="purchase",
        candidates_per_source=9,
        history_limit=99,
        fitted_until_ms=until_ms,
    )


def featurizer(day: float = 10) -> CandidateFeaturizer:
    return CandidateFeaturizer.fit(
        ShopEvents.of_snapshot(LOG.before(at(day)), SIGNALS.strengths, "purchase"),
        ItemColumns.of_snapshot(SNAPSHOT),
        until_ms=at(day),
        sources=SOURCES,
    )


def collect(
    *,
    negatives: int | None = None,
    repeats: Sequence[RepeatPolicy] = ("allow", "exclude"),
    max_questions: int = 9,
    seed: int = 0,
    window: Window = WINDOW,
    fitted: Pipeline | None = None,
    features: CandidateFeaturizer | None = None,
) -> RankerExamples:
    return collect_examples(
        fitted or pipeline(),
        features or featurizer(),
        window,
        placement="p",
        repeats=repeats,
        negatives=negatives,
        max_questions=max_questions,
        seed=seed,
    )


def items_of(examples: RankerExamples, number: int) -> dict[str, float]:
    """The items of a list with their labels."""
    rows = examples.list_R == number
    names = [SNAPSHOT.item_ids[row] for row in examples.items_R[rows]]
    return dict(zip(names, examples.label_R[rows].tolist(), strict=True))


def test_candidates_and_labels_under_both_policies() -> None:
    examples = collect()
    assert items_of(examples, 0) == {"tea": 1, "mate": 0, "cola": 0, "rug": 0}, "ann, who may be shown what she has"
    assert items_of(examples, 1) == {"tea": 1, "mate": 1, "cola": 0, "rug": 0}
    assert items_of(examples, 2) == {"mate": 1, "cola": 0, "rug": 0}, "bob, who is shown what he has not"
    assert len(examples) == 11, "ann took nothing new"
    assert (examples.weight_R == 1).all()
    assert items_of(collect(repeats=["exclude"]), 0) == items_of(examples, 2)


def test_features_are_those_of_the_snapshot_s_time() -> None:
    examples = collect()
    names = featurizer().names
    own_last = examples.features_RF[:, names.index("own_last")]
    bob_tea = (examples.list_R == 1) & (examples.items_R == SNAPSHOT.item_row_of["tea"])
    assert own_last[bob_tea] == pytest.approx(np.log1p(8)), "taken on day 2, asked on day 10"
    assert examples.features_RF.shape == (11, len(names))
    hot = featurizer().categories.index("Drinks") + 1
    assert set(examples.codes_R2[examples.items_R == SNAPSHOT.item_row_of["tea"], 0]) == {hot}


def test_sampled_negatives_weigh_the_inverse_of_their_rate() -> None:
    whole, examples = collect(), collect(negatives=1)
    assert examples.list_R.tolist() == [0, 0, 1, 1, 1, 2, 2]
    for number, (positives, others) in enumerate([(1, 3), (2, 2), (1, 2)]):
        rows = examples.list_R == number
        label, weight = examples.label_R[rows], examples.weight_R[rows]
        assert weight[label == 1].tolist() == [1] * positives, "all that were taken stay"
        assert weight[label == 0].tolist() == [others]
        assert weight.sum() == (whole.list_R == number).sum(), "the list stands for itself"
        assert items_of(examples, number).items() <= items_of(whole, number).items()


def test_draws_go_by_the_seed() -> None:
    same = [collect(negatives=1, seed=3) for _ in range(2)]
    assert all(np.array_equal(getattr(same[0], one.name), getattr(same[1], one.name)) for one in fields(same[0]))
    others = {tuple(collect(negatives=1, seed=seed).items_R) for seed in range(8)}
    assert len(others) > 1


def test_so_many_visitors_at_most_are_asked_for_under_each_policy() -> None:
    assert [len(collect(max_questions=1, seed=seed)) for seed in range(6)] == [4 + 3] * 6


@pytest.mark.parametrize("late", ["pipeline", "featurizer"])
def test_state_that_has_seen_the_window_is_refused(late: str) -> None:
    arguments = {"fitted": pipeline(at(11))} if late == "pipeline" else {"features": featurizer(11)}
    with pytest.raises(DataError, match=rf"fitted until {at(10)} at most, received one fitted until {at(11)}"):
        collect(**arguments)  # type: ignore[arg-type]
    earlier = {"fitted": pipeline(at(9))} if late == "pipeline" else {"features": featurizer(9)}
    assert len(collect(**earlier)) == 11  # type: ignore[arg-type]


def test_a_window_in_which_nobody_took_anything_is_refused() -> None:
    with pytest.raises(DataError, match="expected visitors who took something in the window, received none"):
        collect(window=replace(WINDOW, questions=[]))


def test_saved_they_are_mapped_and_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = collect(negatives=1)

    def full(descriptor: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("os.fsync", full)
        examples.save(tmp_path / "examples")
    assert not (tmp_path / "examples").exists()
    examples.save(tmp_path / "examples")
    assert [path.name for path in tmp_path.iterdir()] == ["examples"], "what was half written is gone"
    loaded = RankerExamples.load(tmp_path / "examples")
    for column in fields(examples):
        mapped = getattr(loaded, column.name)
        assert isinstance(mapped, np.memmap) and np.array_equal(mapped, getattr(examples, column.name))
    assert SNAPSHOT.until_ms % DAY_MS == 0
