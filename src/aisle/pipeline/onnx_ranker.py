"""The ranker in serving: gathers embeddings with NumPy, and runs the exported scoring half with ONNX Runtime.

Legend of shapes: K candidates, N dense features, S single-valued sparse features, F embedded features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.pipeline.calibration import Calibrator, calibrator_from_json
from aisle.pipeline.embedding_lookup import EmbeddingLookup, JaggedIds
from aisle.pipeline.onnx_session import open_session

RANKER_FOLDER = "ranker"
DOCUMENT_FILE = f"{RANKER_FOLDER}/ranker"
GRAPH_FILE = f"{RANKER_FOLDER}/score.onnx"
TABLES_FOLDER = f"{RANKER_FOLDER}/tables"
CALIBRATOR_FILE = f"{RANKER_FOLDER}/calibrator"
DENSE_INPUT, EMBEDDED_INPUT, LOGITS_OUTPUT = "dense", "embedded", "logits"


class OnnxRanker:
    """Scores candidates; safe to share among threads.

    Args:
        graph: The ONNX graph of the scoring half.
        embeddings: The tables.
        dense_names: The N columns of dense features, in order.
        calibrator: Logits to probabilities.
    """

    def __init__(
        self, graph: bytes, embeddings: EmbeddingLookup, dense_names: Sequence[str], calibrator: Calibrator
    ) -> None:
        self.embeddings = embeddings
        self.dense_names = list(dense_names)
        self.calibrator = calibrator
        self._graph = graph
        self._session = open_session(graph)

    @property
    def sparse_names(self) -> list[str]:
        """The S columns of ids, in order."""
        return self.embeddings.feature_names

    @property
    def graph_bytes(self) -> int:
        """The size of the graph with its weights; the tables are beside it."""
        return len(self._graph)

    def logits(
        self, dense_KN: NDArray[np.float32], sparse_KS: NDArray[np.int64], bags: Sequence[JaggedIds] = ()
    ) -> NDArray[np.float32]:
        """The log odds [K] of candidates, before calibration.

        Raises:
            ValueError: the arrays have not one row per candidate, or not the model's columns.
        """
        if dense_KN.ndim != 2 or dense_KN.shape[1] != len(self.dense_names) or len(dense_KN) != len(sparse_KS):
            raise ValueError(
                f"expected dense features [K, {len(self.dense_names)}] and as many rows of ids, received the shapes "
                f"{dense_KN.shape} and {sparse_KS.shape}"
            )
        embedded_KFD = self.embeddings.lookup(sparse_KS, bags)
        if not len(dense_KN):
            return np.zeros(0, np.float32)
        return self.score(dense_KN, embedded_KFD)

    def score(self, dense_KN: NDArray[np.float32], embedded_KFD: NDArray[np.float32]) -> NDArray[np.float32]:
        """The graph alone, of at least one candidate: the model's own forward."""
        feeds = {DENSE_INPUT: dense_KN.astype(np.float32, copy=False), EMBEDDED_INPUT: embedded_KFD}
        result: NDArray[np.float32] = self._session.run([LOGITS_OUTPUT], feeds)[0]
        return result

    def probabilities(
        self, dense_KN: NDArray[np.float32], sparse_KS: NDArray[np.int64], bags: Sequence[JaggedIds] = ()
    ) -> NDArray[np.float64]:
        """The calibrated probabilities [K] of candidates."""
        return self.calibrator.probabilities(self.logits(dense_KN, sparse_KS, bags))

    def with_calibrator(self, calibrator: Calibrator) -> Self:
        """The same model under another calibrator."""
        return type(self)(self._graph, self.embeddings, self.dense_names, calibrator)

    def save(self, writer: BundleWriter) -> None:
        """Write ``ranker/`` of a bundle, which :meth:`load` reads."""
        writer.write_bytes(GRAPH_FILE, self._graph)
        embeddings = self.embeddings.save(writer, TABLES_FOLDER)
        writer.write_json(DOCUMENT_FILE, {"dense": self.dense_names, "embeddings": embeddings})
        writer.write_json(CALIBRATOR_FILE, self.calibrator.as_json())

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Read ``ranker/`` of a verified bundle; the tables are memory-mapped.

        Raises:
            BundleError: a part is missing or not as expected.
        """
        document: dict[str, Any] = bundle.read_json(DOCUMENT_FILE)
        try:
            embeddings = EmbeddingLookup.load(bundle, TABLES_FOLDER, document["embeddings"])
            calibrator = calibrator_from_json(bundle.read_json(CALIBRATOR_FILE))
            return cls(bundle.read_bytes(GRAPH_FILE), embeddings, document["dense"], calibrator)
        except (KeyError, TypeError) as error:
            raise BundleError(f"{DOCUMENT_FILE}: expected another content ({error}); train again") from error
