"""The source ``list_model``: each model learns a tiny shop, twice the same, is saved, read, and ranked with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from aisle import recipe as recipes
from aisle.assemble import generator_fitter
from aisle.bundle import Bundle, BundleWriter
from aisle.data.snapshots import Snapshot
from aisle.errors import BackendUnavailableError
from aisle.pipeline.generators import Generator, ListModelGenerator
from aisle.recipe.generators import GeneratorSpec
from tests.contracts.generators import query_of
from tests.histories import Line, snapshot_of

NUM_ITEMS, END = 8, 60
SPECS: TypeAdapter[Any] = TypeAdapter(GeneratorSpec)
#: What each model needs beside its defaults to tell the halves of the tiny shop apart.
MODELS: dict[str, dict[str, Any]] = {
    "item-knn": {},
    "user-knn": {"neighbours": 4},
    "ease": {"l2": 1.0},
    "graph-filter": {"rank": 2},
    "pure-svd": {"rank": 2},
    "ials": {"factors": 4},
    "markov": {},
    "rules": {},
    "session-item-knn": {},
    "next-item-ridge": {"l2": 1.0},
    "vsknn": {"neighbours": 4},
    "dmf": {"hidden": [8], "batch_size": 16},
    "mult-dae": {"latent": 4, "batch_size": 4},
    "mult-vae": {"hidden": [16], "latent": 4, "batch_size": 4, "beta": 0.0},
}
TRAINED = {"dmf", "mult-dae", "mult-vae"}


def halves() -> list[Line]:
    """Even visitors go round the even items, odd ones round the odd ones; nobody leaves out more than one."""
    return [
        Line(day + visitor / 100, f"u{visitor}", f"i{(2 * (visitor + day) + visitor % 2) % NUM_ITEMS}")
        for visitor in range(16)
        for day in range(NUM_ITEMS // 2 - (visitor < 8))
    ]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return snapshot_of([*halves(), Line(30, "u1", "rare")], day=END, item_order=[f"i{n}" for n in range(NUM_ITEMS)])


def fitted(snapshot: Snapshot, folder: Path, model: dict[str, Any]) -> list[Generator]:
    spec: dict[str, Any] = {"kind": "list_model", "model": model}
    if model["kind"] in TRAINED:
        spec |= {"epochs": 60, "learning_rate": 0.02}
    path = folder / "shop.yaml"
    path.write_text(
        json.dumps(
            {
                "kind": "shop",
                "name": "lists",
                "generators": {"mine": spec},
                "placements": {"for-you": {"asks_with": "history", "fit": "none", "sources": ["mine"]}},
            }
        )
    )
    return list(generator_fitter(recipes.load(path))(snapshot).values())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", MODELS)
def test_it_keeps_to_the_visitors_half(kind: str, snapshot: Snapshot, tmp_path: Path) -> None:
    (generator,) = fitted(snapshot, tmp_path, {"kind": kind, **MODELS[kind]})
    assert isinstance(generator, ListModelGenerator)
    eligible_V = np.arange(NUM_ITEMS + 3) >= 2
    for first in (2, 3):
        query = query_of((first, 1.0), (first + 2, 0.0), num_rows=NUM_ITEMS + 3)
        found = generator.candidates(query, 3, eligible_V)
        assert len(found.rows_k) == 3
        others = [row for row in found.rows_k.tolist() if row not in (first, first + 2)]
        assert others[0] % 2 == first % 2
        assert found.scores_V is not None
        assert found.scores_V[[0, 1, NUM_ITEMS + 2]].tolist() == [0, 0, 0], "reserved rows, and a rare item"
        with BundleWriter(tmp_path / f"bundle-{first}") as writer:
            parameters = json.loads(json.dumps(generator.save(writer)))
        loaded = ListModelGenerator.load("mine", Bundle.open(tmp_path / f"bundle-{first}"), parameters)
        assert np.array_equal(loaded.candidates(query, 3, eligible_V).scores_k, found.scores_k)
        (again,) = fitted(snapshot, tmp_path, {"kind": kind, **MODELS[kind]})
        assert np.array_equal(again.candidates(query, 3, eligible_V).scores_k, found.scores_k)


@pytest.mark.parametrize("kind", ["item-knn", "mult-vae"])
def test_where_nobody_did_two_things_there_is_no_source(kind: str, tmp_path: Path) -> None:
    once = snapshot_of([Line(1, f"u{number}", "a") for number in range(5)], day=3)
    assert fitted(once, tmp_path, {"kind": kind}) == []


def test_without_torch_the_remedy_is_named(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match=r"generators.mine: .*pip install 'aisle\[train\]'"):
        fitted(snapshot, tmp_path, {"kind": "mult-vae"})
    assert len(fitted(snapshot, tmp_path, {"kind": "ease"})) == 1


@pytest.mark.parametrize("kind", ["blend", "bert4rec", "content", "popularity", "sasrec"])
def test_models_that_are_no_list_source_are_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match=f"'{kind}' found using 'kind' does not match any of the expected tags"):
        SPECS.validate_python({"kind": "list_model", "model": {"kind": kind}})


def test_settings_of_training_need_a_model_that_is_trained() -> None:
    block = {"kind": "list_model", "epochs": 3}
    with pytest.raises(ValidationError, match="epochs: expected a model that is trained, received ease; leave it out"):
        SPECS.validate_python({**block, "model": {"kind": "ease"}})
    assert SPECS.validate_python({**block, "model": {"kind": "mult-vae"}}).epochs == 3
