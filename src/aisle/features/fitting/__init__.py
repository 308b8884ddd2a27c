"""What operators are fitted with: mergeable moments, quantile sketches and totals per key; hashes and lookups."""

from aisle.features.fitting.lookup import KeyLookup
from aisle.features.fitting.moments import Moments
from aisle.features.fitting.sketch import RELATIVE_ERROR, QuantileSketch
from aisle.features.fitting.totals import KeyTotals, SpilledRun

__all__ = ["RELATIVE_ERROR", "KeyLookup", "KeyTotals", "Moments", "QuantileSketch", "SpilledRun"]
