"""Retraining from the active bundle: vectors go over by id, and a tested ranker starts from none that saw its test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from aisle import recipe as recipes
from aisle.bundle import Bundle
from aisle.errors import DataError
from aisle.features.ranker_inputs import RankerInputs
from aisle.models.ranking import LogisticRegression
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.pipeline.rank_stage import RankStage
from aisle.recipe import ShopRecipe
from aisle.train.shop.session import TrainingResult
from aisle.train.shop.warm_start import TableNames, WarmStart
from tests.rankers import generator
from tests.train.conftest import SMALL, TrainingShop

EARLIER = TableNames(("tea", "cup", "pen"), ("desk", "kitchen"), ())
NOW = TableNames(("pen", "ink", "tea"), ("kitchen", "attic", "desk"), ("new",))


def inputs_of(names: TableNames, *edges: list[float]) -> RankerInputs:
    """Inputs of the features age and price with these edges, and of the ids."""
    ones = np.ones(2, np.float32)
    sizes = {"item": len(names.item) + 2, "category": len(names.category) + 2, "brand": len(names.brand) + 2}
    table_edges = tuple(np.array(one, np.float32) for one in edges)
    return RankerInputs(("age", "price"), np.arange(2), ones, ones, table_edges, sizes)


def embeddings_of(inputs: RankerInputs, width: int, seed: int) -> EmbeddingBagCollection:
    tables = [
        EmbeddingBagConfig(name=name, num_embeddings=size, embedding_dim=width, feature_names=(name,))
        for name, size in inputs.table_sizes.items()
    ]
    return EmbeddingBagCollection(tables, generator=generator(seed))


THEN = inputs_of(EARLIER, [1.0, 2.0], [5.0])
NEXT = inputs_of(NOW, [1.0, 2.0], [6.0])


def warm_start(*collections: EmbeddingBagCollection) -> WarmStart:
    lookup = EmbeddingBagCollection.side_by_side(collections).serving_half()
    stage = SimpleNamespace(inputs=THEN, ranker=SimpleNamespace(embeddings=lookup))
    return WarmStart("v1", 1000, EARLIER, cast(RankStage, stage))


def test_rows_go_over_by_id_also_where_they_moved() -> None:
    earlier, fresh = embeddings_of(THEN, 1, seed=1), embeddings_of(NEXT, 1, seed=2)
    model = LogisticRegression(embeddings_of(NEXT, 1, seed=2), num_dense=2)
    fresh.table.weight.data.copy_(model.embeddings.table.weight)
    warm_start(earlier).start(model, NEXT, NOW, member=0, num_members=1)
    started = {name: model.embeddings.rows_of(name)[:, 0].tolist() for name in NEXT.table_sizes}
    old = {name: earlier.rows_of(name)[:, 0].tolist() for name in THEN.table_sizes}
    new = {name: fresh.rows_of(name)[:, 0].tolist() for name in NEXT.table_sizes}
    # Padding and unknown, then: pen was row 4 and is 2, ink is new, tea was row 2 and is 4.
    assert started["item"] == [old["item"][0], old["item"][1], old["item"][4], new["item"][3], old["item"][2]]
    assert started["category"] == [*old["category"][:2], old["category"][3], new["category"][3], old["category"][2]]
    assert started["brand"] == [*old["brand"], new["brand"][2]]
    assert started["age"] == old["age"], "the same edges: the same buckets"
    assert started["price"] == new["price"], "other edges: other buckets"


def test_each_member_of_an_ensemble_starts_from_its_own_part() -> None:
    members = [embeddings_of(THEN, 1, seed=seed) for seed in (1, 2)]
    for number, member in enumerate(members):
        model = LogisticRegression(embeddings_of(NEXT, 1, seed=5), num_dense=2)
        warm_start(*members).start(model, NEXT, NOW, member=number, num_members=2)
        assert torch.equal(model.embeddings.rows_of("item")[2], member.rows_of("item")[4])


def test_vectors_of_another_width_stay(caplog: pytest.LogCaptureFixture) -> None:
    model = LogisticRegression(embeddings_of(NEXT, 1, seed=5), num_dense=2)
    before = model.embeddings.table.weight.detach().clone()
    warm_start(embeddings_of(THEN, 3, seed=1)).start(model, NEXT, NOW, member=0, num_members=1)
    assert torch.equal(model.embeddings.table.weight, before)
    assert "expected vectors of 1 numbers, those of the bundle v1 have 3" in caplog.text


def test_what_has_seen_the_test_is_no_start() -> None:
    earlier = warm_start(embeddings_of(THEN, 1, seed=1))
    assert [earlier.may_start(time_ms) for time_ms in (999, 1000, 1001)] == [False, True, True]


@pytest.fixture
def recipe(tmp_path: Path) -> ShopRecipe:
    path = tmp_path / "warm.yaml"
    ranker = "ranker: {examples: {snapshots: 1}, ids: [item], model: {kind: logistic, num_buckets: 4}}"
    path.write_text(f"{SMALL}\n{ranker}\n")
    return recipes.load(path, ["ranker.training.warm_start=true", "ranker.training.learning_rate=0.02"])


def hashes_of(result: TrainingResult, part: str) -> dict[str, str]:
    files = Bundle.open(part_of(result, part)).manifest.files
    return {name: entry.sha256 for name, entry in files.items()}


def part_of(result: TrainingResult, part: str) -> Path:
    (split,) = (result.run.path / "splits").iterdir()
    return {"bundle": result.run.bundle, "split": split}[part]


def test_the_serving_ranker_alone_starts_from_the_active_bundle_and_a_resumed_one_from_the_same(
    shop: TrainingShop, recipe: ShopRecipe
) -> None:
    first = shop.train(recipe)
    assert "starts anew: no bundle is active" in first.run.log.read_text()
    second = shop.train(recipe)
    log = second.run.log.read_text()
    assert log.count(f"starts anew: the bundle {first.version} has seen events after it") == 2, "the tested, the early"
    assert log.count(f"tables start from the bundle {first.version}") == 1
    assert hashes_of(second, "split") == hashes_of(first, "split")
    assert second.metrics["metrics"] == first.metrics["metrics"], "honest: nothing tested has seen its test"
    changed = hashes_of(first, "bundle").items() ^ hashes_of(second, "bundle").items()
    assert {name for name, _ in changed} >= {"ranker/tables/weights.npy"}

    shop.store.activate_bundle(first.version)

    def stop(stage: str, done: int, total: int | None) -> None:
        if stage == "train the ranker":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shop.train(recipe, progress=stop)
    shop.store.activate_bundle(second.version)
    resumed = shop.train(recipe, resume=True)
    assert hashes_of(resumed, "bundle") == hashes_of(second, "bundle")


def test_a_bundle_that_was_deleted_in_between_is_named(
    shop: TrainingShop, small_recipe: ShopRecipe, recipe: ShopRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = shop.train(small_recipe).version

    def stop(stage: str, done: int, total: int | None) -> None:
        if stage == "collect candidates":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shop.train(recipe, progress=stop)
    monkeypatch.setattr(shop.store, "bundles", list)
    with pytest.raises(DataError, match=f"expected the bundle {version} that the training began from, it was deleted"):
        shop.train(recipe, resume=True)
