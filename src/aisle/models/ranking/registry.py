"""The ranking family by name: what a recipe's ``model.kind`` may say.

Every class is made alike, ``MODELS[kind](embeddings, num_dense=..., generator=..., **fields)``, with the fields of its
specification in ``aisle.recipe.models``; ``table_width`` says how many numbers its tables' vectors have.
"""

from __future__ import annotations

from typing import Any

from aisle.models.ranking.afm import AFM
from aisle.models.ranking.attention_dlrm import AttentionDLRM
from aisle.models.ranking.autoint import AutoInt
from aisle.models.ranking.bst import BST
from aisle.models.ranking.dcn import DCN
from aisle.models.ranking.dcn_v2 import DCNv2
from aisle.models.ranking.deepfm import DeepFM
from aisle.models.ranking.dien import DIEN
from aisle.models.ranking.din import DIN
from aisle.models.ranking.dlrm import DLRM
from aisle.models.ranking.dnn import DNN
from aisle.models.ranking.finalmlp import FinalMLP
from aisle.models.ranking.fm import FM
from aisle.models.ranking.fwfm import FwFM
from aisle.models.ranking.logistic_regression import LogisticRegression
from aisle.models.ranking.masknet import MaskNet
from aisle.models.ranking.nfm import NFM
from aisle.models.ranking.wide_deep import WideDeep
from aisle.models.ranking.xdeepfm import XDeepFM

#: One line per model.
MODELS: dict[str, type[Any]] = {
    "afm": AFM,
    "attention-dlrm": AttentionDLRM,
    "autoint": AutoInt,
    "bst": BST,
    "dcn": DCN,
    "dcn-v2": DCNv2,
    "deepfm": DeepFM,
    "dien": DIEN,
    "din": DIN,
    "dlrm": DLRM,
    "dnn": DNN,
    "finalmlp": FinalMLP,
    "fm": FM,
    "fwfm": FwFM,
    "logistic": LogisticRegression,
    "masknet": MaskNet,
    "nfm": NFM,
    "wide-deep": WideDeep,
    "xdeepfm": XDeepFM,
}
