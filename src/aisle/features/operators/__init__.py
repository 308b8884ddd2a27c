"""Operators: row transforms with one fitted state, executed by Polars offline and by NumPy online."""

from aisle.features.operators.contract import Operator, State
from aisle.features.operators.kinds import build_operator, build_operators
from aisle.features.operators.target_statistics import TargetStatistics

__all__ = ["Operator", "State", "TargetStatistics", "build_operator", "build_operators"]
