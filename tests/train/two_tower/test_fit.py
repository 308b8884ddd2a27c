"""Two-tower training: it learns what there is to learn, twice the same, and serves what it trained."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aisle import recipe as recipes
from aisle.assemble import generator_fitter
from aisle.bundle import Bundle, BundleWriter
from aisle.data.snapshots import Snapshot
from aisle.errors import BackendUnavailableError, DataError
from aisle.evaluate.windows import visitor_queries
from aisle.pipeline import Query
from aisle.pipeline.generators import NewcomerGenerator, TwoTowerGenerator
from aisle.pipeline.history_pools import HistoryPools
from aisle.recipe.generators import TwoTowerSpec
from aisle.schema import Item
from aisle.train.two_tower import fit as training
from aisle.train.two_tower.examples import BatchSettings, TowerExamples
from aisle.train.two_tower.fit import fit_two_tower
from tests.histories import SIGNALS, Line, at, snapshot_of

SPEC = TwoTowerSpec(
    kind="two_tower",
    dimension=8,
    id_dimension=8,
    hidden=[16],
    content_dimension=4,
    num_epochs=30,
    batch_size=32,
    negatives=8,
    learning_rate=0.01,
    id_weight_decay=0.0,
    history_half_lives_days=[10.0, None],
    newcomer_quota=5,
)
NUM_ITEMS = 16
END = 80


def checkerboard(*, seed: int = 0) -> list[Line]:
    """Visitors of even number take items of even number, the others the odd ones; nothing else is to be learned."""
    draw = np.random.default_rng(seed)
    return [
        Line(day + user / 100, f"u{user}", f"i{2 * draw.integers(NUM_ITEMS // 2) + user % 2}")
        for day in range(0, END, 4)
        for user in range(20)
    ]


def catalogue(titles: dict[str, str] | None = None) -> list[Item]:
    words = ("round", "square")
    names = {f"i{number}": f"{words[number % 2]} thing" for number in range(NUM_ITEMS)} | (titles or {})
    return [Item(item_id=item_id, title=title, price=5.0, updated_at=at(0)) for item_id, title in names.items()]


def fit(snapshot: Snapshot, **changes: object) -> tuple[TwoTowerGenerator, NewcomerGenerator]:
    nearest, newcomers = fit_two_tower("tower", SPEC.model_copy(update=changes), snapshot, SIGNALS)
    assert isinstance(nearest, TwoTowerGenerator) and isinstance(newcomers, NewcomerGenerator)
    return nearest, newcomers


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return snapshot_of(checkerboard(), catalogue(), day=END)


@pytest.fixture(scope="module")
def fitted(snapshot: Snapshot) -> tuple[TwoTowerGenerator, NewcomerGenerator]:
    return fit(snapshot)


def some_queries(snapshot: Snapshot) -> dict[int, Query]:
    return visitor_queries(snapshot, list(range(2, snapshot.num_users)), signals=SIGNALS, history_limit=100)


def everything(snapshot: Snapshot, more: int = 0) -> np.ndarray:
    return np.arange(snapshot.num_items + more) >= 2


def test_it_learns_a_checkerboard(snapshot: Snapshot, fitted: tuple[TwoTowerGenerator, NewcomerGenerator]) -> None:
    for user, query in some_queries(snapshot).items():
        best = fitted[0].candidates(query, NUM_ITEMS // 2, everything(snapshot)).rows_k
        parity = int(snapshot.user_ids[user][1:]) % 2
        assert all(int(snapshot.item_ids[row][1:]) % 2 == parity for row in best)


def test_it_learns_from_ids_where_there_is_no_text() -> None:
    bare = snapshot_of(checkerboard(), day=END)
    nearest, _ = fit(bare, unknown_rate=0.0)
    hits = []
    for user, query in some_queries(bare).items():
        best = nearest.candidates(query, NUM_ITEMS // 2, everything(bare)).rows_k
        hits += [int(bare.item_ids[row][1:]) % 2 == int(bare.user_ids[user][1:]) % 2 for row in best]
    assert np.mean(hits) > 0.95


def test_a_new_item_is_found_by_its_text(
    snapshot: Snapshot, fitted: tuple[TwoTowerGenerator, NewcomerGenerator]
) -> None:
    nearest, newcomers = fitted
    round_row, square_row = snapshot.num_items, snapshot.num_items + 1
    new_items = [
        Item(item_id="n0", title="A round thing, new", price=5.0),
        Item(item_id="n1", title="A square thing, new", price=5.0),
    ]
    nearest.set_new_items(new_items)
    for user, query in some_queries(snapshot).items():
        grown = Query(**{**vars_of(query), "num_rows": snapshot.num_items + 2})
        liked, other = (round_row, square_row) if int(snapshot.user_ids[user][1:]) % 2 == 0 else (square_row, round_row)
        scores_V = nearest.candidates(grown, 5, everything(snapshot, 2)).scores_V
        assert scores_V is not None and scores_V[liked] > 10 * scores_V[other]
        assert newcomers.candidates(grown, 5, everything(snapshot, 2)).rows_k.tolist() == [liked, other]
    nearest.set_new_items([])


def vars_of(query: Query) -> dict[str, object]:
    return {name: getattr(query, name) for name in Query.__dataclass_fields__}


def test_the_same_seed_gives_the_same_vectors(
    snapshot: Snapshot, fitted: tuple[TwoTowerGenerator, NewcomerGenerator], tmp_path: Path
) -> None:
    torch.manual_seed(99)
    again = fit(snapshot)
    for name, sources in (("one", fitted), ("other", again)):
        with BundleWriter(tmp_path / name) as writer:
            for source in sources:
                source.save(writer)
    one, other = Bundle.open(tmp_path / "one"), Bundle.open(tmp_path / "other")
    for name in one.names():
        assert (one.directory / name).read_bytes() == (other.directory / name).read_bytes(), name
    assert not np.array_equal(fit(snapshot, seed=1)[0].towers.vectors_VD, fitted[0].towers.vectors_VD)


def test_no_path_of_the_machine_is_in_a_graph(
    fitted: tuple[TwoTowerGenerator, NewcomerGenerator], tmp_path: Path
) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        fitted[0].save(writer)
    for name in ("item_tower", "query_tower"):
        graph = Bundle.open(tmp_path / "bundle").read_bytes(f"generators/tower/{name}.onnx")
        assert str(Path(training.__file__).parent.parent).encode() not in graph and b".py" not in graph


def test_what_is_served_is_what_was_trained(snapshot: Snapshot, tmp_path: Path) -> None:
    """Eager torch on a batch of ragged histories, against one query at a time through the loaded bundle."""
    facts, facts_VF = training.fit_item_facts(SPEC, snapshot)
    pools = HistoryPools(tuple(SPEC.history_half_lives_days), SPEC.max_history)
    settings = BatchSettings(SPEC.batch_size, SPEC.positives_per_query, SPEC.negatives, SPEC.horizon_days)
    examples = TowerExamples(snapshot, SIGNALS, facts_VF.any(axis=1), pools, settings, max_queries=1000)
    id_rows_V = np.arange(snapshot.num_items)
    model = training.train_two_tower(SPEC.model_copy(update={"num_epochs": 2}), examples, facts_VF, id_rows_V)
    (fit_one, _) = fit(snapshot, num_epochs=2, min_events_per_id=1)
    with BundleWriter(tmp_path / "bundle") as writer:
        parameters = fit_one.save(writer)
    served = TwoTowerGenerator.load("tower", Bundle.open(tmp_path / "bundle"), parameters).towers
    queries = list(some_queries(snapshot).values())
    rows_N = np.concatenate([query.rows_n for query in queries]).astype(np.int64)
    starts_B = np.cumsum([0, *(len(query.rows_n) for query in queries[:-1])])
    ages_N = np.concatenate([query.ages_days_n for query in queries])
    weights_HN, query_facts_BG = pools.weigh(ages_N, np.ones(len(rows_N)), starts_B)
    with torch.no_grad():
        tensors = [torch.from_numpy(one) for one in (rows_N, rows_N, starts_B, weights_HN, query_facts_BG)]
        eager_BD = model.query_vectors(*tensors).numpy()
        every = torch.arange(snapshot.num_items)
        eager_VD = model.item_vectors(every, every).numpy()
    alone_BD = np.stack([served.query_vector(query) for query in queries])  # type: ignore[arg-type]
    np.testing.assert_allclose(alone_BD, eager_BD, rtol=0, atol=1e-5)
    np.testing.assert_allclose(served.vectors_VD[2:], eager_VD[2:], rtol=0, atol=1e-5)
    assert not served.vectors_VD[:2].any()
    assert facts.num_facts == facts_VF.shape[1]


def test_what_comes_after_the_snapshot_changes_nothing(
    fitted: tuple[TwoTowerGenerator, NewcomerGenerator],
) -> None:
    later = [Line(END, "u0", "i1"), Line(END + 1, "u1", "brand-new"), Line(END + 2, "stranger", "i2")]
    order = [f"i{number}" for number in range(NUM_ITEMS)]
    items = [*catalogue(), Item(item_id="i3", title="another title", updated_at=at(END))]
    known = snapshot_of(checkerboard() + later, items, day=END, item_order=order)
    nearest, newcomers = fit(known)
    assert np.array_equal(nearest.towers.vectors_VD, fitted[0].towers.vectors_VD)
    assert np.array_equal(newcomers._first_taken_ms_V, fitted[1]._first_taken_ms_V)


def test_an_item_taken_too_seldom_is_read_by_its_content() -> None:
    lines = [*checkerboard(), Line(40, "u0", "rare"), Line(41, "u0", "unread")]
    known = snapshot_of(lines, catalogue({"rare": "round thing", "twin": "round thing"}), day=END)
    vectors_VD = fit(known, num_epochs=1)[0].towers.vectors_VD
    row_of = known.item_row_of
    np.testing.assert_allclose(vectors_VD[row_of["rare"]], vectors_VD[row_of["twin"]], atol=1e-6)
    assert not vectors_VD[row_of["unread"]].any(), "neither a text nor takings enough"


def test_where_nobody_came_back_there_is_no_source() -> None:
    once = snapshot_of([Line(1, f"u{number}", "a") for number in range(5)], day=3)
    assert fit_two_tower("tower", SPEC, once, SIGNALS) == []


def test_without_a_quota_there_is_one_source(snapshot: Snapshot) -> None:
    spec = SPEC.model_copy(update={"newcomer_quota": 0, "num_epochs": 1})
    assert [one.name for one in fit_two_tower("tower", spec, snapshot, SIGNALS)] == spec.source_names("tower")
    assert SPEC.source_names("tower") == ["tower", "tower_new"]


def test_a_loss_that_is_not_finite_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(DataError, match="lower its learning_rate"):
        fit(snapshot, learning_rate=1e30)


def test_without_torch_the_remedy_is_named(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipes.load("shop", ["generators.towers={kind: two_tower}"])
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match=r"generators.towers: .*pip install 'aisle\[train\]'"):
        generator_fitter(recipe)(snapshot)
