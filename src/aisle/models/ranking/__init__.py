"""Rankers: they order the candidates that retrieval found."""

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
from aisle.models.ranking.ensemble import RankerEnsemble
from aisle.models.ranking.field_dlrm import FieldDLRM
from aisle.models.ranking.finalmlp import FinalMLP
from aisle.models.ranking.fm import FM
from aisle.models.ranking.fwfm import FwFM
from aisle.models.ranking.logistic_regression import LogisticRegression
from aisle.models.ranking.masknet import MaskNet
from aisle.models.ranking.nfm import NFM
from aisle.models.ranking.wide_deep import WideDeep
from aisle.models.ranking.xdeepfm import XDeepFM

__all__ = [
    "AFM",
    "BST",
    "DCN",
    "DIEN",
    "DIN",
    "DLRM",
    "DNN",
    "FM",
    "NFM",
    "AttentionDLRM",
    "AutoInt",
    "DCNv2",
    "DeepFM",
    "FieldDLRM",
    "FinalMLP",
    "FwFM",
    "LogisticRegression",
    "MaskNet",
    "RankerEnsemble",
    "WideDeep",
    "XDeepFM",
]
