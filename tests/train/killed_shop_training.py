"""The training of a whole shop that a test starts, kills and starts again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import torch

from aisle import recipe as recipes
from aisle.assemble import shop_fitters
from aisle.train.shop import work_directory
from aisle.train.shop.session import train_in_workspace
from aisle.workspace import Workspace

#: Three cheap generators and a small ranker: three fits of it, of examples from two snapshots each.
RANKED = """
kind: shop
name: ranked
windows: {horizon_days: 10}
candidates_per_source: 12
generators:
  popular: {kind: popularity, half_life_days: [10]}
  own: {kind: repeats, half_life_days: [30], due: false}
  together: {kind: cooccurrence, similarity: [cosine]}
placements:
  for-you: {asks_with: history, fit: next-window, sources: [popular_10d, own_30d, together_cosine], fill: popular_10d}
ranker:
  examples: {snapshots: 2, every_days: 10, negatives: 10}
  ids: [item]
  model: {kind: field-dlrm, embedding_dim: 2, num_buckets: 4, dense_layers: [4], over_layers: [4], dropout: 0.1}
  training: {batch_size: 100, num_epochs: 2, learning_rate: 0.01}
"""


class Stages:
    """Notes each stage as it begins, for whoever waits for one."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._last:
            self._last = stage
            with self._path.open("a") as file:
                file.write(f"{stage}\n")


def train_on(workspace_path: Path, recipe_path: Path, output: Path, stages: Path, jobs: int = 1) -> None:
    """Train, or go on with what is at ``output``."""
    torch.set_num_threads(1)  # the same number of threads is part of "the same result"
    work_directory.CHECKPOINT_SECONDS = 0.05
    workspace = Workspace.open(workspace_path)
    recipe = recipes.load(recipe_path)
    with closing(workspace.open_store()) as store:
        train_in_workspace(
            workspace, store, recipe, shop_fitters, output=output, resume=True, jobs=jobs, progress=Stages(stages)
        )
