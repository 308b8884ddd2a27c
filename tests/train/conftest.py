"""A recipe that trains in a moment, and a workspace to train in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from aisle import recipe as recipes
from aisle.assemble import shop_fitters
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.schema import Event
from aisle.store import SqlStore
from aisle.train.shop.activation import Activate
from aisle.train.shop.session import TrainingResult, train_in_workspace
from aisle.workspace import Workspace
from tests.histories import Line, at

SMALL = """
kind: shop
name: small
windows: {horizon_days: 10}
generators:
  popular: {kind: popularity, half_life_days: [10]}
  own: {kind: repeats, half_life_days: [30], due: false}
  together: {kind: cooccurrence, similarity: [cosine]}
placements:
  for-you: {asks_with: history, fit: next-window, sources: [popular_10d, own_30d, together_cosine], fill: popular_10d}
  bought-together: {asks_with: items, fit: baskets, sources: [together_cosine, popular_10d]}
  popular: {asks_with: history, fit: none, sources: [popular_10d]}
"""


@pytest.fixture
def small_recipe(tmp_path: Path) -> ShopRecipe:
    """Three cheap generators, one test window of ten days and one to fit on."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return recipes.load(path)


class TrainingShop:
    """A workspace, its store, and trainings in it."""

    def __init__(self, workspace: Workspace, store: SqlStore) -> None:
        self.workspace, self.store = workspace, store

    def happens(self, lines: Sequence[Line]) -> None:
        events = [
            Event(
                type=line.type,
                user_id=line.user,
                session_id=line.session,
                item_id=line.item,
                order_id=line.order,
                timestamp=at(line.day),
            )
            for line in lines
        ]
        first = self.store.num_events()
        self.store.add_events(events, [f"e{first + number}" for number in range(len(events))])

    def train(
        self,
        recipe: ShopRecipe,
        output: Path | None = None,
        *,
        resume: bool = False,
        activate: Activate = "auto",
        jobs: int = 1,
        progress: Progress = silent,
    ) -> TrainingResult:
        return train_in_workspace(
            self.workspace,
            self.store,
            recipe,
            shop_fitters,
            output=output,
            resume=resume,
            activate=activate,
            jobs=jobs,
            progress=progress,
        )


@pytest.fixture
def empty_shop(tmp_path: Path) -> Iterator[TrainingShop]:
    workspace = Workspace.create(tmp_path / "shop")
    with closing(workspace.open_store()) as store:
        yield TrainingShop(workspace, store)


#: 44 days: every few days each user buys their own favourite again, and with it the next thing from a common shelf.
REGULARS = [
    Line(day + user / 10, f"u{user}", item, order=f"o{user}-{day}")
    for user in range(8)
    for number, day in enumerate(range(user % 4, 44, 5))
    for item in (f"favourite-{user}", f"shelf-{(number + 3 * user) % 24}")
]


@pytest.fixture
def shop(empty_shop: TrainingShop) -> TrainingShop:
    """A shop with enough to learn from."""
    empty_shop.happens(sorted(REGULARS, key=lambda line: line.day))
    return empty_shop
