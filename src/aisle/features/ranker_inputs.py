"""From candidate features to a ranker's inputs: standardized numbers, the bucket of each, and ids.

One matrix at a time, as a request allows a few microseconds per column: what the operators ``standardize`` and
``bucketize`` do column by column, with the same conventions (row 0 padding, row 1 unknown, an edge begins its bucket).

Legend of shapes: R training rows, K candidates, F candidate features, N kept features, S sparse features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError, DataError

INPUTS_FILE = "features/inputs"
#: Rows of a table before the first bucket: padding, unknown.
FIRST_ROW = 2
#: Standardized values are held within plus and minus this.
CLIP = 4.0
#: Quantiles of more rows would be no better.
MAX_QUANTILE_ROWS = 200_000


@dataclass(frozen=True)
class RankerInputs:
    """What was fitted on training rows; features that did not vary in them are left out, as nothing is known of them.

    Attributes:
        names: The F candidate features.
        columns_N: Which of them are kept.
        means_N: Of the kept ones.
        deviations_N: Of the kept ones, above 0.
        edges: Of the kept ones' buckets.
        id_sizes: Rows of the tables of further ids, by name, padding and unknown included.
    """

    names: tuple[str, ...]
    columns_N: NDArray[np.int64]
    means_N: NDArray[np.float32]
    deviations_N: NDArray[np.float32]
    edges: tuple[NDArray[np.float32], ...]
    id_sizes: Mapping[str, int]

    @property
    def dense_names(self) -> list[str]:
        """The N numbers."""
        return [self.names[column] for column in self.columns_N]

    @cached_property
    def num_buckets_N(self) -> NDArray[np.int64]:
        """How many buckets each of the N features has."""
        return np.array([len(edges) + 1 for edges in self.edges], np.int64)

    @property
    def table_sizes(self) -> dict[str, int]:
        """Rows of each table by sparse feature, in the order of the S columns: the buckets, then the ids."""
        buckets = zip(self.dense_names, self.edges, strict=True)
        return {name: FIRST_ROW + len(edges) + 1 for name, edges in buckets} | dict(self.id_sizes)

    @classmethod
    def fit(
        cls, features_RF: NDArray[np.float32], names: Sequence[str], *, num_buckets: int, id_sizes: Mapping[str, int]
    ) -> Self:
        """Fit on training rows.

        Args:
            features_RF: Finite candidate features.
            names: The F of them.
            num_buckets: Intervals per feature, of equally many rows; a value that fills several has one of its own.
            id_sizes: See the class.

        Raises:
            DataError: no feature varies.
        """
        deviations_F = features_RF.std(axis=0, dtype=np.float64)
        means_F = features_RF.mean(axis=0, dtype=np.float64)
        kept = np.flatnonzero(deviations_F > 1e-6 * np.maximum(np.abs(means_F), 1e-3))
        if not len(kept):
            raise DataError("expected candidates that differ in something, received none that do; import more events")
        sample_RF = features_RF[:: -(-len(features_RF) // MAX_QUANTILE_ROWS)]
        shares = np.arange(1, num_buckets) / num_buckets
        edges = []
        for column in kept:
            values_R = sample_RF[:, column]
            edges.append(_edges(values_R, shares))
        return cls(
            tuple(names),
            kept,
            means_F[kept].astype(np.float32),
            deviations_F[kept].astype(np.float32),
            tuple(edges),
            dict(id_sizes),
        )

    def encode(
        self, features_KF: NDArray[np.float32], ids: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Numbers [K, N] and table rows [K, S].

        Args:
            features_KF: Candidate features.
            ids: The further ids [K] by name; what lies outside a table counts as unknown there.
        """
        kept_KN = features_KF[:, self.columns_N]
        dense_KN = (kept_KN - self.means_N) / self.deviations_N
        np.clip(dense_KN, -CLIP, CLIP, out=dense_KN)
        num_kept = len(self.edges)
        sparse_KS = np.empty((len(kept_KN), num_kept + len(self.id_sizes)), np.int64)
        np.add(self._buckets_NK(kept_KN).T, FIRST_ROW, out=sparse_KS[:, :num_kept])
        for number, name in enumerate(self.id_sizes, num_kept):
            sparse_KS[:, number] = ids[name]
        return dense_KN, sparse_KS

    def buckets(self, features_KF: NDArray[np.float32]) -> NDArray[np.int64]:
        """The bucket [K, N] of each value, from 0; in a table it stands ``FIRST_ROW`` rows further."""
        return self._buckets_NK(features_KF[:, self.columns_N]).T

    def _buckets_NK(self, kept_KN: NDArray[np.float32]) -> NDArray[np.int64]:
        """Feature by feature; what is the same for all candidates, as all that is of the visitor, is looked up once."""
        kept_NK = np.ascontiguousarray(kept_KN.T)
        buckets_NK = np.empty(kept_NK.shape, np.int64)
        is_same_N = (kept_NK == kept_NK[:, :1]).all(axis=1)
        for values_K, edges, is_same, buckets_K in zip(kept_NK, self.edges, is_same_N, buckets_NK, strict=True):
            buckets_K[:] = edges.searchsorted(values_K[:1] if is_same else values_K, side="right")
        return buckets_NK

    def save(self, writer: BundleWriter) -> None:
        """Write everything that :meth:`load` reads."""
        arrays: dict[str, NDArray[Any]] = {
            "columns": self.columns_N,
            "means": self.means_N,
            "deviations": self.deviations_N,
            "edges": np.concatenate(self.edges),
            "num_edges": np.array([len(edges) for edges in self.edges], np.int64),
        }
        writer.write_arrays(INPUTS_FILE, arrays)
        writer.write_json(INPUTS_FILE, {"names": list(self.names), "id_sizes": dict(self.id_sizes)})

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing.
        """
        document: dict[str, Any] = bundle.read_json(INPUTS_FILE)
        arrays = bundle.read_arrays(INPUTS_FILE)
        try:
            return cls(
                names=tuple(document["names"]),
                columns_N=arrays["columns"],
                means_N=arrays["means"],
                deviations_N=arrays["deviations"],
                edges=tuple(np.split(arrays["edges"], np.cumsum(arrays["num_edges"])[:-1])),
                id_sizes=document["id_sizes"],
            )
        except KeyError as error:
            raise BundleError(f"{INPUTS_FILE}: expected {error}; train again with this version") from error


def _edges(values_R: NDArray[np.float32], shares: NDArray[np.float64]) -> NDArray[np.float32]:
    quantiles, counts = np.unique(np.quantile(values_R, shares, method="lower"), return_counts=True)
    behind = np.nextafter(quantiles[counts > 1], np.float32(np.inf))
    edges = np.unique(np.concatenate([quantiles, behind]).astype(np.float32))
    kept: NDArray[np.float32] = edges[edges > values_R.min()]
    return kept
