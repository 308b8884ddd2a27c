"""What a blend is fitted on: questions of each kind, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.data.snapshots import ShopLog
from aisle.evaluate.windows import Window, build_window
from aisle.pipeline import Blend, Pipeline, Placement
from aisle.pipeline.generators import PopularityList, RepeatGenerator
from aisle.recipe.shop import PlacementSpec
from aisle.schema import Item
from aisle.train.shop.blend_examples import Examples, build_examples
from tests.histories import SIGNALS, Line, at, log_of

ITEMS = [
    Item(item_id="tea", category=["Drinks", "Hot"]),
    Item(item_id="mate", category=["Drinks", "Hot"]),
    Item(item_id="cola", category=["Drinks", "Cold"]),
    Item(item_id="rug"),
]
LOG = log_of(
    [
        *(Line(1, "ann", item, order="o1") for item in ("tea", "mate", "cola", "rug")),
        Line(2, "bob", "tea"),
        Line(11, "ann", "tea"),
        Line(12, "bob", "mate"),
        Line(12, "bob", "tea"),
        *(Line(13, "cat", item, order="o2") for item in ("tea", "mate", "cola")),
    ],
    ITEMS,
)


@pytest.fixture
def window() -> Window:
    return build_window(LOG, LOG.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)


def examples_of(window: Window, fit: str, repeat: str = "allow", log: ShopLog = LOG) -> tuple[Examples, list[str]]:
    """The examples of the sources ``popular`` (tea 4, mate 1, cola 1, rug 1) and ``own``; and the item of each row."""
    num_items = window.snapshot.num_items
    scores = np.array([0, 0, 4, 1, 1, 1], np.float32)
    assert num_items == len(scores)
    generators = {
        "popular": PopularityList("popular", scores, reason=""),
        "own": RepeatGenerator("own", score="recency", half_life_days=None),
    }
    placement = Placement("p", "history", ("popular", "own"), {"allow": Blend({})})
    pipeline = Pipeline(
        item_ids=window.snapshot.item_ids,
        generators=generators,
        placements={"p": placement},
        signals=SIGNALS.strengths,
        target="purchase",
        candidates_per_source=9,
        history_limit=99,
        fitted_until_ms=at(10),
    )
    spec = PlacementSpec.model_validate({"asks_with": "history", "sources": ["popular", "own"], "fit": fit})
    return build_examples(pipeline, placement, spec, repeat, window, log), window.snapshot.item_ids[2:]  # type: ignore[arg-type]


def test_next_window_asks_users_for_what_they_take(window: Window) -> None:
    examples, items = examples_of(window, "next-window")
    assert items == ["tea", "mate", "cola", "rug"]
    # ann takes tea again, bob tea and mate.
    assert examples.labels_RK.tolist() == [[True, False, False, False], [True, True, False, False]]
    assert examples.num_targets_R.tolist() == [1, 2]
    assert examples.features_RKS[0].tolist() == [[1, 1], [0.5, 1], [0.5, 1], [0.5, 1]]
    assert examples.features_RKS[1].tolist() == [[1, 1], [0.5, 0], [0.5, 0], [0.5, 0]]


def test_next_window_without_repeats(window: Window) -> None:
    examples, _ = examples_of(window, "next-window", "exclude")
    # Only bob takes something new; tea is no candidate of his, so mate, cola and rug are left, of equal popularity.
    assert examples.labels_RK.tolist() == [[True, False, False]]
    assert examples.features_RKS[0].tolist() == [[1, 0], [1, 0], [1, 0]]


def test_repeats_ask_for_what_is_taken_again(window: Window) -> None:
    examples, _ = examples_of(window, "repeats")
    assert examples.num_targets_R.tolist() == [1, 1]
    # ann owns four items, bob one: the second list is padded.
    assert examples.labels_RK.tolist() == [[True, False, False, False], [True, False, False, False]]
    assert examples.features_RKS[1].tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]


def test_next_item_asks_for_the_last_item_of_each_visit() -> None:
    lines = [
        *(Line(1, "ann", item) for item in ("tea", "mate", "cola")),
        *(Line(11 + minutes / 1440, "ann", item) for minutes, item in enumerate(["mate", "mate", "tea", "cola"])),
    ]
    log = log_of(lines, item_order=["tea", "mate", "cola", "rug"], items=[Item(item_id="rug")])
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    examples, items = examples_of(window, "next-item", log=log)
    assert items == ["tea", "mate", "cola", "rug"]
    # Mate and tea were there before: of the candidates only cola is left.
    assert examples.labels_RK.tolist() == [[True]]
    assert examples.num_targets_R.tolist() == [1]


def test_baskets_ask_for_the_hidden_item(window: Window) -> None:
    examples, _ = examples_of(window, "baskets")
    assert examples.labels_RK.shape == (1, 2), "two items are visible, so two are left"
    assert examples.labels_RK.sum() == 1
    assert examples.num_targets_R.tolist() == [1]


def test_same_category_asks_for_others_of_the_most_special_category(window: Window) -> None:
    examples, _ = examples_of(window, "same-category")
    # bob takes tea and mate, both Hot: each is asked for the other. (cat was not known; cola is Cold, rug nothing.)
    assert examples.labels_RK.tolist() == [[True, False, False], [True, False, False]]
    assert examples.features_RKS[0, :, 0].tolist() == [1, 1, 1], "asked for tea: mate, cola, rug"
    assert examples.features_RKS[1, :, 0].tolist() == [1, 0.5, 0.5], "asked for mate: tea, cola, rug"


def test_a_window_without_answers_gives_no_examples() -> None:
    log = log_of(
        [*(Line(1, "ann", item) for item in ("tea", "mate", "cola", "rug")), Line(19, None, "tea", session="s")]
    )
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    for fit in ("next-window", "repeats", "baskets", "same-category"):
        examples, _ = examples_of(window, fit, log=log)
        assert examples.labels_RK.size == 0
        assert examples.features_RKS.shape == (0, 0, 2)
