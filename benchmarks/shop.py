"""Online Retail as a shop to measure on: imported the public way, with a directory that keeps what training has made.

A benchmark that was killed goes on from such a directory where it was, if its recipe is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aisle import recipe as recipes
from aisle.assemble import shop_fitters
from aisle.data import datasets
from aisle.data.snapshots import ShopLog
from aisle.errors import ConfigError
from aisle.evaluate.shop_temporal import PLACEMENT
from aisle.evaluate.windows import VARIANT_OF
from aisle.ingest import import_files
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.store import SqlStore
from aisle.train.shop.parts import Bench
from aisle.train.shop.pipelines import Fitters
from aisle.train.shop.ranker_examples import RankerExamples, collect_examples
from aisle.train.shop.ranker_snapshots import RankerSnapshots
from aisle.train.shop.work_directory import WorkDirectory
from aisle.workspace import Workspace


@dataclass(frozen=True)
class Shop:
    """A workspace with a shop's events, a recipe, and where the parts of its training are kept."""

    workspace: Workspace
    store: SqlStore
    log: ShopLog
    recipe: ShopRecipe
    fitters: Fitters
    work: WorkDirectory


@contextmanager
def open_bench(directory: Path, recipe: ShopRecipe) -> Iterator[Bench]:
    """The shop at a directory, for processes that make parts of its training."""
    with online_retail(directory, recipe, silent) as shop:
        yield Bench(shop.recipe, shop.log, shop.fitters, shop.work)


@contextmanager
def online_retail(directory: Path, recipe: ShopRecipe, progress: Progress) -> Iterator[Shop]:
    """Online Retail in a workspace at ``directory / "shop"``, imported unless it is there.

    Raises:
        ConfigError: the parts in the directory were made by another recipe.
    """
    noted = directory / "recipe.yaml"
    if noted.exists() and recipes.load(noted) != recipe:
        raise ConfigError(f"{directory}: expected parts of this recipe, they are of {noted}; name another directory")
    is_new = not noted.exists()
    directory.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.create(directory / "shop") if is_new else Workspace.open(directory / "shop")
    store = workspace.open_store()
    try:
        if is_new:
            prepared = datasets.load(datasets.get("online_retail"), progress)
            paths = datasets.write_canonical(prepared, directory / "files")
            for kind in ("items", "events"):
                import_files(store, workspace.imports, kind, [paths[kind]], progress=progress)
            noted.write_text(recipes.dump(recipe), encoding="utf-8")
        log = ShopLog.read(store)
        yield Shop(workspace, store, log, recipe, shop_fitters(recipe), WorkDirectory(directory / "parts"))
    finally:
        store.close()


def whole_lists(shop: Shop, snapshots: RankerSnapshots, until_ms: int, progress: Progress = silent) -> RankerExamples:
    """All candidates of all visitors of the window after a time, under both repeat policies; collected once."""
    base, window = snapshots.fitted(until_ms), snapshots.window(until_ms)

    def collect() -> RankerExamples:
        return collect_examples(
            base.pipeline,
            base.featurizer,
            window,
            placement=PLACEMENT,
            repeats=tuple(VARIANT_OF),
            negatives=None,
            max_questions=len(window.questions),
            seed=shop.recipe.seed,
            progress=progress,
        )

    return shop.work.examples("whole", until_ms, collect)
