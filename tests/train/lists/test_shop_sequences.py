"""The source ``sequence``: it learns the order of a shop's events, twice the same, from nothing but its snapshot."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aisle import recipe as recipes
from aisle.assemble import generator_fitter
from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.snapshots import Snapshot
from aisle.errors import BackendUnavailableError
from aisle.pipeline.action_items import ActionItemScorer
from aisle.pipeline.generators import SequenceGenerator
from aisle.recipe.generators import SequenceSpec
from aisle.recipe.list_models.candidates import (
    CandidateModelSpec,
    ListBstSpec,
    ListDienSpec,
    ListDinSpec,
    ListHstuRankerSpec,
)
from aisle.recipe.list_models.sequential import (
    Bert4RecSpec,
    CoreSpec,
    Gru4RecSpec,
    HstuSpec,
    ItemLossSpec,
    SasrecSpec,
    SequenceModelSpec,
    YoutubeDnnSpec,
)
from aisle.train.lists.shop_sequences import fit_sequence
from tests.contracts.generators import query_of
from tests.histories import SIGNALS, Line, snapshot_of

NUM_ITEMS, END = 6, 60
LOSS = ItemLossSpec(temperature=0.1)
PLAIN: dict[str, Any] = {"dim": 16, "max_length": 5, "batch_size": 64, "loss": ItemLossSpec()}
BY_CANDIDATE = {**PLAIN, "hidden": [16]}
MODELS: dict[str, SequenceModelSpec | CandidateModelSpec] = {
    "sasrec": SasrecSpec(kind="sasrec", dim=16, max_length=5, num_blocks=1, dropout=0, batch_size=16, loss=LOSS),
    "hstu": HstuSpec(kind="hstu", dim=16, max_length=5, num_layers=1, dropout=0, batch_size=16, loss=LOSS),
    "gru4rec": Gru4RecSpec(kind="gru4rec", dim=16, max_length=5, dropout=0, batch_size=16, loss=LOSS),
    "core": CoreSpec(kind="core", dim=16, max_length=5, dropout=0, batch_size=16, loss=LOSS),
    "youtube-dnn": YoutubeDnnSpec(
        kind="youtube-dnn", dim=16, max_length=5, hidden=[16], dropout=0, batch_size=16, loss=LOSS
    ),
    "bert4rec": Bert4RecSpec(
        kind="bert4rec",
        dim=16,
        max_length=5,
        num_blocks=1,
        dropout=0,
        batch_size=16,
        loss=LOSS,
        convolution=2,
        mask_share=0.3,
        last_share=0.5,
    ),
    "din": ListDinSpec(kind="din", attention_layers=[16], **BY_CANDIDATE),
    "bst": ListBstSpec(kind="bst", **BY_CANDIDATE),
    "dien": ListDienSpec(kind="dien", **BY_CANDIDATE),
    "hstu-ranker": ListHstuRankerSpec(kind="hstu-ranker", dropout=0, **PLAIN),
}


def cycle() -> list[Line]:
    """Each visitor goes round and round: behind item i comes i + 1; the first view what the others buy."""
    return [
        Line(
            day + visitor / 100,
            f"u{visitor}",
            f"i{(visitor + day) % NUM_ITEMS}",
            "view" if visitor == 0 else "purchase",
        )
        for visitor in range(12)
        for day in range(20)
    ]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    names = [f"i{number}" for number in range(NUM_ITEMS)]
    return snapshot_of([*cycle(), Line(30, "u1", "rare")], day=END, item_order=names)


def fit(snapshot: Snapshot, model: str = "sasrec", **options: Any) -> SequenceGenerator:
    options = {"epochs": 25, "learning_rate": 0.01, **options}
    (generator,) = fit_sequence(
        "next", SequenceSpec(kind="sequence", model=MODELS[model], **options), snapshot, SIGNALS
    )
    return generator


def next_of(generator: SequenceGenerator, *rows: int) -> int:
    eligible_V = np.ones(NUM_ITEMS + 3, np.bool_)
    query = query_of(*((row, float(len(rows) - at)) for at, row in enumerate(rows)), num_rows=NUM_ITEMS + 3)
    return int(generator.candidates(query, 1, eligible_V).rows_k[0])


@pytest.fixture(scope="module")
def sasrec(snapshot: Snapshot) -> SequenceGenerator:
    return fit(snapshot)


def test_it_learns_what_comes_next(sasrec: SequenceGenerator) -> None:
    assert [sasrec.name] == SequenceSpec(kind="sequence").source_names("next")
    assert [next_of(sasrec, 2 + item) for item in range(NUM_ITEMS)] == [3, 4, 5, 6, 7, 2]
    assert next_of(sasrec, 5, 6, 7, 2, 3, 4, 5) == 6


@pytest.mark.parametrize(
    ("model", "epochs"),
    [
        ("hstu", 25),
        ("gru4rec", 25),
        ("youtube-dnn", 25),
        ("bert4rec", 80),
        ("din", 60),
        ("bst", 60),
        ("dien", 60),
        ("hstu-ranker", 60),
    ],
)
def test_so_do_others(model: str, epochs: int, snapshot: Snapshot) -> None:
    generator = fit(snapshot, model, epochs=epochs)
    assert [next_of(generator, 2 + item) for item in range(NUM_ITEMS)] == [3, 4, 5, 6, 7, 2]
    assert generator.scorer.known_V.tolist() == [False, False, *[True] * NUM_ITEMS, False]


def test_a_mean_of_own_items_tells_what_is_near_them(snapshot: Snapshot) -> None:
    """Behind a single item CORE puts that item first; behind two of the cycle, of all others, what comes next."""
    generator = fit(snapshot, "core", epochs=60)
    assert [next_of(generator, 2 + item) for item in range(NUM_ITEMS)] == [2, 3, 4, 5, 6, 7]
    for item in range(NUM_ITEMS):
        before, last, behind = (2 + (item + step) % NUM_ITEMS for step in range(3))
        eligible_V = np.ones(NUM_ITEMS + 3, np.bool_)
        eligible_V[[before, last]] = False
        query = query_of((before, 2.0), (last, 1.0), num_rows=NUM_ITEMS + 3)
        assert generator.candidates(query, 1, eligible_V).rows_k[0] == behind


def test_the_ranker_of_actions_proposes_what_is_bought_and_reads_what_was(tmp_path: Path) -> None:
    """Behind a bought a half buys b, the others view c; behind a viewed one all view d."""
    nexts = {0: ("purchase", "b", "purchase"), 1: ("purchase", "c", "view"), 2: ("view", "d", "view")}
    lines = []
    for visitor in range(60):
        first, item, then = nexts[visitor % 3]
        lines += [Line(1 + visitor / 100, f"u{visitor}", "a", first), Line(2, f"u{visitor}", item, then)]
    generator = fit(snapshot_of(lines, day=9, item_order="abcd"), "hstu-ranker", epochs=60)
    a, b, c, d = range(2, 6)
    bought = query_of((a, 1.0), num_rows=6)
    viewed = replace(bought, taken_n=np.array([False]))
    eligible_V = np.arange(6) >= 2
    of_bought, of_viewed = (generator.candidates(query, 4, eligible_V).scores_V for query in (bought, viewed))
    assert of_bought is not None and of_viewed is not None
    assert of_bought[b] > 0.9 > 10 * of_bought[[a, c, d]].max()
    with BundleWriter(tmp_path / "bundle") as writer:
        parameters = json.loads(json.dumps(generator.save(writer)))
    loaded = SequenceGenerator.load("next", Bundle.open(tmp_path / "bundle"), parameters)
    again, found = (one.candidates(bought, 4, eligible_V).scores_k for one in (loaded, generator))
    assert np.array_equal(again, found)
    assert isinstance(generator.scorer, ActionItemScorer)
    whatever = ActionItemScorer(generator.scorer.ranker, generator.scorer.known_V, np.ones(2, np.bool_))
    rows = np.arange(2, 6)
    for taken, shares in ((1, [0, 0.5, 0.5, 0]), (0, [0, 0, 0, 1])):
        history = replace(ItemLists.of([[a]]), actions_E=np.array([taken], np.int32))
        odds = np.exp(whatever.scores_of(history, rows))
        np.testing.assert_allclose(odds / odds.sum(), shares, atol=0.1)


def test_twice_the_same(snapshot: Snapshot, sasrec: SequenceGenerator) -> None:
    again = fit(snapshot)
    assert again.scorer.graph == sasrec.scorer.graph
    assert np.array_equal(again.scorer.vectors_VE, sasrec.scorer.vectors_VE)


def test_rare_items_are_not_known(sasrec: SequenceGenerator) -> None:
    known_V = sasrec.scorer.vectors_VE.any(axis=1)
    assert known_V.tolist() == [False, False, *[True] * NUM_ITEMS, False]


def test_where_nobody_did_two_things_there_is_no_source(snapshot: Snapshot) -> None:
    once = snapshot_of([Line(1, f"u{number}", "a") for number in range(5)], day=3)
    assert fit_sequence("next", SequenceSpec(kind="sequence"), once, SIGNALS) == []
    nothing = replace(snapshot, events=snapshot.events.head(0))
    assert fit_sequence("next", SequenceSpec(kind="sequence"), nothing, SIGNALS) == []


def test_without_torch_the_remedy_is_named(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(
        "{kind: shop, name: next, generators: {next: {kind: sequence}}, "
        "placements: {for-you: {asks_with: history, fit: none, sources: [next]}}}"
    )
    fit_generators = generator_fitter(recipes.load(path))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match=r"generators.next: .*pip install 'aisle\[train\]'"):
        fit_generators(snapshot)


@pytest.mark.parametrize("told", [{"side": {"gaps": True}}, {"kind": "hstu", "time_bias": True}])
def test_of_a_visitors_history_items_alone_are_read(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected no side and no time_bias"):
        SequenceSpec.model_validate({"kind": "sequence", "model": {"kind": "sasrec", **told}})
