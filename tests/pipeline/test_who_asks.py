"""Who asks: sources are told of users whom the fit may know, and never of one who was deleted in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline import Blend, Pipeline, Placement, Query
from aisle.pipeline.generators import KINDS, Candidates
from aisle.workspace import Workspace
from tests.histories import at
from tests.pipeline.test_recommender import NAMES, Shop

ASKED: list[str | None] = []


class Listener:
    """A source that notes who asks."""

    kind = "listener"
    name = "ear"

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        ASKED.append(query.user_id)
        return Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        return "", None

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        return {}

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        return cls()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Fitted at the midnight after day 10, whose last event came at its noon; now it is a little later."""
    monkeypatch.setitem(KINDS, "listener", Listener)
    ASKED.clear()
    blends = dict.fromkeys(("allow", "exclude"), Blend({"ear": 1.0}))
    asks = {"for-you": "history", "next-in-session": "session", "bought-together": "items"}
    placements = {name: Placement(name, with_, ("ear",), blends) for name, with_ in asks.items()}  # type: ignore[arg-type]
    pipeline = Pipeline(
        item_ids=list(NAMES),
        generators={"ear": Listener()},
        placements=placements,
        signals={"purchase": 1.0},
        target="purchase",
        candidates_per_source=5,
        history_limit=100,
        fitted_until_ms=at(11),
        last_event_ms=at(10.5),
    )
    workspace = Workspace.create(tmp_path / "shop")
    with closing(workspace.open_store()) as store:
        store.anchor_clock(at(10.9))
        shop = Shop(workspace, store)
        shop.happens("purchase", "tea", day=10.5)
        shop.activate("v1", pipeline)
        yield shop


def test_users_whom_the_fit_saw_are_told(shop: Shop) -> None:
    shop.happens("view", "pot", day=10.8)
    shop.happens("view", "pot", day=10.8, user="new")
    for fields in ({}, {"user_id": "new"}, {"user_id": "never"}, {"user_id": None}):
        shop.ask(**fields)
    assert ASKED == ["u", None, None, None]


def test_a_visit_is_the_visitors_and_a_cart_nobodys(shop: Shop) -> None:
    shop.ask("next-in-session")
    shop.ask("next-in-session", items=("pot",))
    shop.ask("bought-together", items=("pot",))
    assert ASKED == ["u", "u", None]


def test_a_deleted_user_is_not_told_even_under_the_same_id_again(shop: Shop) -> None:
    shop.ask()
    shop.store.delete_user("u")
    shop.ask()
    shop.happens("purchase", "cup", day=10.7)
    shop.ask()
    assert ASKED == ["u", None, None]
