"""A fitted two-tower model in serving: encodes histories and items without torch; its sources share it.

The towers are ONNX graphs over vectors that are gathered and pooled here; see ``models.embedding_retrieval.two_tower``.

Legend of shapes: V item rows of the bundle, K items, E id dimension, F item facts, D output dimension, n history
entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.generators.content import TextEncoder
from aisle.pipeline.history_pools import HistoryPools
from aisle.pipeline.onnx_session import open_session
from aisle.pipeline.query import Query
from aisle.pipeline.text import item_tokens
from aisle.schema import Item

TOWER_INPUT, TOWER_OUTPUT = "inputs", "vectors"
UNKNOWN_ROW = 1
#: Facts beside the content vector: the price, and whether there is one.
NUM_PRICE_FACTS = 2
_PRICE_WEIGHT = 0.3  # about the size of a large entry of a content vector


@dataclass(frozen=True)
class ItemFacts:
    """What the towers read of an item beside its id.

    Attributes:
        text: Encodes title, category and brand.
        log_price_mean: Of the items that have a price.
        log_price_scale: Their standard deviation.
    """

    text: TextEncoder
    log_price_mean: float
    log_price_scale: float

    @property
    def num_facts(self) -> int:
        """F."""
        return int(self.text.projection_WD.shape[1]) + NUM_PRICE_FACTS

    def encode(self, tokens: Sequence[str], price: float | None) -> NDArray[np.float32]:
        """The facts [F] of one item; zeros where it has no text, for a price alone says nothing."""
        content = self.text.encode(tokens)
        facts = np.zeros(self.num_facts, np.float32)
        if content.any():
            facts[: len(content)] = content
            if price is not None and np.isfinite(price):
                facts[-2] = _PRICE_WEIGHT * (np.log1p(max(price, 0)) - self.log_price_mean) / self.log_price_scale
                facts[-1] = _PRICE_WEIGHT
        return facts

    def encode_item(self, item: Item | None) -> NDArray[np.float32]:
        """The facts [F] of a record; zeros where there is none."""
        if item is None:
            return np.zeros(self.num_facts, np.float32)
        return self.encode(item_tokens(item.title, item.category, item.brand), item.price)


def says_something(vectors_KD: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether a vector is another than zeros."""
    result: NDArray[np.bool_] = (vectors_KD != 0).any(axis=1)
    return result


