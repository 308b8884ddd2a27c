"""The recommender over a live store: history, catalogue and registry are felt by the next answer."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import ConfigError
from aisle.pipeline import (
    Answer,
    Blend,
    ItemFilter,
    LatestRule,
    NewcomerRule,
    Pipeline,
    Placement,
    PriceRange,
    RecommendationRequest,
    Recommender,
    active_model,
)
from aisle.pipeline.generators import Generator, PopularityList, RepeatGenerator
from aisle.schema import DAY_MS, Event, Item
from aisle.store import SqlStore
from aisle.store.contract import BundleRecord
from aisle.workspace import Workspace
from tests.histories import START_MS, at
from tests.pipeline.generators.test_neighbours import generator_of
from tests.shops import NO_HASTE

NAMES = ["", "", "tea", "pot", "cup", "mug", "rug", "lamp"]
TEA, POT, CUP, MUG = 2, 3, 4, 5


def pipeline_of(popular: str = "lamp rug mug cup pot tea", *, placements: tuple[str, ...] = ()) -> Pipeline:
    """Tea goes with pot and cup; everything else is by popularity, given as the order of items."""
    order = popular.split()
    scores = np.array([len(order) - order.index(name) if name in order else 0 for name in NAMES], np.float32)
    generators: dict[str, Generator] = {
        "near": generator_of({TEA: {POT: 4.0, CUP: 1.0}, POT: {MUG: 1.0}}, half_life_days=30),
        "popular": PopularityList("popular", scores, reason="Popular with other customers"),
        "own": RepeatGenerator("own", score="recency", half_life_days=30),
    }
    mixed = {"allow": Blend({"near": 0.6, "own": 0.4}), "exclude": Blend({"near": 1.0})}
    alone = {policy: Blend({"popular": 1.0}) for policy in ("allow", "exclude")}
    every = [
        Placement("for-you", "history", ("near", "own"), mixed, "popular"),  # type: ignore[arg-type]
        Placement("buy-it-again", "history", ("near", "own"), mixed),  # type: ignore[arg-type]
        Placement("bought-together", "items", ("near",), dict.fromkeys(("allow", "exclude"), Blend({"near": 1.0}))),
        Placement("popular", "history", ("popular",), alone),  # type: ignore[arg-type]
    ]
    return Pipeline(
        item_ids=list(NAMES),
        generators=generators,
        placements={one.name: one for one in every if not placements or one.name in placements},
        signals={"purchase": 1.0, "view": 0.2},
        target="purchase",
        candidates_per_source=50,
        history_limit=100,
        fitted_until_ms=START_MS,
    )


class Shop:
    """A workspace with a store that is open, and a recommender over it."""

    def __init__(self, workspace: Workspace, store: SqlStore) -> None:
        self.workspace, self.store = workspace, store
        self.recommender = Recommender(store, workspace.config, workspace.directory)
        self.num_events = 0

    def activate(self, version: str, pipeline: Pipeline) -> Path:
        path = self.workspace.directory / "bundles" / version
        with BundleWriter(path) as writer:
            pipeline.save(writer)
        sha256 = Bundle.open(path).manifest_sha256
        self.store.register_bundle(BundleRecord(version, f"bundles/{version}", sha256, 0, False, {}))
        self.store.activate_bundle(version)
        return path

    def happens(
        self, kind: str, item_id: str, day: float = 1, user: str | None = "u", session: str | None = None
    ) -> None:
        self.num_events += 1
        event = Event(type=kind, user_id=user, session_id=session, item_id=item_id, timestamp=at(day))
        self.store.add_events([event], [f"e{self.num_events}"])

    def ask(self, placement: str = "for-you", **fields: Any) -> Answer:
        return self.recommender.recommend(RecommendationRequest(placement, **{"user_id": "u", **fields}))

    def ids(self, placement: str = "for-you", **fields: Any) -> list[str]:
        return [one.item_id for one in self.ask(placement, **fields).items]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Shop]:
    """A shop without a bundle whose clock stands at day 2."""
    workspace = Workspace.create(tmp_path / "shop")
    with closing(workspace.open_store()) as store:
        store.anchor_clock(at(2))
        yield Shop(workspace, store)


@pytest.fixture
def shop(empty: Shop) -> Shop:
    """The shop with an active bundle."""
    empty.activate("v1", pipeline_of())
    return empty


def test_a_stranger_sees_what_is_popular(shop: Shop) -> None:
    answer = shop.ask(limit=3, user_id=None)
    assert [(one.item_id, one.score, one.source) for one in answer.items] == [
        ("lamp", 0, "popular"),
        ("rug", 0, "popular"),
        ("mug", 0, "popular"),
    ]
    assert answer.items[0].reason == "Popular with other customers"
    assert (answer.model_version, answer.policy, answer.degraded) == ("v1", "blend", [])
    assert set(answer.stage_ms) == {"read", "retrieve", "rank", "rerank"}


def test_the_next_answer_feels_an_event(shop: Shop) -> None:
    before = shop.ids()
    shop.happens("purchase", "tea")
    # Near says pot with 1 and cup with a half, own says tea with 1.
    assert before != shop.ids()
    assert shop.ids(limit=3) == ["pot", "tea", "cup"]
    shop.happens("view", "pot", day=1.9)
    assert shop.ids(limit=4) == ["pot", "tea", "cup", "mug"]
    assert shop.ids(limit=3, user_id=None, session_id="s") == ["lamp", "rug", "mug"]
    shop.happens("purchase", "tea", user=None, session="s")
    assert shop.ids(limit=3, user_id=None, session_id="s") == ["pot", "tea", "cup"]


def test_events_of_an_unknown_type_or_item_say_nothing(shop: Shop) -> None:
    shop.happens("impression", "tea")
    shop.happens("purchase", "never heard of")
    assert shop.ids(limit=2) == ["lamp", "rug"]


def test_repeat_policies(shop: Shop) -> None:
    shop.happens("purchase", "tea")
    shop.happens("view", "cup")
    assert shop.ids()[:2] == ["pot", "tea"]
    assert "tea" not in shop.ids(repeat="exclude")
    assert shop.ids(repeat="exclude")[:2] == ["pot", "cup"], "a view is no purchase"
    assert "tea" not in shop.ids("popular", repeat="exclude")
    settings = shop.workspace.settings_path
    settings.write_text("placements: {for-you: {repeat: exclude}}\n")
    strict = Recommender(shop.store, shop.workspace.config, shop.workspace.directory)
    answer = strict.recommend(RecommendationRequest("for-you", user_id="u"))
    assert "tea" not in [one.item_id for one in answer.items]
    allowed = strict.recommend(RecommendationRequest("for-you", user_id="u", repeat="allow"))
    assert "tea" in [one.item_id for one in allowed.items]


def test_what_was_bought_or_hidden_long_ago_is_not_forgotten(shop: Shop) -> None:
    shop.happens("purchase", "lamp", day=0)
    shop.happens("hide", "rug", day=0)
    shop.happens("purchase", "cup", day=0, user=None, session="s")
    views = [Event(type="view", user_id="u", item_id="pot", timestamp=at(1) + number) for number in range(100)]
    shop.store.add_events(views, [f"view {number}" for number in range(100)])
    assert len(shop.store.history("u", None, 1000).types) > 100, "more than a request reads"
    assert shop.ids("popular", repeat="exclude") == ["mug", "cup", "pot", "tea"]
    assert shop.ids("popular", repeat="exclude", session_id="s") == ["mug", "pot", "tea"]
    assert shop.ids("popular") == ["lamp", "mug", "cup", "pot", "tea"]


def test_only_what_was_bought_is_to_be_bought_again(shop: Shop) -> None:
    shop.happens("view", "rug")
    assert shop.ids("buy-it-again") == []
    shop.happens("purchase", "tea")
    assert {"tea", "pot", "cup"} <= set(shop.ids()), "what goes with the tea is for this visitor"
    assert shop.ids("buy-it-again") == ["tea"], "but not to be bought again"


def test_what_was_returned_is_not_to_be_bought_again(shop: Shop) -> None:
    shop.happens("purchase", "tea")
    shop.happens("purchase", "mug")
    assert shop.ids("buy-it-again") == ["tea", "mug"]
    before = shop.ids()
    shop.happens("return", "tea", day=1.5)
    assert shop.ids("buy-it-again") == ["mug"]
    assert shop.ids() == before, "models learnt from histories in which returned purchases stand"
    assert "tea" not in shop.ids(repeat="exclude"), "it was bought before all the same"
    shop.happens("return", "mug", day=1.5)
    assert shop.ids("buy-it-again") == []
    shop.happens("view", "tea", day=1.6)
    assert shop.ids("buy-it-again") == [], "a look at it is no purchase"
    shop.happens("purchase", "tea", day=1.7)
    assert shop.ids("buy-it-again") == ["tea"]


def test_who_changed_one_variant_for_another_may_buy_that_one_again(shop: Shop) -> None:
    shop.store.put_items([Item(item_id="mug"), Item(item_id="cup", parent_id="mug")])
    shop.happens("purchase", "mug")
    shop.happens("return", "mug")
    shop.happens("purchase", "cup")
    assert shop.ids("buy-it-again") == ["cup"]


def test_returned_and_hidden_items_stay_away_where_the_store_answers(empty: Shop) -> None:
    for user in ("u", "v"):
        for item_id in ("tea", "pot", "cup"):
            empty.happens("purchase", item_id, user=user)
    empty.happens("return", "tea")
    empty.happens("hide", "cup")
    assert empty.ids("buy-it-again") == ["pot"]
    assert sorted(empty.ids("popular")) == ["pot", "tea"]
    assert sorted(empty.ids("popular", user_id="v")) == ["cup", "pot", "tea"]


class TestEveryPath:
    """What must not be shown is shown on no path: ranked, filled, placed by a rule, completed for a cap, by the store.

    Near says pot and cup for tea, content likes the newcomer best; popularity fills with lamp, rug, mug ...
    """

    @pytest.fixture
    def busy(self, empty: Shop) -> Shop:
        for item_id in NAMES[2:]:
            empty.happens("purchase", item_id, user="somebody")
            empty.store.put_items([Item(item_id=item_id, brand="Clay" if item_id in ("lamp", "rug") else None)])
        empty.happens("purchase", "tea", day=2)
        mixed = dict.fromkeys(("allow", "exclude"), Blend({"popular": 1.0}))
        base = pipeline_of()
        liked = np.array([0, 0, 0, 0, 0, 0, 0, 9], np.float32)
        generators = {**base.generators, "content": PopularityList("content", liked, reason="Like what you bought")}
        latest = LatestRule("near", within_minutes=60, nearest=1, place=1)
        newcomer = NewcomerRule("content", nearest=1, place=1)
        neighbours = dict.fromkeys(("allow", "exclude"), Blend({"near": 1.0}))
        sources = ("popular", "content")
        placements = {
            "for-you": Placement("for-you", "history", ("near",), neighbours, "popular"),  # type: ignore[arg-type]
            "popular": Placement("popular", "history", ("popular",), mixed, latest=latest),  # type: ignore[arg-type]
            "trending": Placement("trending", "history", sources, mixed, newcomer=newcomer),  # type: ignore[arg-type]
        }
        pipeline = Pipeline(
            item_ids=list(NAMES),
            generators=generators,
            placements=placements,
            signals=base.signals,
            target=base.target,
            candidates_per_source=2,
            history_limit=100,
            fitted_until_ms=START_MS,
            is_taken_V=np.array([name != "lamp" for name in NAMES]),
        )
        empty.workspace.settings_path.write_text("placements: {trending: {max_per_brand: 1}}")
        empty.recommender = Recommender(empty.store, empty.workspace.config, empty.workspace.directory)
        empty.activate("v1", pipeline)
        return empty

    def ways(self, shop: Shop) -> dict[str, list[str]]:
        """What each path brings to the visitor ``u``, who just bought tea."""
        return {
            "ranked and filled": shop.ids("for-you"),
            "latest": shop.ids("popular", limit=3),
            "newcomer and caps": shop.ids("trending"),
            "store": shop.ids("similar-items", items=("unknown",)),
        }

    def test_each_path_brings_its_items(self, busy: Shop) -> None:
        ways = self.ways(busy)
        assert ways["ranked and filled"][:4] == ["pot", "cup", "lamp", "rug"]
        assert ways["latest"] == ["pot", "lamp", "rug"]
        assert ways["newcomer and caps"][:2] == ["lamp", "mug"], "rug is of the brand of lamp"
        assert sorted(ways["store"]) == sorted(NAMES[2:])

    @pytest.mark.parametrize("item_id", NAMES[2:])
    @pytest.mark.parametrize("how", ["sold out", "deleted", "hidden", "excluded variant"])
    def test_no_path_brings_what_must_not_be_shown(self, busy: Shop, item_id: str, how: str) -> None:
        before = self.ways(busy)
        if how == "sold out":
            busy.store.put_items([Item(item_id=item_id, available=False)])
        elif how == "deleted":
            busy.store.delete_item(item_id)
        elif how == "hidden":
            busy.happens("hide", item_id, day=0)
        else:
            busy.store.put_items([Item(item_id=item_id, parent_id="family"), Item(item_id="other", parent_id="family")])
            busy.happens("hide", "other", day=0)
        after = self.ways(busy)
        assert any(item_id in items for items in before.values())
        for way, items in after.items():
            assert item_id not in items, way
            assert len(items) >= 2, way


def test_what_was_hidden_excluded_or_asked_with_is_not_answered(shop: Shop) -> None:
    assert shop.ids("popular", exclude=("lamp", "unknown")) == ["rug", "mug", "cup", "pot", "tea"]
    shop.happens("hide", "rug")
    assert shop.ids("popular") == ["lamp", "mug", "cup", "pot", "tea"]
    assert "rug" in shop.ids("popular", user_id="somebody else")
    assert shop.ids("bought-together", items=("tea",)) == ["pot", "cup"]
    assert shop.ids("bought-together", items=("tea", "pot")) == ["cup", "mug"]
    assert shop.ids("bought-together", items=("unknown",)) == []


def test_the_next_item_of_a_visit(shop: Shop) -> None:
    base = pipeline_of()
    alone = dict.fromkeys(("allow", "exclude"), Blend({"near": 1.0}))
    placements = {"next-in-session": Placement("next-in-session", "session", ("near",), alone, "popular")}  # type: ignore[arg-type]
    shop.activate("v2", base.with_placements({**base.placements, **placements}))
    assert shop.ids("next-in-session", limit=2) == ["lamp", "rug"], "nothing happened yet"
    shop.happens("purchase", "tea", day=1)
    assert shop.ids("next-in-session", limit=3) == ["pot", "cup", "lamp"]
    assert "tea" not in shop.ids("next-in-session"), "what the visit has seen is not next"
    shop.happens("view", "pot", day=1.01)  # 14 minutes later
    assert shop.ids("next-in-session", limit=3) == ["cup", "mug", "lamp"]
    shop.happens("view", "rug", day=1.5)
    assert shop.ids("next-in-session", limit=3) == ["lamp", "mug", "cup"], "another visit: near says nothing of rug"
    shop.happens("view", "pot", user=None, session="s", day=1.6)
    assert shop.ids("next-in-session", user_id=None, session_id="s", limit=2) == ["mug", "lamp"]
    asked = shop.ask("next-in-session", items=("pot", "tea"), limit=3, explain=True)
    assert [one.item_id for one in asked.items] == ["cup", "mug", "lamp"], "the given items, not the visitor's"
    assert (asked.policy, asked.degraded, asked.items[0].source) == ("blend", [], "near")


def test_without_such_a_placement_the_next_item_is_a_popular_one(shop: Shop) -> None:
    shop.happens("purchase", "tea")
    answer = shop.ask("next-in-session")
    assert [one.source for one in answer.items] == ["store_popular"]
    assert answer.degraded == ["rank: v1 has no such placement, popular items instead"]


def test_an_item_is_gone_at_once_and_back_at_once(shop: Shop) -> None:
    assert shop.ids("popular", limit=2) == ["lamp", "rug"]
    shop.store.put_items([Item(item_id="lamp", title="Lamp", available=False)])
    assert shop.ids("popular", limit=2) == ["rug", "mug"]
    shop.store.put_items([Item(item_id="lamp", title="Lamp", available=True)])
    assert shop.ids("popular", limit=2) == ["lamp", "rug"]
    shop.store.delete_item("lamp")
    assert shop.ids("popular", limit=2) == ["rug", "mug"]


def test_filters_and_families(shop: Shop) -> None:
    shop.store.put_items(
        [
            Item(item_id="mug", category=["Kitchen"], price=5, brand="Clay"),
            Item(item_id="cup", category=["Kitchen"], price=9, parent_id="mug", attributes={"colour": "red"}),
            Item(item_id="new", category=["Kitchen"]),
        ]
    )
    assert shop.ids("popular", filter=ItemFilter(category=("Kitchen",))) == ["mug"], "cup is a variant of mug"
    assert shop.ids("popular", filter=ItemFilter(price=PriceRange(min=6))) == ["cup"]
    assert shop.ids("popular", filter=ItemFilter(attributes={"colour": ("red", "blue")})) == ["cup"]
    assert shop.ids("popular", filter=ItemFilter(brand=("nobody",))) == []
    assert shop.ids("popular") == ["lamp", "rug", "mug", "pot", "tea"]
    assert shop.ids("popular", exclude=("cup",)) == ["lamp", "rug", "pot", "tea"], "nor another of its variants"


def test_caps_of_categories_and_brands(shop: Shop) -> None:
    kitchen, clay = ["Home", "Kitchen"], "Clay"
    shop.store.put_items(
        [
            Item(item_id="lamp", category=["Home", "Light"], brand=clay),
            Item(item_id="rug", category=["Home", "Floor"], brand=clay),
            Item(item_id="mug", category=kitchen),
            Item(item_id="cup", category=kitchen),
            Item(item_id="pot", category=["Garden", "Kitchen"], brand="Iron"),
        ]
    )
    everything = ["lamp", "rug", "mug", "cup", "pot", "tea"]

    def capped(rules: str, **fields: Any) -> list[str]:
        shop.workspace.settings_path.write_text(f"placements: {{popular: {rules}, for-you: {rules}}}")
        capped = Recommender(shop.store, shop.workspace.config, shop.workspace.directory)
        request = RecommendationRequest(**{"placement": "popular", "user_id": "u", **fields})
        return [one.item_id for one in capped.recommend(request).items]

    assert capped("{max_per_category: 2}") == everything, "the most specific category counts, not Home"
    # Garden / Kitchen is another category than Home / Kitchen; tea has neither category nor brand.
    assert capped("{max_per_category: 1}") == ["lamp", "rug", "mug", "pot", "tea"]
    assert capped("{max_per_brand: 1}") == ["lamp", "mug", "cup", "pot", "tea"]
    assert capped("{max_per_category: 1, max_per_brand: 1}", limit=3) == ["lamp", "mug", "pot"]
    answer = capped("{max_per_category: 1, max_per_brand: 1}", placement="for-you")
    assert answer == ["lamp", "mug", "pot", "tea"], "what fills a list keeps its caps"


def test_caps_hold_where_the_store_answers(empty: Shop) -> None:
    for item_id, times in (("tea", 3), ("pot", 2), ("cup", 1)):
        empty.store.put_items([Item(item_id=item_id, brand=None if item_id == "cup" else "Iron")])
        for number in range(times):
            empty.happens("purchase", item_id, user=f"u{number}")
    assert empty.ids("popular") == ["tea", "pot", "cup"]
    empty.workspace.settings_path.write_text("placements: {popular: {max_per_brand: 1}}")
    capped = Recommender(empty.store, empty.workspace.config, empty.workspace.directory)
    answer = capped.recommend(RecommendationRequest("popular", limit=2))
    assert [one.item_id for one in answer.items] == ["tea", "cup"]


def test_explanations(shop: Shop) -> None:
    shop.store.put_items([Item(item_id="tea", title="Green tea")])
    shop.happens("purchase", "tea", day=2)
    pot, tea, cup, lamp = shop.ask(explain=True, limit=4).items
    assert (pot.source, pot.reason) == ("near", "Goes with Green tea")
    assert (tea.source, tea.reason) == ("own", "You bought this before")
    assert pot.sources["near"].rank == 1
    assert pot.sources["near"].score == pytest.approx(4, rel=1e-3)
    assert pot.sources["near"].share == pytest.approx(0.6)
    assert set(tea.sources) == {"own"}
    assert (cup.sources["near"].rank, cup.sources["near"].share) == (2, pytest.approx(0.3))
    assert (lamp.source, lamp.sources, lamp.score) == ("popular", {}, 0)
    for one in (pot, tea, cup):
        assert sum(share.share for share in one.sources.values()) == pytest.approx(one.score)
    assert all(one.sources == {} for one in shop.ask(limit=4).items)
    shop.store.delete_item("tea")
    assert shop.ask(limit=1).items[0].reason == "Goes with tea", "without a title the id stands for it"


def test_another_bundle_is_followed_without_a_restart(shop: Shop) -> None:
    assert shop.ids("popular")[0] == "lamp"
    shop.activate("v2", pipeline_of("tea pot"))
    answer = shop.ask("popular")
    assert (answer.items[0].item_id, answer.model_version) == ("tea", "v2")
    shop.store.activate_bundle("v1")
    assert shop.ids("popular")[0] == "lamp"
    assert shop.recommender.model_version == "v1"


def test_a_server_loads_another_bundle_beside_the_requests(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Recommender(shop.store, shop.workspace.config, shop.workspace.directory, in_background=True)
    server.refresh()
    release, is_loading, load = threading.Event(), threading.Event(), Pipeline.load

    def slow_load(bundle: Bundle) -> Pipeline:
        is_loading.set()
        assert release.wait(30)
        return load(bundle)

    def ask() -> tuple[str, str, list[str]]:
        answer = server.recommend(RecommendationRequest("popular", user_id="u"))
        return answer.model_version, answer.items[0].item_id, answer.degraded

    monkeypatch.setattr(Pipeline, "load", slow_load)
    shop.activate("v2", pipeline_of("tea pot"))
    shop.store.put_items([Item(item_id="new", title="New"), Item(item_id="rug", available=False)])
    assert [ask() for _ in range(3)] == [("v1", "lamp", [])] * 3, "nobody waits, and only one loads"
    assert is_loading.wait(30)
    shop.store.put_items([Item(item_id="lamp", available=False)])
    assert ask() == ("v1", "mug", []), "the catalogue is followed meanwhile"
    release.set()
    deadline = time.monotonic() + 30
    while ask()[0] == "v1":
        assert time.monotonic() < deadline
    assert ask() == ("v2", "tea", [])
    shop.store.put_items([Item(item_id="tea", available=False)])
    assert ask()[1] == "pot", "from the very first answer on"


def test_a_server_tells_of_a_damaged_bundle_and_takes_it_once_it_is_repaired(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Recommender(shop.store, shop.workspace.config, shop.workspace.directory, in_background=True)
    server.refresh()
    path = shop.activate("v2", pipeline_of("tea pot"))
    whole = damage(path)
    deadline = time.monotonic() + 30
    refused = ["refresh: the bundle v2 cannot be used, v1 goes on answering"]
    while (answer := server.recommend(RecommendationRequest("popular"))).degraded != refused:
        assert (answer.model_version, answer.degraded) == ("v1", [])
        assert time.monotonic() < deadline
    (path / "pipeline.json").write_bytes(whole)
    server._model._retry_at = 0
    while server.recommend(RecommendationRequest("popular")).model_version != "v2":
        assert time.monotonic() < deadline
    assert server.recommend(RecommendationRequest("popular")).degraded == []


def damage(bundle: Path) -> bytes:
    """Cut a file of a bundle short; gives what it was."""
    path = bundle / "pipeline.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    return whole


def test_beside_a_damaged_bundle_the_one_before_goes_on_and_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert shop.ask("popular").degraded == []
    path = shop.activate("v2", pipeline_of("tea pot"))
    whole = damage(path)
    answer = shop.ask("popular")
    assert (answer.items[0].item_id, answer.model_version) == ("lamp", "v1")
    assert answer.degraded == ["refresh: the bundle v2 cannot be used, v1 goes on answering"]
    assert "pipeline.json: expected" in caplog.text
    assert shop.recommender.refresh() == answer.degraded
    # The catalogue is followed all the same.
    shop.store.put_items([Item(item_id="lamp", available=False)])
    assert shop.ids("popular")[0] == "rug"
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1, "not by every request"
    (path / "pipeline.json").write_bytes(whole)
    assert shop.ask("popular").model_version == "v1"
    monkeypatch.setattr(active_model, "RETRY_SECONDS", 0.0)
    shop.recommender._model._retry_at = 0
    answer = shop.ask("popular")
    assert (answer.model_version, answer.degraded) == ("v2", [])


def test_a_damaged_first_bundle_leaves_the_store_answering(empty: Shop) -> None:
    damage(empty.activate("v1", pipeline_of()))
    empty.happens("purchase", "tea")
    answer = empty.ask("popular")
    assert [one.item_id for one in answer.items] == ["tea"]
    assert answer.degraded == ["refresh: the bundle v1 cannot be used, none goes on answering"]


def test_without_a_bundle_the_store_answers(empty: Shop) -> None:
    for number, item_id in enumerate(("tea", "tea", "tea", "pot", "pot", "gone", "gone", "gone", "gone", "cup")):
        empty.happens("purchase", item_id, user=f"u{number}")
    empty.happens("view", "mug", user="u1")
    empty.store.put_items([Item(item_id="gone"), Item(item_id="pot", price=3, category=["Kitchen"])])
    empty.store.delete_item("gone")
    answer = empty.ask("popular")
    assert [(one.item_id, one.score) for one in answer.items] == [
        ("tea", 3),
        ("pot", 2),
        ("cup", 1),
        ("mug", pytest.approx(0.1)),
    ], "also what has no record in the catalogue"
    assert answer.items[0].source == "store_popular"
    assert answer.items[0].reason == "Popular in the last 28 days"
    assert (answer.model_version, answer.policy, answer.degraded) == ("none", "store-popular", [])
    assert empty.ids("trending") == ["tea", "pot", "cup", "mug"]
    assert empty.ids("popular", limit=1) == ["tea"]
    assert empty.ids("popular", exclude=("tea",)) == ["pot", "cup", "mug"]
    assert empty.ids("popular", filter=ItemFilter(category=("Kitchen",))) == ["pot"], "no record meets no condition"
    assert empty.ids("popular", filter=ItemFilter(price=PriceRange(min=0))) == ["pot"]
    assert empty.ids("popular", user_id="u1", repeat="exclude") == ["pot", "cup", "mug"]
    for placement, items, count in (("for-you", (), 4), ("bought-together", ("tea",), 3), ("buy-it-again", (), 0)):
        answer = empty.ask(placement, items=items)
        assert answer.degraded == ["rank: no model yet, popular items instead"]
        assert len(answer.items) == count
    assert empty.ids("buy-it-again", user_id="u1") == ["tea"], "not what was looked at"
    empty.store.put_items([Item(item_id="cup", parent_id="pot")])
    assert empty.ids("popular") == ["tea", "pot", "mug"], "one of a family"


def test_without_a_bundle_old_sales_are_not_popular(empty: Shop) -> None:
    empty.store.anchor_clock(at(60))
    empty.happens("purchase", "tea", day=31)
    empty.happens("purchase", "pot", day=33)
    empty.happens("purchase", "cup", day=54)
    assert empty.ids("popular") == ["pot", "cup"]
    assert empty.ids("trending") == ["cup"]


def test_an_empty_shop_answers_nothing(empty: Shop) -> None:
    assert empty.ids("popular") == []
    assert empty.ids() == []


def test_a_placement_that_the_bundle_lacks_is_answered_from_the_store(empty: Shop) -> None:
    empty.activate("v1", pipeline_of(placements=("popular",)))
    empty.happens("purchase", "pot")
    assert empty.ids("popular")[0] == "lamp"
    answer = empty.ask("for-you")
    assert [one.item_id for one in answer.items] == ["pot"]
    assert answer.degraded == ["rank: v1 has no such placement, popular items instead"]


def test_wrong_questions_are_refused(shop: Shop) -> None:
    with pytest.raises(ConfigError, match=r"placement: expected one of for-you, .*, received 'nowhere'"):
        shop.ask("nowhere")
    with pytest.raises(ConfigError, match="items: similar-items expects the items of the page or cart, received none"):
        shop.ask("similar-items")


def test_identical_lines_of_one_order_count_once(shop: Shop) -> None:
    lines = [
        Event(type="purchase", user_id="u", item_id=item_id, timestamp=at(1), order_id="o")
        for item_id in ("tea", "tea", "pot")
    ]
    shop.store.add_events(lines, ["a", "b", "c"])
    own = {one.item_id: one.sources["own"].score for one in shop.ask(explain=True).items if "own" in one.sources}
    assert own["tea"] == pytest.approx(own["pot"], rel=1e-3)


class TestTrained:
    """A shop that was simulated, imported and trained."""

    @pytest.fixture
    def trained(self, trained_shop: Path, tmp_path: Path) -> Iterator[Shop]:
        directory = shutil.copytree(trained_shop, tmp_path / "copy")
        workspace = Workspace.open(directory)
        workspace.settings_path.write_text(NO_HASTE)
        with closing(workspace.open_store()) as store:
            yield Shop(workspace, store)

    @pytest.mark.parametrize("user", ["user-00003", "user-00042", "a stranger"])
    def test_a_purchase_is_felt_by_the_next_answer(self, trained: Shop, user: str) -> None:
        bought_after: dict[str, set[str]] = {}
        orders: dict[str, set[str]] = {}
        for frame in trained.store.scan_events():
            ids = trained.store.ids("item")
            for kind, row, order in frame.select("type", "item_row", "order_id").iter_rows():
                if kind == "purchase":
                    orders.setdefault(order, set()).add(str(ids[row]))
        for items in orders.values():
            for item_id in items:
                bought_after.setdefault(item_id, set()).update(items - {item_id})
        for item_id in ("item-0007", "item-0033", "item-0060"):
            assert len(bought_after[item_id]) >= 3
            event = Event(type="purchase", user_id=user, item_id=item_id)
            trained.store.add_events([event], [f"bought {item_id}"])
            assert set(trained.ids(user_id=user)) & bought_after[item_id]

    def test_a_new_item_appears_among_similar_items(self, trained: Shop) -> None:
        page = trained.store.get_item("item-0007")
        assert page is not None
        before = trained.ids("similar-items", items=("item-0007",), limit=20)
        twin = page.model_copy(update={"item_id": "brand-new", "title": f"{page.title} deluxe", "updated_at": None})
        trained.store.put_items([twin])
        assert "brand-new" not in before
        answer = trained.ask("similar-items", items=("item-0007",), limit=20)
        found = {one.item_id: one for one in answer.items}
        assert found["brand-new"].source == "content"
        assert found["brand-new"].reason == f"Similar to {page.title}"
        assert trained.ids("similar-items", items=("brand-new",), limit=3), "and it can be asked with"
        trained.store.put_items([twin.model_copy(update={"available": False})])
        assert "brand-new" not in trained.ids("similar-items", items=("item-0007",), limit=20)

    def test_all_placements_answer_anybody(self, trained: Shop) -> None:
        now_ms = trained.store.now_ms()
        assert now_ms - START_MS < 100_000 * DAY_MS
        for placement in ("for-you", "trending", "popular", "similar-items", "bought-together"):
            for user in ("user-00003", None):
                answer = trained.ask(placement, user_id=user, items=("item-0007",))
                assert len(answer.items) == 10
                assert answer.degraded == []
                assert all(one.reason and "{item}" not in one.reason for one in answer.items)
        assert trained.ids("buy-it-again", user_id="user-00003")
        assert trained.ids("buy-it-again", user_id=None) == []
