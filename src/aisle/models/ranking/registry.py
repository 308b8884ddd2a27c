"""The ranking family by name: what a recipe's ``model.kind`` may say.

Every class is made alike, ``MODELS[kind](embeddings, num_dense=..., generator=..., **fields)``, with the fields of its
specification in ``aisle.recipe.models``; ``table_width`` says how many numbers its tables' vectors have.
"""

from __future__ import annotations

from typing import Any

from aisle.models.ranking.dcn_v2 import DCNv2
from aisle.models.ranking.deepfm import DeepFM
from aisle.models.ranking.dlrm import DLRM
from aisle.models.ranking.fm import FM
from aisle.models.ranking.logistic_regression import LogisticRegression

#: One line per model.
MODELS: dict[str, type[Any]] = {
    "dcn-v2": DCNv2,
    "deepfm": DeepFM,
    "dlrm": DLRM,
    "fm": FM,
    "logistic": LogisticRegression,
}
