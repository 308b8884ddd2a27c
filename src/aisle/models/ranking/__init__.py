"""Rankers: they order the candidates that retrieval found."""

from aisle.models.ranking.dlrm import DLRM
from aisle.models.ranking.ensemble import RankerEnsemble
from aisle.models.ranking.field_dlrm import FieldDLRM
from aisle.models.ranking.logistic_regression import LogisticRegression

__all__ = ["DLRM", "FieldDLRM", "LogisticRegression", "RankerEnsemble"]
