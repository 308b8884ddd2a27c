"""A small shop with a ranker, as the benchmarks see one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from aisle import recipe as recipes
from aisle.assemble import shop_fitters
from aisle.data.snapshots import ShopLog
from aisle.evaluate.windows import VARIANT_OF
from aisle.recipe import ShopRecipe
from aisle.train.shop.pipelines import Fitters
from aisle.train.shop.ranker_examples import RankerExamples, collect_examples
from aisle.train.shop.ranker_snapshots import RankerSnapshots
from aisle.train.shop.work_directory import WorkDirectory
from tests.histories import log_of
from tests.train.conftest import REGULARS

RANKED = """
kind: shop
name: ranked
windows: {horizon_days: 10}
candidates_per_source: 40
generators:
  popular: {kind: popularity, half_life_days: [10]}
  own: {kind: repeats, half_life_days: [30], due: false}
  together: {kind: cooccurrence, similarity: [cosine]}
placements:
  for-you: {asks_with: history, fit: next-window, sources: [popular_10d, own_30d, together_cosine], fill: popular_10d}
ranker:
  examples: {snapshots: 2, every_days: 5, negatives: 3}
  model: {kind: field-dlrm, embedding_dim: 2, num_buckets: 4, dense_layers: [4], over_layers: [4]}
  training: {batch_size: 20, num_epochs: 10, learning_rate: 0.03}
"""


@dataclass(frozen=True)
class RankedShop:
    """A history, and where its trainings keep what they made."""

    log: ShopLog
    directory: Path

    def recipe(self, *overrides: str) -> ShopRecipe:
        """The small recipe, changed."""
        path = self.directory / "ranked.yaml"
        path.write_text(RANKED)
        return recipes.load(path, list(overrides))

    def snapshots(self, recipe: ShopRecipe, folder: str = "work", *, fitters: Fitters | None = None) -> RankerSnapshots:
        """The snapshots of a recipe, kept in a folder."""
        work = WorkDirectory(self.directory / folder)
        return RankerSnapshots(recipe, self.log, fitters or shop_fitters(recipe), work)

    def whole_lists(self, snapshots: RankerSnapshots, until_ms: int) -> RankerExamples:
        """All candidates of all visitors of the window after a time."""
        fitted, window = snapshots.fitted(until_ms), snapshots.window(until_ms)
        return collect_examples(
            fitted.pipeline,
            fitted.featurizer,
            window,
            placement="for-you",
            repeats=tuple(VARIANT_OF),
            negatives=None,
            max_questions=99,
            seed=0,
        )


@pytest.fixture(scope="module")
def ranked_shop(tmp_path_factory: pytest.TempPathFactory) -> RankedShop:
    lines = sorted(REGULARS, key=lambda line: line.day)
    return RankedShop(log_of(lines), tmp_path_factory.mktemp("ranked"))
