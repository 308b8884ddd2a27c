"""Every ranker of the family keeps the contract, and its recipe says what its class takes."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest
import torch
from pydantic import BaseModel, TypeAdapter

from aisle.models.ranking.registry import MODELS
from aisle.recipe.models import TableModelSpec
from tests.contracts.rankers import RankerCase, RankerContract

torch.set_num_threads(1)

SMALL = {"deep_layers": (16,)}
CASES = [
    RankerCase("dcn-v2", SMALL | {"cross_layers": 2}, exports=True),
    RankerCase("dcn-v2", SMALL | {"rank": 3, "num_experts": 2, "structure": "stacked"}, exports=True),
    RankerCase("deepfm", SMALL),
    RankerCase("deepfm", SMALL | {"numeric": "periodic"}, exports=True),
    RankerCase("dlrm", {"dense_layers": (8,), "over_layers": (16,)}),
    RankerCase("dlrm", {"dense_layers": (8,), "over_layers": (16,), "interaction": "cat", "raw_dense": True}),
    RankerCase("fm"),
    RankerCase("fm", {"numeric": "linear"}),
    RankerCase("fm", {"numeric": "none"}, exports=True),
    RankerCase("logistic", learns_products=False),
]


@pytest.mark.parametrize("case", CASES, ids=str)
class TestRankers(RankerContract):
    pass


def test_every_model_enters_the_contract() -> None:
    assert {case.kind for case in CASES} == set(MODELS)


def _specs() -> dict[str, type[BaseModel]]:
    return {get_args(spec.model_fields["kind"].annotation)[0]: spec for spec in get_args(get_args(TableModelSpec)[0])}


@pytest.mark.parametrize("kind", MODELS)
def test_a_recipe_says_what_the_class_takes(kind: str) -> None:
    taken = {
        name: parameter.default
        for name, parameter in inspect.signature(MODELS[kind].__init__).parameters.items()
        if name not in ("self", "embeddings", "num_dense", "generator")
    }
    fields = {name: one.get_default() for name, one in _specs()[kind].model_fields.items() if name != "kind"}
    assert {name: _plain(value) for name, value in taken.items()} == {
        name: _plain(value) for name, value in fields.items()
    }


def test_every_kind_of_a_recipe_has_a_model() -> None:
    assert set(_specs()) == set(MODELS)
    for kind in MODELS:
        assert TypeAdapter[Any](TableModelSpec).validate_python({"kind": kind}).kind == kind


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
