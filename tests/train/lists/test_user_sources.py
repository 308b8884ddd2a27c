"""Sources ``list_model`` that know who asks: each learns a tiny shop, answers its users, and others as it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aisle import recipe as recipes
from aisle.assemble import generator_fitter
from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import NOBODY
from aisle.data.snapshots import Snapshot
from aisle.errors import ConfigError
from aisle.pipeline import Query
from aisle.pipeline.generators import ListModelGenerator
from tests.contracts.generators import query_of
from tests.histories import Line, snapshot_of
from tests.train.lists.test_shop_lists import END, NUM_ITEMS, SPECS, halves

NUM_ROWS = NUM_ITEMS + 3
EVERY = np.arange(NUM_ROWS) >= 2
LINES = [*halves(), Line(30, "u1", "rare"), *(Line(31, None, f"i{n}", session="s") for n in (0, 2, 4))]
#: What each model needs beside its defaults to tell the halves of the tiny shop apart.
USERS_ALONE: dict[str, dict[str, Any]] = {
    "bpr": {"factors": 4, "iterations": 400},
    "gmf": {"dimension": 8, "batch_size": 16},
    "ncf-mlp": {"dimension": 8, "hidden": [16, 8], "batch_size": 16},
    "neumf": {"dimension": 8, "mlp_dimension": 8, "hidden": [16, 8], "batch_size": 16},
    "nnmf": {"dimension": 4, "products": 8, "hidden": [8], "batch_size": 16},
}
HISTORIES_TOO: dict[str, dict[str, Any]] = {
    "lightgcn": {"dimension": 8, "batch_size": 16},
    "acf": {"dimension": 8, "attention": 8, "batch_size": 16},
    "slcm": {"dimension": 8, "context": 8, "hidden": [16, 8], "batch_size": 4, "dropout": 0.0},
}
MODELS = USERS_ALONE | HISTORIES_TOO
#: How many of the first are sure to be of the visitor's half: this one learns what comes next, and no more.
SURE = dict.fromkeys(MODELS, 3) | {"slcm": 1}
Sources = Callable[[str], ListModelGenerator]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return snapshot_of(LINES, day=END, item_order=[f"i{n}" for n in range(NUM_ITEMS)])


def fitted(snapshot: Snapshot, folder: Path, kind: str, **model: Any) -> list[ListModelGenerator]:
    spec: dict[str, Any] = {"kind": "list_model", "model": {"kind": kind, **model}}
    if kind not in ("bpr", "explicit-svd"):
        spec |= {"epochs": 60, "learning_rate": 0.02}
    placement = {"asks_with": "history", "fit": "none", "sources": ["mine"]}
    recipe = {"kind": "shop", "name": "users", "generators": {"mine": spec}, "placements": {"for-you": placement}}
    path = folder / "shop.yaml"
    path.write_text(json.dumps(recipe))
    return list(generator_fitter(recipes.load(path))(snapshot).values())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The source of a kind, fitted once for all tests."""

    @cache
    def source(kind: str) -> ListModelGenerator:
        (generator,) = fitted(snapshot, tmp_path_factory.mktemp("shop"), kind, **MODELS[kind])
        return generator

    return source


def of_user(number: int, *items: int, num_rows: int = NUM_ROWS) -> Query:
    """A user's question, with a history of items."""
    asked = query_of(*((item + 2, 1.0 + place) for place, item in enumerate(items)), num_rows=num_rows)
    return Query(**{**vars(asked), "user_id": f"u{number}"})


def history_of(number: int) -> list[int]:
    """What the visitor of the tiny shop took, the latest first."""
    return [int(line.item[1:]) for line in reversed(halves()) if line.user == f"u{number}"]


@pytest.mark.parametrize("kind", MODELS)
def test_users_are_told_apart(kind: str, source: Sources) -> None:
    for number in range(16):
        found = source(kind).candidates(of_user(number, *history_of(number)), 3, EVERY)
        assert {row % 2 for row in found.rows_k.tolist()[: SURE[kind]]} == {number % 2}, f"u{number}"
        assert found.scores_V is not None
        assert found.scores_V[[0, 1, NUM_ROWS - 1]].tolist() == [0, 0, 0], "reserved rows, and a rare item"
        assert (found.scores_V[2:-1] > 0).all(), "a feature of every fitted item"
        assert found.scores_V.sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", USERS_ALONE)
def test_strangers_get_nothing_where_the_history_is_not_read(kind: str, source: Sources) -> None:
    for stranger in (of_user(99, 0, 2), query_of((2, 1.0), num_rows=NUM_ROWS)):
        assert len(source(kind).candidates(stranger, 3, EVERY).rows_k) == 0
    known, silent = source(kind).candidates(of_user(1, 0), 3, EVERY), source(kind).candidates(of_user(1), 3, EVERY)
    assert known.scores_k.tolist() == silent.scores_k.tolist(), "only who asks counts"


@pytest.mark.parametrize("kind", HISTORIES_TOO)
def test_strangers_are_answered_by_their_history_where_it_is_read(kind: str, source: Sources) -> None:
    for parity in (0, 1):
        for user_id in ("never seen", None):
            asked = Query(**{**vars(of_user(0, parity + 2, parity)), "user_id": user_id})
            rows = source(kind).candidates(asked, 3, EVERY).rows_k.tolist()
            assert {row % 2 for row in rows[: SURE[kind]]} == {parity}
    assert len(source(kind).candidates(of_user(99), 3, EVERY).rows_k) == 0, "of whom nothing is known"
    assert len(source(kind).candidates(of_user(99, NUM_ITEMS), 3, EVERY).rows_k) == 0, "the rare item says nothing"


