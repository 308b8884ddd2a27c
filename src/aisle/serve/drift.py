"""Adds up what all workers saw of ranked candidates, and says how far the features have moved since training."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from aisle.features.drift import FeatureReference, Observed
from aisle.serve.instruments import MULTIPROCESS_VARIABLE, Fact

#: With fewer answers chance alone moves the index of ten bins by about 0.05 (9 bins over 200 visitors), and by more.
MIN_ANSWERS = 200

_Sum = NDArray[np.float64]


class DriftCounts:
    """Sums of observations, one per bundle version.

    Several workers keep theirs in files side by side, each written by one process alone, and read them all at a scrape:
    an observation costs one addition of a few thousand bytes.

    Args:
        directory: Where the workers of one server share what they measure; ``None``: there is one process.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._sums: dict[str, _Sum] = {}

    @classmethod
    def of_environment(cls) -> DriftCounts:
        """Shared where the counters of :mod:`aisle.serve.instruments` are."""
        directory = os.environ.get(MULTIPROCESS_VARIABLE)
        return cls(Path(directory) if directory else None)

    def add(self, version: str, observed: Observed) -> None:
        """Count one answer of a bundle."""
        vector = observed.as_vector()
        with self._lock:
            if version not in self._sums:
                self._sums[version] = self._new_sum(version, len(vector))
            self._sums[version] += vector

    def total(self, version: str) -> Observed | None:
        """What all workers saw under a bundle; nothing before its first ranked answer."""
        with self._lock:
            sums = [self._sums[version].copy()] if version in self._sums else []
        if self._directory is not None:
            sums = [np.fromfile(path) for path in self._directory.glob(f"{_file_name(version, '*')}")]
        return Observed.of_vector(np.sum(sums, axis=0)) if sums else None

    def _new_sum(self, version: str, length: int) -> _Sum:
        if self._directory is None:
            return np.zeros(length)
        name = _file_name(version, str(os.getpid()))
        unfinished = self._directory / f".{name}"
        sums: _Sum = np.memmap(unfinished, np.float64, "w+", shape=(length,))
        unfinished.rename(self._directory / name)  # whoever reads it finds all of it
        return sums


def _file_name(version: str, process: str) -> str:
    return f"drift-{quote(version, safe='')}-{process}.f64"


def drift_facts(reference: FeatureReference, observed: Observed | None) -> Iterator[tuple[str, Fact]]:
    """What a scrape says of the features and probabilities of ranked answers.

    The index of a feature is the population stability index (see :func:`aisle.metrics.population_stability_index`) of
    its values among candidates now against those among whole candidate lists of training; by custom below 0.1 is
    stable, and above 0.25 calls for a look. It is left out before :data:`MIN_ANSWERS` answers.
    """
    num_answers = 0.0 if observed is None else observed.num_answers
    help_text = "Ranked answers of this version that the drift and the mean probability are of"
    yield "aisle_drift_answers", (help_text, [({}, num_answers)])
    if observed is None or num_answers < MIN_ANSWERS:
        return
    indices = [({"feature": name}, value) for name, value in reference.drift(observed).items()]
    yield "aisle_feature_drift", ("Population stability index of a feature against training", indices)
    now = observed.sum_probability / max(observed.num_candidates, 1.0)
    means = [({"of": "answers"}, now), ({"of": "training"}, reference.mean_label)]
    yield "aisle_predicted_probability", ("Mean probability of candidates; training: the share taken then", means)
