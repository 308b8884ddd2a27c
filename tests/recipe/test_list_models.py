"""What recipes over lists refuse: settings that nothing would read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import aisle.recipe
from aisle.errors import ConfigError
from aisle.recipe import load, parse_strict
from tests.lists import make_list_recipe

DEFAULTS = Path(aisle.recipe.__file__).parent / "defaults"
TRAIN = Path("lists.parquet")


@pytest.mark.parametrize("path", sorted(DEFAULTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_a_recipe_that_comes_along_says_is_read_again(path: Path) -> None:
    recipe = load(path)
    assert parse_strict(type(recipe), recipe.model_dump(mode="json"), path.stem) == recipe


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"popularity_power": 0.5}, r"popularity_power: expected 0 with negatives 0 .*, received 0.5; set negatives"),
        ({"log_q": True}, r"log_q: expected false with negatives 0 \(all items\), received true; take a softmax"),
        ({"log_q": True, "negatives": 8, "kind": "bce"}, "log_q: expected false with bce, received true; take a"),
        ({"calibration": 0.5}, "calibration: expected it with gbce alone, received 0.5 with softmax; take gbce"),
        ({"calibration": 0.5, "negatives": 8, "kind": "bpr"}, "received 0.5 with bpr; take gbce, or leave it out"),
    ],
)
def test_settings_that_a_loss_does_not_read(loss: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"loss.*{message}"):
        make_list_recipe(TRAIN, {"kind": "sasrec", "loss": loss})


@pytest.mark.parametrize(
    "loss",
    [
        {"negatives": 8, "popularity_power": 0.5, "log_q": True},
        {"negatives": 8, "popularity_power": 0.5, "kind": "bpr-max"},
        {"negatives": 8, "calibration": 0.5, "kind": "gbce"},
        {"in_batch": True, "log_q": True},
        {"calibration": 0.75},  # the default, as it stands in what runs keep
    ],
)
def test_settings_that_a_loss_reads(loss: dict[str, Any]) -> None:
    recipe = make_list_recipe(TRAIN, {"kind": "sasrec", "loss": loss})
    assert loss.items() <= recipe.model.loss.model_dump().items()


def test_neumf_pretrains_no_longer_than_it_trains() -> None:
    recipe = make_list_recipe(TRAIN, {"kind": "neumf", "pretraining_epochs": 3})
    assert (recipe.model.pretraining_epochs, recipe.train.epochs) == (3, 3)
    with pytest.raises(
        ConfigError, match=r"pretraining_epochs: expected train.epochs \(3\) at most, received 4; lower"
    ):
        make_list_recipe(TRAIN, {"kind": "neumf", "pretraining_epochs": 4})


def test_the_mlp_of_neumf_pretrains_no_longer_than_its_gmf() -> None:
    model = {"kind": "neumf", "pretraining_epochs": 2}
    assert make_list_recipe(TRAIN, {**model, "mlp_pretraining_epochs": 2}).model.mlp_pretraining_epochs == 2
    with pytest.raises(
        ConfigError, match=r"mlp_pretraining_epochs: expected pretraining_epochs \(2\) at most, received 3; lower"
    ):
        make_list_recipe(TRAIN, {**model, "mlp_pretraining_epochs": 3})


def test_lightgcn_draws_no_negatives_for_a_softmax_over_all_items() -> None:
    model = {"kind": "lightgcn", "negatives": 4}
    assert make_list_recipe(TRAIN, model).model.negatives == 4
    with pytest.raises(ConfigError, match=r"negatives: expected none with loss softmax .*, received 4; take loss bpr"):
        make_list_recipe(TRAIN, {**model, "loss": "softmax"})


def test_the_ranker_of_actions_has_no_mlp() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'model\.hstu-ranker\.hidden'"):
        make_list_recipe(TRAIN, {"kind": "hstu-ranker", "hidden": [64]})