@pytest.mark.parametrize("kind", HISTORIES_TOO)
def test_later_events_are_felt(kind: str, source: Sources) -> None:
    before, after = (source(kind).candidates(of_user(2, *items), 3, EVERY) for items in ([2, 4], [2, 4, 6]))
    assert before.scores_k.tolist() != after.scores_k.tolist()


@pytest.mark.parametrize("kind", MODELS)
def test_saved_and_fitted_again_it_is_the_same(kind: str, source: Sources, snapshot: Snapshot, tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        parameters = json.loads(json.dumps(source(kind).save(writer)))
    loaded = ListModelGenerator.load("mine", Bundle.open(tmp_path / "bundle"), parameters)
    (again,) = fitted(snapshot, tmp_path, kind, **MODELS[kind])
    for query in (of_user(3, *history_of(3)), of_user(8, *history_of(8)), of_user(99, 0, 2)):
        expected = source(kind).candidates(query, 3, EVERY)
        for other in (loaded, again):
            found = other.candidates(query, 3, EVERY)
            assert np.array_equal(found.rows_k, expected.rows_k)
            assert np.array_equal(found.scores_k, expected.scores_k)


def rated() -> list[Line]:
    """Everybody rates all but one item of the even and the odd half: the own one high, the other one low."""
    return [
        Line(1 + item, f"u{number}", f"i{item}", "rating", value=5.0 if item % 2 == number % 2 else 1.0)
        for number in range(16)
        for item in range(NUM_ITEMS)
        if item != number % NUM_ITEMS
    ]


def test_ratings_are_learnt_by_their_values(tmp_path: Path) -> None:
    changed = [Line(20, "u0", f"i{item}", "rating", value=1.0 + 4 * (item % 2)) for item in range(NUM_ITEMS)]
    unrated = [Line(21, "u1", "i0", "rating"), Line(21, "u1", "rare", "rating", value=5.0)]
    lines = [*halves(), *rated(), *changed, *unrated]
    order = [f"i{n}" for n in range(NUM_ITEMS)]
    (source,) = fitted(snapshot_of(lines, day=END, item_order=order), tmp_path, "explicit-svd", factors=4)
    for number in range(16):
        found = source.candidates(of_user(number), 4, EVERY)
        likes = 1 if number == 0 else number % 2
        assert {row % 2 for row in found.rows_k.tolist()} == {likes}, "u0 thought better of it"
        assert found.scores_V is not None
        assert found.scores_V[[0, 1, NUM_ROWS - 1]].tolist() == [0, 0, 0]
    assert len(source.candidates(of_user(99, 0, 2), 4, EVERY).rows_k) == 0


@pytest.mark.parametrize("kind", ["bpr", "gmf", "lightgcn"])
def test_a_shop_of_sessions_alone_has_no_source_that_knows_users(kind: str, tmp_path: Path) -> None:
    sessions = [Line(line.day, None, line.item, session=line.user) for line in halves()]
    assert fitted(snapshot_of(sessions, day=END), tmp_path, kind) == []


def test_without_ratings_explicit_svd_is_no_source(snapshot: Snapshot, tmp_path: Path) -> None:
    assert fitted(snapshot, tmp_path, "explicit-svd") == []


def test_a_bundle_holds_the_vectors_of_users_alone_and_no_id(source: Sources, tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        source("bpr").save(writer)
    arrays = Bundle.open(tmp_path / "bundle")
    assert len(arrays.read_arrays("generators/mine/model")["users"]) == 16, "not the session's"
    assert len(arrays.read_arrays("generators/mine/fitted")["visitors"]) == 16
    assert all(b"u11" not in path.read_bytes() for path in (tmp_path / "bundle").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"kind": "acf", "components": True}, "model.components: expected false in a shop's recipe, received true"),
        ({"kind": "neumf", "pretraining_epochs": 9}, "pretraining_epochs: expected epochs .4. at most, received 9"),
    ],
)
def test_what_a_shop_cannot_do_is_refused(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SPECS.validate_python({"kind": "list_model", "epochs": 4, "model": model})


def test_a_placement_of_items_takes_no_source_that_must_know_who_asks(tmp_path: Path) -> None:
    generators = {
        "users": {"kind": "list_model", "model": {"kind": "gmf"}},
        "graph": {"kind": "list_model", "model": {"kind": "lightgcn"}},
    }
    placements = {"for-you": {"asks_with": "history", "fit": "none", "sources": ["users"]}}
    for source, is_refused in (("graph", False), ("users", True)):
        placements["similar-items"] = {"asks_with": "items", "fit": "none", "sources": [source]}
        recipe = {"kind": "shop", "name": "users", "generators": generators, "placements": placements}
        (tmp_path / "shop.yaml").write_text(json.dumps(recipe))
        if is_refused:
            with pytest.raises(ConfigError, match=r"similar-items.sources: .* users, which must know who asks"):
                recipes.load(tmp_path / "shop.yaml")
        else:
            recipes.load(tmp_path / "shop.yaml")


@pytest.mark.parametrize("kind", ["bpr", "lightgcn"])
def test_what_comes_later_is_not_learnt(kind: str, source: Sources, tmp_path: Path) -> None:
    later = [Line(END + 1, user, f"i{n}") for user in ("u2", "later") for n in range(1, NUM_ITEMS, 2)]
    snapshot = snapshot_of([*LINES, *later], day=END, item_order=[f"i{n}" for n in range(NUM_ITEMS)])
    (again,) = fitted(snapshot, tmp_path, kind, **MODELS[kind])
    assert again.visitors is not None
    assert again.visitors.row("later") == NOBODY
    one, other = (fit.candidates(of_user(2, 2, 4), 3, EVERY) for fit in (again, source(kind)))
    assert np.array_equal(one.scores_k, other.scores_k)
