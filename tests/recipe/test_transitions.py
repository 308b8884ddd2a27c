"""The recipes of strong simple models and of networks beside them, and what the former's specifications refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import aisle.recipe
from aisle.recipe import ListRecipe, load
from aisle.recipe.list_models.transitions import BlendSpec

DEFAULTS = Path(aisle.recipe.__file__).parent / "defaults"
KINDS = {
    "amazon-beauty-blend": "blend",
    "amazon-beauty-content-blend": "blend",
    "amazon-beauty-rules": "rules",
    "diginetica-blend": "blend",
    "diginetica-core": "core",
    "diginetica-gru4rec": "gru4rec",
    "diginetica-item-knn": "session-item-knn",
    "diginetica-markov": "markov",
    "diginetica-rules": "rules",
    "diginetica-vsknn": "vsknn",
    "diginetica-walk": "session-item-knn",
    "ml-1m-ridge": "next-item-ridge",
    "ml-1m-rules": "rules",
}


@pytest.mark.parametrize("name", KINDS)
def test_a_recipe_that_comes_along(name: str) -> None:
    recipe = load(DEFAULTS / f"{name}.yaml")
    assert isinstance(recipe, ListRecipe)
    assert (recipe.name, recipe.model.kind) == (name, KINDS[name])
    learns_all_but_the_test = getattr(recipe.data.split, "train_on_validation", False)
    assert learns_all_but_the_test == (recipe.model.kind != "blend"), "a blend chooses its weights on the validation"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"metric": "ndcg"}, "metric"),
        ({"parts": []}, "parts"),
        ({"parts": [{"model": {"kind": "markov"}, "weight": -1}]}, "weight"),
        ({"parts": [{"model": {"kind": "sasrec"}}]}, "model"),
    ],
)
def test_what_a_blend_is_not_made_of(change: dict[str, object], where: str) -> None:
    plain = {"kind": "blend", "parts": [{"model": {"kind": "markov"}}]}
    assert BlendSpec.model_validate(plain).parts[0].weight is None
    with pytest.raises(ValidationError, match=where):
        BlendSpec.model_validate(plain | change)
