"""Calibrators: a ranker's logits to probabilities. Plain numbers; ``aisle.train.shop.calibrate`` fits them.

Legend of shapes: K candidates, M points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from aisle.errors import BundleError


@dataclass(frozen=True)
class PlattCalibrator:
    """``sigmoid(slope * logit + intercept)``; slope 1 and intercept 0 leave the ranker's own probabilities.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.
    """

    kind: ClassVar[str] = "platt"
    slope: float = 1.0
    intercept: float = 0.0

    def probabilities(self, logits_K: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probabilities [K]."""
        return sigmoid(self.slope * logits_K.astype(np.float64) + self.intercept)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a bundle."""
        return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What :meth:`as_json` gave."""
        return cls(float(document["slope"]), float(document["intercept"]))


@dataclass(frozen=True)
class IsotonicCalibrator:
    """A rising curve through M points, linear between them and level outside: it keeps the order but for ties.

    Source: Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", 2002
    (they step from block to block; lines between the blocks' middles make fewer ties).
    """

    kind: ClassVar[str] = "isotonic"
    logits_M: tuple[float, ...]
    probabilities_M: tuple[float, ...]

    def probabilities(self, logits_K: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probabilities [K]."""
        return np.interp(logits_K.astype(np.float64), self.logits_M, self.probabilities_M)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a bundle."""
        return {"kind": self.kind, "logits": list(self.logits_M), "probabilities": list(self.probabilities_M)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What :meth:`as_json` gave."""
        return cls(tuple(document["logits"]), tuple(document["probabilities"]))


Calibrator = PlattCalibrator | IsotonicCalibrator


def calibrator_from_json(document: Mapping[str, Any]) -> Calibrator:
    """The calibrator that a bundle describes.

    Raises:
        BundleError: it is of an unknown kind.
    """
    if document["kind"] == PlattCalibrator.kind:
        return PlattCalibrator.from_json(document)
    if document["kind"] == IsotonicCalibrator.kind:
        return IsotonicCalibrator.from_json(document)
    raise BundleError(f"calibrator: expected platt or isotonic, received {document['kind']!r}; upgrade Aisle")


def sigmoid(logits_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """``1 / (1 + exp(-logit))``; logits are held within +-500, where it is 0 or 1 in any case."""
    return 1 / (1 + np.exp(-np.clip(logits_K, -500, 500)))
