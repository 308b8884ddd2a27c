"""What sources add to the candidates: recall and order by hand, and which recipes are compared."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.pipeline import Blend
from aisle.pipeline.generators import Candidates
from benchmarks.candidate_sources import ADDED, Asked, methods_of, with_added


def listed(*rows: int) -> Candidates:
    """A source's candidates with the scores n, n - 1, ..."""
    return Candidates(np.array(rows, np.int32), np.arange(len(rows), 0, -1, dtype=np.float32))


#: Two questions; the second source finds what the first does not.
ASKED = Asked(
    [{"one": listed(2, 3), "two": listed(4)}, {"one": listed(3), "two": listed(5, 3)}],
    [np.array([4, 6], np.int32), np.array([3], np.int32)],
    8,
)


def test_recall_and_order_by_hand() -> None:
    blend = Blend({"one": 0.4, "two": 0.6})
    both = ASKED.score(["one", "two"], blend, "all")
    assert both["test/recall_plain@all/full/all"].tolist() == [0.5, 1]
    assert both["test/num_candidates/all"].tolist() == [3, 2]
    # Row 4 leads with .6 before row 2 with .4; row 3 has .4 + .6 root(1 / 2), row 5 has .6.
    ideal = 1 + 1 / np.log2(3)
    assert both["test/ndcg@20/full/all"] == pytest.approx([1 / ideal, 1])
    alone = ASKED.score(["one"], blend, "all")
    assert alone["test/recall_plain@300/full/all"].tolist() == [0, 1]
    assert alone["test/num_candidates/all"].tolist() == [2, 1]


def test_what_a_blend_is_fitted_on() -> None:
    examples = ASKED.examples(["one", "two"])
    assert examples.labels_RK.tolist() == [[False, False, True], [True, False, False]]
    assert examples.num_targets_R.tolist() == [2, 1]
    assert examples.features_RKS[0, :, 1].tolist() == [0, 0, 1]


def test_the_recipe_has_all_sources_and_each_method_lacks_some() -> None:
    recipe = with_added("shop-quick", ["ranker=null"])
    methods = methods_of(recipe)
    assert recipe.ranker is None
    assert set(ADDED) < set(methods["all sources"])
    assert set(methods["all sources"]) - set(methods["without sequence"]) == {"sequence"}
    assert set(methods["all sources"]) - set(methods["without transitions and sequence"]) == set(ADDED)
