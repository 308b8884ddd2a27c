"""Whether a ranker's features still look as they did in training: counts of candidates in bins of each feature.

Bins are the buckets that the ranker embeds, neighbours taken together until each holds about a tenth of the candidates.

Legend of shapes: R candidates in training, K candidates of an answer, N kept features, T bins of all features, one
feature's after the other's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.features.ranker_inputs import RankerInputs
from aisle.metrics import population_stability_index

REFERENCE_FILE = "features/reference"
NUM_BINS = 10


@dataclass(frozen=True)
class Observed:
    """What some answers' candidates were like; observations of one reference are added up.

    Attributes:
        num_answers: How many answers.
        num_candidates: How many candidates they had.
        sum_probability: The sum of the candidates' predicted probabilities.
        counts_T: How many candidates lay in each bin.
    """

    num_answers: float
    num_candidates: float
    sum_probability: float
    counts_T: NDArray[np.float64]

    def as_vector(self) -> NDArray[np.float64]:
        """All numbers in one array, for what adds up the observations of several processes."""
        return np.concatenate([[self.num_answers, self.num_candidates, self.sum_probability], self.counts_T])

    @classmethod
    def of_vector(cls, vector: NDArray[np.float64]) -> Self:
        """What :meth:`as_vector` gave, or a sum of such."""
        return cls(float(vector[0]), float(vector[1]), float(vector[2]), vector[3:])


@dataclass(frozen=True)
class FeatureReference:
    """Whole candidate lists of a later time than the ranker learnt from, as a server sees them, in bins.

    Attributes:
        names: The N kept features.
        num_buckets_N: How many buckets the ranker has of each.
        starts_T: The first bucket of each bin, buckets of all features counted through.
        num_bins_N: How many bins each feature has.
        counts_T: How many candidates lay in each bin.
        mean_label: The share of them that was taken, which the calibrated probabilities should meet.
    """

    names: tuple[str, ...]
    num_buckets_N: NDArray[np.int64]
    starts_T: NDArray[np.int64]
    num_bins_N: NDArray[np.int64]
    counts_T: NDArray[np.float64]
    mean_label: float

    @classmethod
    def fit(cls, inputs: RankerInputs, features_RF: NDArray[np.float32], label_R: NDArray[np.float32]) -> Self:
        """Count the candidates of whole lists.

        Args:
            inputs: The ranker's.
            features_RF: Candidate features.
            label_R: Whether each was taken.
        """
        buckets_RN = inputs.buckets(features_RF)
        starts, counts, num_bins, first = [], [], [], 0
        for number, num_buckets in enumerate(inputs.num_buckets_N):
            counts_b = np.bincount(buckets_RN[:, number], minlength=num_buckets)
            bins = _starts_of_bins(counts_b)
            starts.append(first + bins)
            counts.append(np.add.reduceat(counts_b, bins))
            num_bins.append(len(bins))
            first += int(num_buckets)
        return cls(
            tuple(inputs.dense_names),
            inputs.num_buckets_N,
            np.concatenate(starts),
            np.array(num_bins, np.int64),
            np.concatenate(counts).astype(np.float64),
            float(label_R.mean()),
        )

    @cached_property
    def _first_bucket_N(self) -> NDArray[np.int64]:
        return np.cumsum(self.num_buckets_N) - self.num_buckets_N

    def observe(self, buckets_KN: NDArray[np.int64], probability_K: NDArray[np.floating[Any]]) -> Observed:
        """Count one answer's candidates.

        Args:
            buckets_KN: See :meth:`aisle.features.ranker_inputs.RankerInputs.buckets`.
            probability_K: What the ranker predicts of each.
        """
        counts = np.bincount((buckets_KN + self._first_bucket_N).ravel(), minlength=int(self.num_buckets_N.sum()))
        counts_T = np.add.reduceat(counts, self.starts_T).astype(np.float64)
        return Observed(1, len(buckets_KN), float(probability_K.sum()), counts_T)

    def drift(self, observed: Observed) -> dict[str, float]:
        """The population stability index of each feature; see :func:`aisle.metrics.population_stability_index`."""
        ends = np.cumsum(self.num_bins_N)[:-1]
        pairs = zip(np.split(self.counts_T, ends), np.split(observed.counts_T, ends), strict=True)
        indices = [population_stability_index(then, now) for then, now in pairs]
        return dict(zip(self.names, indices, strict=True))

    def save(self, writer: BundleWriter) -> None:
        """Write everything that :meth:`load` reads."""
        arrays = {
            "num_buckets": self.num_buckets_N,
            "starts": self.starts_T,
            "num_bins": self.num_bins_N,
            "counts": self.counts_T,
        }
        writer.write_arrays(REFERENCE_FILE, arrays)
        writer.write_json(REFERENCE_FILE, {"names": list(self.names), "mean_label": self.mean_label})

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing.
        """
        document: dict[str, Any] = bundle.read_json(REFERENCE_FILE)
        arrays = bundle.read_arrays(REFERENCE_FILE)
        try:
            return cls(
                names=tuple(document["names"]),
                num_buckets_N=arrays["num_buckets"],
                starts_T=arrays["starts"],
                num_bins_N=arrays["num_bins"],
                counts_T=arrays["counts"],
                mean_label=document["mean_label"],
            )
        except KeyError as error:
            raise BundleError(f"{REFERENCE_FILE}: expected {error}; train again with this version") from error


def _starts_of_bins(counts_b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first bucket of each bin: a bin begins where another tenth of all is reached."""
    share_before_b = (np.cumsum(counts_b) - counts_b) / counts_b.sum()
    tenth_b = np.minimum(np.floor(share_before_b * NUM_BINS + 1e-9), NUM_BINS - 1)
    return np.flatnonzero(np.diff(tenth_b, prepend=-1.0))
