"""Every ranker of the family keeps the contract, and its recipe says what its class takes."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest
import torch
from pydantic import BaseModel, TypeAdapter

from aisle.models.ranking.registry import MODELS
from aisle.recipe.models import TableModelSpec
from tests.contracts.rankers import HISTORY, NUM_DENSE, RankerCase, RankerContract

torch.set_num_threads(1)

SMALL = {"deep_layers": (16,)}
HISTORIES: dict[str, Any] = {"histories": {"item": HISTORY}, "length_column": NUM_DENSE - 1}
DLRM_SMALL = {"dense_layers": (8,), "over_layers": (16,)}
CASES = [
    RankerCase("afm", {"attention_size": 8}, exports=True),
    RankerCase("attention-dlrm", DLRM_SMALL | {"attention": "replace"}),
    RankerCase("attention-dlrm", DLRM_SMALL | {"attention": "beside"}, exports=True),
    RankerCase("autoint", {"attention_layers": 2, "head_size": 4}, exports=True),
    RankerCase("autoint", SMALL | {"attention_layers": 1, "head_size": 4, "numeric": "linear"}),
    RankerCase("bst", SMALL | HISTORIES, exports=True),
    RankerCase("bst", SMALL | HISTORIES | {"num_blocks": 2, "num_heads": 1, "numeric": "embed"}),
    RankerCase("dcn", SMALL | {"cross_layers": 2}),
    RankerCase("dcn-v2", SMALL | {"cross_layers": 2}, exports=True),
    RankerCase("dcn-v2", SMALL | {"rank": 3, "num_experts": 2, "structure": "stacked"}, exports=True),
    RankerCase("deepfm", SMALL),
    RankerCase("deepfm", SMALL | {"numeric": "periodic"}, exports=True),
    RankerCase("dien", SMALL | HISTORIES, exports=True),
    RankerCase("dien", SMALL | HISTORIES | {"auxiliary_weight": 0.0, "numeric": "none"}),
    RankerCase("din", SMALL | HISTORIES | {"attention_layers": (8,)}, exports=True),
    RankerCase("din", SMALL | HISTORIES | {"pooling": "mean"}, exports=True),
    RankerCase("dlrm", DLRM_SMALL),
    RankerCase("dlrm", DLRM_SMALL | {"interaction": "cat", "raw_dense": True}),
    RankerCase("dnn", SMALL),
    RankerCase("dnn", SMALL | {"powers": True, "numeric": "none"}),
    RankerCase("finalmlp", {"streams": ((16, 8), (8,)), "num_heads": 2, "gate_layers": (8,)}),
    RankerCase("finalmlp", {"streams": ((16,), (8,)), "num_heads": 2, "contexts": (("item",), ())}, exports=True),
    RankerCase("fm"),
    RankerCase("fm", {"numeric": "linear"}),
    RankerCase("fm", {"numeric": "none"}, exports=True),
    RankerCase("fwfm", exports=True),
    RankerCase("logistic", learns_products=False),
    RankerCase("masknet", SMALL | {"blocks": (8, 8)}, exports=True),
    RankerCase("masknet", SMALL | {"blocks": (8, 8), "structure": "serial", "numeric": "linear"}),
    RankerCase("nfm", SMALL),
    RankerCase("wide-deep", SMALL),
    RankerCase("xdeepfm", SMALL | {"cin_layers": (4, 3)}, exports=True),
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
        name: "required" if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in inspect.signature(MODELS[kind].__init__).parameters.items()
        if name not in ("self", "embeddings", "num_dense", "generator")
    }
    fields = {
        name: "required" if one.is_required() else one.get_default()
        for name, one in _specs()[kind].model_fields.items()
        if name != "kind"
    }
    assert {name: _plain(value) for name, value in taken.items()} == {
        name: _plain(value) for name, value in fields.items()
    }


def test_every_kind_of_a_recipe_has_a_model() -> None:
    assert set(_specs()) == set(MODELS)
    for case in CASES:
        assert TypeAdapter[Any](TableModelSpec).validate_python({"kind": case.kind} | case.fields).kind == case.kind


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
