"""Rankers: they order the candidates that retrieval found."""

from aisle.models.ranking.dcn_v2 import DCNv2
from aisle.models.ranking.deepfm import DeepFM
from aisle.models.ranking.dlrm import DLRM
from aisle.models.ranking.ensemble import RankerEnsemble
from aisle.models.ranking.field_dlrm import FieldDLRM
from aisle.models.ranking.fm import FM
from aisle.models.ranking.logistic_regression import LogisticRegression

__all__ = ["DLRM", "FM", "DCNv2", "DeepFM", "FieldDLRM", "LogisticRegression", "RankerEnsemble"]
