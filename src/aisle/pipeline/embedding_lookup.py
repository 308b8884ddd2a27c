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
from aisle.pipeline.tables import FullLookup, LookupTable, table_kind

UNKNOWN_ROW = 1


@dataclass(frozen=True)
class JaggedIds:
    """One bag of ids per candidate: bag k is ``values[offsets[k]:offsets[k + 1]]``; it holds no padding."""

    values: NDArray[np.int64]
    offsets: NDArray[np.int64]


@dataclass(frozen=True)
class FeatureRows:
    """Where one feature's rows lie in its table, and how a bag becomes one vector (``None``: no bag)."""

    name: str
    offset: int
    num_embeddings: int
    pooling: str | None = None
    table: int = 0


class EmbeddingLookup:
    """Ids to vectors, for all features at once; an id outside its table is the unknown one (row 1).

    Args:
        features: The S single-valued features, then the bags.
        tables: Of one width; full tables are stacked in one, so that they cost one gather together.
    """

    def __init__(self, features: Sequence[FeatureRows], *tables: LookupTable) -> None:
        self.features = tuple(features)
        self.tables = tables
        self._single = [feature for feature in features if feature.pooling is None]
        self._bags = [feature for feature in features if feature.pooling is not None]
        self._offset_S = np.array([feature.offset for feature in self._single], np.int64)
        self._rows_S = np.array([feature.num_embeddings for feature in self._single], np.int64)
        self._columns = [
            [column for column, feature in enumerate(self._single) if feature.table == number]
            for number in range(len(tables))
        ]

    @classmethod
    def of(cls, features: Sequence[tuple[str, int, str | None]], tables: Sequence[LookupTable]) -> Self:
        """From tables one by one; full ones are stacked.

        Args:
            features: Name, number of the table, and pooling of each (``None``: no bag).
            tables: Of one width.
        """
        full = {number: table for number, table in enumerate(tables) if isinstance(table, FullLookup)}
        starts = dict(
            zip(full, np.cumsum([0, *(table.num_embeddings for table in full.values())]).tolist(), strict=False)
        )
        stacked = [FullLookup(np.concatenate([table.weights_RD for table in full.values()]))] if full else []
        others = [number for number in range(len(tables)) if number not in full]
        place = {number: len(stacked) + place for place, number in enumerate(others)}
        rows = [
            FeatureRows(name, starts.get(table, 0), tables[table].num_embeddings, pooling, place.get(table, 0))
            for name, table, pooling in features
        ]
        return cls(rows, *stacked, *(tables[number] for number in others))

    @property
    def table(self) -> LookupTable:
        """The one table of all features.

        Raises:
            ValueError: there are several, as not all are full.
        """
        if len(self.tables) > 1:
            kinds = ", ".join(table.kind for table in self.tables)
            raise ValueError(f"expected full tables alone, received the kinds {kinds}; read `tables`")
        return self.tables[0]

    @property
    def embedding_dim(self) -> int:
        """D."""
        return self.tables[0].embedding_dim

    @property
    def num_bytes(self) -> int:
        """Of all tables' arrays."""
        return sum(array.nbytes for table in self.tables for array in table.arrays().values())

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
        embedded_KSD = self._embed(_known(ids_KS, self._rows_S) + self._offset_S)
        if not bags:
            return embedded_KSD
        pooled = [self._pool(feature, bag) for feature, bag in zip(self._bags, bags, strict=True)]
        return np.concatenate([embedded_KSD, *(vectors_KD[:, None] for vectors_KD in pooled)], axis=1)

    def _embed(self, rows_KS: NDArray[np.int64]) -> NDArray[np.float32]:
        if len(self.tables) == 1:
            return self.tables[0].lookup(rows_KS)
        embedded_KSD = np.empty((*rows_KS.shape, self.embedding_dim), np.float32)
        for table, columns in zip(self.tables, self._columns, strict=True):
            if columns:
                embedded_KSD[:, columns] = table.lookup(rows_KS[:, columns])
        return embedded_KSD

    def _pool(self, feature: FeatureRows, bag: JaggedIds) -> NDArray[np.float32]:
        table, sizes_K = self.tables[feature.table], np.diff(bag.offsets)
        pooled_KD = np.zeros((len(sizes_K), self.embedding_dim), np.float32)
        filled = np.flatnonzero(sizes_K)
        if len(filled):  # an empty bag has no place in `reduceat`: it stays zero
            vectors = table.lookup(_known(bag.values, np.int64(feature.num_embeddings)) + feature.offset)
            pooled_KD[filled] = np.add.reduceat(vectors, bag.offsets[filled], axis=0)
        if feature.pooling == "mean":
            pooled_KD /= np.maximum(sizes_K, 1).astype(np.float32)[:, None]
        return pooled_KD

    def save(self, writer: BundleWriter, folder: str) -> dict[str, Any]:
        """Write the tables' arrays under a folder; returns what :meth:`load` needs beside."""
        features = [
            {"name": one.name, "offset": one.offset, "num_embeddings": one.num_embeddings, "pooling": one.pooling}
            for one in self.features
        ]
        if len(self.tables) == 1:
            writer.write_arrays(folder, self.tables[0].arrays())
            return {"kind": self.tables[0].kind, "features": features}
        for number, table in enumerate(self.tables):
            writer.write_arrays(f"{folder}/{number}", table.arrays())
        numbered = [{**document, "table": one.table} for document, one in zip(features, self.features, strict=True)]
        return {"kinds": [table.kind for table in self.tables], "features": numbered}

    @classmethod
    def load(cls, bundle: Bundle, folder: str, document: dict[str, Any]) -> Self:
        """Read what :meth:`save` wrote; the arrays are memory-mapped."""
        if "kind" in document:
            parts = [(document["kind"], folder)]
        else:
            parts = [(kind, f"{folder}/{number}") for number, kind in enumerate(document["kinds"])]
        tables = [table_kind(kind).from_arrays(bundle.read_arrays(part)) for kind, part in parts]
        return cls([FeatureRows(**feature) for feature in document["features"]], *tables)


def _known(ids: NDArray[np.int64], num_embeddings: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
    return np.where((ids >= 0) & (ids < num_embeddings), ids, UNKNOWN_ROW)
