"""The benchmarks of table recipes: what they would train, and at which size."""

from __future__ import annotations

import math

import pytest

from aisle.recipe.models import TableModelSpec
from aisle.studies.train_speed import SpeedSettings
from benchmarks import criteo, histories, table_kinds, train_scale

# As many rows as the large columns of the sample have, and two small ones.
SIZES = {"C3": 11_000, "C4": 7_000, "C12": 10_000, "C20": 6, "C9": 400}


@pytest.mark.parametrize("name", criteo.MODELS)
def test_every_model_of_the_benchmark_has_a_recipe(name: str) -> None:
    recipe = criteo.MODELS[name].load()
    assert recipe.model.kind == name.partition(",")[0]
    assert recipe.training.patience >= recipe.training.num_epochs * recipe.training.evaluations_per_epoch


def test_every_model_but_those_of_histories_is_measured() -> None:
    kinds = {spec.model_fields["kind"].annotation.__args__[0] for spec in TableModelSpec.__origin__.__args__}
    measured = {entry.load().model.kind for entry in criteo.MODELS.values()}
    assert {kind for kind in kinds - measured if not kind.startswith(("shared", "mmoe", "esmm"))} == {
        "bst",
        "dien",
        "din",
    }


def test_models_of_histories_are_measured_on_histories() -> None:
    models = {name: entry.load().model for name, entry in histories.MODELS.items()}
    assert {model.kind for model in models.values()} == {"bst", "dien", "din"}
    assert models[histories.REFERENCE].pooling == "mean" and models["din"].pooling == "attention"
    assert len({str(model.histories) + model.length_column for model in models.values()}) == 1


def test_the_command_trains_the_same() -> None:
    entry = criteo.Entry("criteo", ("model.kind=fm",))
    assert entry.command("--seeds 0,1 -o OUT") == (
        "aisle train recipes/criteo.yaml --set 'model.kind=fm' --seeds 0,1 -o OUT"
    )
    assert criteo.Entry("criteo").command("-o OUT") == "aisle train recipes/criteo.yaml -o OUT"


@pytest.mark.parametrize("share", table_kinds.SHARES)
def test_kinds_of_tables_are_compared_at_equal_bytes(share: float) -> None:
    sizes = {}
    for kind in table_kinds.KINDS:
        tables = table_kinds.entry_of(kind, share).load().tables
        sizes[kind] = tables.num_bytes(SIZES, tables.embedding_dim)
    full = 4 * 16 * sum(SIZES.values())
    assert max(sizes.values()) < 1.02 * (share * full + 4 * 16 * 406)
    # A low-rank table is as wide as whole columns allow, so it may stay a column below.
    others = [size for kind, size in sizes.items() if kind != "low-rank"]
    assert max(others) < 1.02 * min(others)
    assert sizes["low-rank"] > 0.9 * max(others) - 4 * sum(SIZES.values())


def test_costs_are_measured_for_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    base = SpeedSettings(
        batch_size=32, num_tables=2, embedding_dim=4, dense_layers=(8,), over_layers=(8,), num_turns=1, table_rows=100
    )
    steps = train_scale.measure(base, (100, 200), (64,), train_scale.measure_one)
    assert {(step["table_rows"], step["batch_size"]) for step in steps} == {(100, 32), (200, 32), (100, 64)}
    for step in steps:
        # Rows of 4 numbers, and one of row-wise Adagrad's state each.
        state = 4 * 5 * 2 * step["table_rows"]
        assert math.isclose(step["table_bytes"], state, abs_tol=64)
        assert step["microseconds_per_sample"] * step["samples_per_second"] == pytest.approx(1e6, rel=0.05)
    assert str(100) in capsys.readouterr().out


def test_the_memory_of_a_size_is_its_own() -> None:
    num_rows = 1 << 20
    settings = SpeedSettings(batch_size=32, num_tables=2, embedding_dim=8, num_turns=1, table_rows=num_rows, threads=1)
    measured = train_scale.in_own_process(settings)
    weight_bytes = 4 * 8 * 2 * num_rows
    # The optimizer's state is of no memory where no row was met; weights are drawn number by number or all at once.
    assert weight_bytes < measured["peak_bytes"] < 3 * weight_bytes
