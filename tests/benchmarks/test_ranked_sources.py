"""Sources behind a ranker: places by hand, what only an added source found, and what each method is denied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aisle.features.candidates import CandidateFeaturizer
from aisle.train.shop.ranker_examples import RankerExamples
from benchmarks.ablation import Denied
from benchmarks.candidate_facts import auc_of_sources, of_candidates, places_of, where_placed
from benchmarks.candidate_sources import with_added
from benchmarks.ranked_sources import denied_of
from tests.benchmarks.conftest import RankedShop

UNTIL_DAYS_BEFORE_END = 10


@pytest.fixture(scope="module")
def listed(ranked_shop: RankedShop) -> tuple[CandidateFeaturizer, RankerExamples]:
    """Whole lists of few candidates per source, so that some are listed by one source alone."""
    snapshots = ranked_shop.snapshots(ranked_shop.recipe("candidates_per_source=5"), "ranked-sources")
    until_ms = ranked_shop.log.end_ms - UNTIL_DAYS_BEFORE_END * 86_400_000
    return snapshots.fitted(until_ms).featurizer, ranked_shop.whole_lists(snapshots, until_ms)


def test_places_by_hand() -> None:
    list_R = np.array([0, 0, 0, 2, 2])
    scores_R = np.array([0.1, 0.9, 0.1, -1.0, 3.0], np.float32)
    assert places_of(list_R, scores_R).tolist() == [2, 1, 3, 2, 1], "equal scores keep their order"


def test_what_only_an_added_source_found(listed: tuple[CandidateFeaturizer, RankerExamples]) -> None:
    featurizer, lists = listed
    ranks = {name: lists.features_RF[:, featurizer.names.index(f"rank_{name}")] for name in featurizer.sources}
    only_popular_R = (ranks["own_30d"] == 0) & (ranks["together_cosine"] == 0)
    assert 0 < only_popular_R.sum() < len(lists)
    best = np.where(only_popular_R, 1.0, 0.0).astype(np.float32)  # what was added leads each list
    found = where_placed(featurizer, lists, [best, best], added=("popular_10d",))
    assert found["share_of_candidates_only_added"] == pytest.approx(only_popular_R.mean())
    taken = lists.label_R > 0
    assert found["others"]["targets"] == (taken & ~only_popular_R).sum()
    num_added = int((taken & only_popular_R).sum())
    assert found.get("only_added", {"targets": 0})["targets"] == num_added
    nothing = where_placed(featurizer, lists, [best], added=())
    assert "only_added" not in nothing
    assert nothing["others"]["targets"] == taken.sum()
    assert nothing["others"]["share_among_first_20"] == 1, "no list is longer"


def test_recall_of_candidates(ranked_shop: RankedShop, listed: tuple[CandidateFeaturizer, RankerExamples]) -> None:
    _, lists = listed
    snapshots = ranked_shop.snapshots(ranked_shop.recipe("candidates_per_source=5"), "ranked-sources")
    window = snapshots.window(ranked_shop.log.end_ms - UNTIL_DAYS_BEFORE_END * 86_400_000)
    found = of_candidates(window, lists)
    asked = window.asked("allow")
    for number, question in enumerate(asked):
        items = lists.items_R[lists.list_R == number]
        assert found["test/num_candidates/all"][number] == len(items)
        assert found["test/recall_plain@all/full/all"][number] == np.isin(question.targets, items).mean()
    assert len(found["test/num_candidates/new"]) == len(window.asked("exclude"))


def test_sources_that_know_the_answer_stand_out(listed: tuple[CandidateFeaturizer, RankerExamples]) -> None:
    featurizer, lists = listed
    features_RF = np.array(lists.features_RF)
    columns = [featurizer.names.index(f"score_{name}") for name in ("popular_10d", "own_30d")]
    features_RF[:, columns] = np.stack([lists.label_R, np.zeros(len(lists))], axis=1)
    found = auc_of_sources(featurizer, replace(lists, features_RF=features_RF))
    assert found.keys() == {*featurizer.sources}
    assert (found["popular_10d"], found["own_30d"]) == (1.0, 0.5)
    assert found["together_cosine"] == auc_of_sources(featurizer, lists)["together_cosine"]


def test_each_method_is_denied_what_it_lacks() -> None:
    assert denied_of(with_added("shop-quick", [])) == {
        "for-you": Denied(),
        "without transitions": Denied(("transitions",)),
        "without sequence": Denied(("sequence",)),
        "without transitions and sequence": Denied(("transitions", "sequence")),
        "without transitions and sequence, columns of noise": Denied(("transitions", "sequence"), is_shuffled=True),
    }