class Towers:
    """Vectors of items and queries.

    Args:
        facts: How items are read.
        pools: How histories are pooled.
        ids_VE: Id embeddings by item row; where the fit saw too little of an item, that of the unknown id (row 1).
        facts_VF: Facts by item row.
        item_graph: ONNX: id embedding and facts [K, E + F] to unit vectors [K, D].
        query_graph: ONNX: pools and query facts to unit vectors.
        known_V: Items of which something is known; others have no vector and are left out of histories.
        vectors_VD: Unit vectors by item row, zeros where nothing is known; missing: encoded now.
    """

    def __init__(
        self,
        *,
        facts: ItemFacts,
        pools: HistoryPools,
        ids_VE: NDArray[np.float32],
        facts_VF: NDArray[np.float32],
        item_graph: bytes,
        query_graph: bytes,
        known_V: NDArray[np.bool_],
        vectors_VD: NDArray[np.float32] | None = None,
    ) -> None:
        self.facts, self.pools = facts, pools
        self._ids_VE, self._facts_VF, self._known_V = ids_VE, facts_VF, known_V
        self._graphs = (item_graph, query_graph)
        self._item_session, self._query_session = open_session(item_graph), open_session(query_graph)
        self.vectors_VD = self._encode_fitted() if vectors_VD is None else vectors_VD
        self._new_records: list[Item | None] = []
        self._new_facts_KF = np.zeros((0, facts_VF.shape[1]), np.float32)
        self.new_vectors_KD = np.zeros((0, self.vectors_VD.shape[1]), np.float32)

    @property
    def num_fitted(self) -> int:
        """V."""
        return len(self._ids_VE)

    def set_new_items(self, items: Sequence[Item | None]) -> None:
        """Encode the items behind the bundle's rows, from their facts alone."""
        if list(items) == self._new_records:  # sources that share the towers are each told
            return
        facts_KF = np.zeros((len(items), self._facts_VF.shape[1]), np.float32)
        for number, item in enumerate(items):
            is_as_before = number < len(self._new_records) and item == self._new_records[number]
            facts_KF[number] = self._new_facts_KF[number] if is_as_before else self.facts.encode_item(item)
        unknown_KE = np.repeat(self._ids_VE[UNKNOWN_ROW : UNKNOWN_ROW + 1], len(items), axis=0)
        self.new_vectors_KD = self._encode(unknown_KE, facts_KF, says_something(facts_KF))
        self._new_facts_KF, self._new_records = facts_KF, list(items)

    def vectors(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """Unit vectors of item rows; zeros where nothing is known."""
        found = np.zeros((len(rows), self.vectors_VD.shape[1]), np.float32)
        is_fitted, is_new = self._split(rows)
        found[is_fitted] = self.vectors_VD[rows[is_fitted]]
        found[is_new] = self.new_vectors_KD[rows[is_new] - self.num_fitted]
        return found

    def entries(self, query: Query) -> NDArray[np.int64]:
        """The places of the query's entries that are read: the last ones that say something of a known item."""
        told = np.flatnonzero((query.strengths_n > 0) & self._is_known(query.rows_n))
        return told[-self.pools.max_entries :]

    def query_vector(self, query: Query) -> NDArray[np.float32] | None:
        """The unit vector [D] of a query; nothing where it has no entry to read."""
        entries = self.entries(query)
        if not len(entries):
            return None
        inputs = self.query_inputs(query.rows_n[entries], query.ages_days_n[entries], query.strengths_n[entries])
        vectors: NDArray[np.float32] = self._query_session.run([TOWER_OUTPUT], {TOWER_INPUT: inputs})[0]
        query_D: NDArray[np.float32] = vectors[0]
        return query_D

    def query_inputs(
        self, rows_n: NDArray[np.int32], ages_days_n: NDArray[np.float64], strengths_n: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What the query tower reads of one history."""
        weights_Hn, query_facts_1G = self.pools.weigh(ages_days_n, strengths_n.astype(np.float64), [0])
        is_fitted, is_new = self._split(rows_n)
        ids_nE = self._ids_VE[np.where(is_fitted, rows_n, UNKNOWN_ROW)]
        facts_nF = np.zeros((len(rows_n), self._facts_VF.shape[1]), np.float32)
        facts_nF[is_fitted] = self._facts_VF[rows_n[is_fitted]]
        facts_nF[is_new] = self._new_facts_KF[rows_n[is_new] - self.num_fitted]
        pooled = weights_Hn @ np.concatenate([ids_nE, facts_nF], axis=1)
        return np.concatenate([pooled.reshape(1, -1), query_facts_1G], axis=1).astype(np.float32)

    def _split(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        is_fitted = rows < self.num_fitted
        return is_fitted, ~is_fitted & (rows < self.num_fitted + len(self.new_vectors_KD))

    def _is_known(self, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        return says_something(self.vectors(rows))

    def _encode_fitted(self) -> NDArray[np.float32]:
        return self._encode(self._ids_VE, self._facts_VF, self._known_V)

    def _encode(
        self, ids_KE: NDArray[np.float32], facts_KF: NDArray[np.float32], known_K: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        if not len(ids_KE):
            return np.zeros((0, self.new_vectors_KD.shape[1]), np.float32)
        inputs = np.concatenate([ids_KE, facts_KF], axis=1).astype(np.float32)
        vectors_KD: NDArray[np.float32] = self._item_session.run([TOWER_OUTPUT], {TOWER_INPUT: inputs})[0]
        return np.where(known_K[:, None], vectors_KD, np.float32(0))

    def save(self, writer: BundleWriter, folder: str) -> dict[str, Any]:
        """Write everything once; the parameters that :meth:`load` wants back."""
        if not writer.has(folder):
            text = self.facts.text
            writer.write_json(f"{folder}/vocabulary", list(text.vocabulary))
            writer.write_arrays(
                folder,
                {
                    "idf": text.idf_W,
                    "projection": text.projection_WD,
                    "ids": self._ids_VE,
                    "facts": self._facts_VF,
                    "known": self._known_V,
                    "vectors": self.vectors_VD,
                },
            )
            writer.write_bytes(f"{folder}/item_tower.onnx", self._graphs[0])
            writer.write_bytes(f"{folder}/query_tower.onnx", self._graphs[1])
        return {
            "half_lives_days": list(self.pools.half_lives_days),
            "max_entries": self.pools.max_entries,
            "log_price_mean": self.facts.log_price_mean,
            "log_price_scale": self.facts.log_price_scale,
        }

    @classmethod
    def load(cls, bundle: Bundle, folder: str, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved; arrays are memory-mapped, so that sources of one fit share their pages."""
        arrays = bundle.read_arrays(folder)
        tokens: list[str] = bundle.read_json(f"{folder}/vocabulary")
        text = TextEncoder({token: row for row, token in enumerate(tokens)}, arrays["idf"], arrays["projection"])
        return cls(
            facts=ItemFacts(text, parameters["log_price_mean"], parameters["log_price_scale"]),
            pools=HistoryPools(tuple(parameters["half_lives_days"]), parameters["max_entries"]),
            ids_VE=arrays["ids"],
            facts_VF=arrays["facts"],
            item_graph=bundle.read_bytes(f"{folder}/item_tower.onnx"),
            query_graph=bundle.read_bytes(f"{folder}/query_tower.onnx"),
            known_V=arrays["known"],
            vectors_VD=arrays["vectors"],
        )
