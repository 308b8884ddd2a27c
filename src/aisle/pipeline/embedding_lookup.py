"""Gathers the embeddings of candidates with NumPy: the serving half of ``aisle.nn.embeddings``.

Legend of shapes: K candidates, S single-valued sparse features, F embedded features (single-valued ones, then bags),
D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.tables import LookupTable, table_kind

UNKNOWN_ROW = 1


@dataclass(frozen=True)
class JaggedIds:
    """One bag of ids per candidate: bag k is ``values[offsets[k]:offsets[k + 1]]``; it holds no padding."""

    values: NDArray[np.int64]
    offsets: NDArray[np.int64]


@dataclass(frozen=True)
class FeatureRows:
    """Where one feature's rows lie in the stacked table, and how a bag becomes one vector (``None``: no bag)."""

    name: str
    offset: int
    num_embeddings: int
    pooling: str | None = None


class EmbeddingLookup:
    """Ids to vectors, for all features at once; an id outside its table is the unknown one (row 1).

    Args:
        features: The S single-valued features, then the bags.
        table: The rows of all features, stacked.
    """

    def __init__(self, features: Sequence[FeatureRows], table: LookupTable) -> None:
        self.features = tuple(features)
        self.table = table
        self._single = [feature for feature in features if feature.pooling is None]
        self._bags = [feature for feature in features if feature.pooling is not None]
        self._offset_S = np.array([feature.offset for feature in self._single], np.int64)
        self._rows_S = np.array([feature.num_embeddings for feature in self._single], np.int64)

    @property
    def feature_names(self) -> list[str]:
        """The S columns of ids, in order."""
        return [feature.name for feature in self._single]

    @property
    def bag_names(self) -> list[str]:
        """The bags, in order."""
        return [feature.name for feature in self._bags]

    def lookup(self, ids_KS: NDArray[np.int64], bags: Sequence[JaggedIds] = ()) -> NDArray[np.float32]:
        """The vectors [K, F, D].

        Raises:
            ValueError: there are not as many columns or bags as features.
        """
        if ids_KS.ndim != 2 or ids_KS.shape[1] != len(self._single) or len(bags) != len(self._bags):
            raise ValueError(
                f"expected ids [K, {len(self._single)}] ({', '.join(self.feature_names)}) and {len(self._bags)} bags, "
                f"received the shape {ids_KS.shape} and {len(bags)} bags"
            )
        embedded_KSD = self.table.lookup(_known(ids_KS, self._rows_S) + self._offset_S)
        if not bags:
            return embedded_KSD
        pooled = [self._pool(feature, bag) for feature, bag in zip(self._bags, bags, strict=True)]
        return np.concatenate([embedded_KSD, *(vectors_KD[:, None] for vectors_KD in pooled)], axis=1)

    def _pool(self, feature: FeatureRows, bag: JaggedIds) -> NDArray[np.float32]:
        sizes_K = np.diff(bag.offsets)
        pooled_KD = np.zeros((len(sizes_K), self.table.embedding_dim), np.float32)
        filled = np.flatnonzero(sizes_K)
        if len(filled):  # an empty bag has no place in `reduceat`: it stays zero
            vectors = self.table.lookup(_known(bag.values, np.int64(feature.num_embeddings)) + feature.offset)
            pooled_KD[filled] = np.add.reduceat(vectors, bag.offsets[filled], axis=0)
        if feature.pooling == "mean":
            pooled_KD /= np.maximum(sizes_K, 1).astype(np.float32)[:, None]
        return pooled_KD

    def save(self, writer: BundleWriter, folder: str) -> dict[str, Any]:
        """Write the table's arrays under a folder; returns what :meth:`load` needs beside."""
        writer.write_arrays(folder, self.table.arrays())
        features = [
            {"name": one.name, "offset": one.offset, "num_embeddings": one.num_embeddings, "pooling": one.pooling}
            for one in self.features
        ]
        return {"kind": self.table.kind, "features": features}

    @classmethod
    def load(cls, bundle: Bundle, folder: str, document: dict[str, Any]) -> Self:
        """Read what :meth:`save` wrote; the arrays are memory-mapped."""
        table = table_kind(document["kind"]).from_arrays(bundle.read_arrays(folder))
        return cls([FeatureRows(**feature) for feature in document["features"]], table)


def _known(ids: NDArray[np.int64], num_embeddings: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
    return np.where((ids >= 0) & (ids < num_embeddings), ids, UNKNOWN_ROW)
