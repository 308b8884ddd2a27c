"""The recommender of networks that read a history as a bag of items: layers, then inner products with all items.

Legend of shapes: R questions, E entries, V items, I inputs and O outputs of a layer, D outputs of the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.interactions import taken_matrix

Activation = Literal["linear", "tanh", "relu"]
#: What a history of n items is divided by: nothing, the root of n, or n.
Pooling = Literal["sum", "root", "mean"]


@dataclass(frozen=True)
class HistoryLayer:
    """One layer; the first has an input per item."""

    weight_IO: NDArray[np.float32]
    bias_O: NDArray[np.float32]
    activation: Activation


class HistoryNetwork:
    """Scores of all items for a history, each item of it counted once.

    Args:
        layers: At least one; the first one's weights are looked up for the items of the history.
        pooling: What their sum is divided by.
        items_VD: Item vectors.
        bias_V: Added to the scores.
        normalize: Whether what the layers make is scaled to length 1.
    """

    def __init__(
        self,
        layers: Sequence[HistoryLayer],
        *,
        pooling: Pooling,
        items_VD: NDArray[Any],
        bias_V: NDArray[Any],
        normalize: bool = False,
    ) -> None:
        if not layers:
            raise ValueError("expected one layer or more, received none")
        self.layers = list(layers)
        self.pooling: Pooling = pooling
        self.items_VD: NDArray[np.float32] = np.ascontiguousarray(items_VD, np.float32)
        self.bias_V: NDArray[np.float32] = np.ascontiguousarray(bias_V, np.float32)
        self.normalize = normalize

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V] of all items."""
        taken_RV = taken_matrix(questions.histories, len(self.items_VD))
        counts_R = np.maximum(np.diff(taken_RV.indptr), 1).astype(np.float32)
        if self.pooling != "sum":
            taken_RV = sparse.diags_array(counts_R ** (-0.5 if self.pooling == "root" else -1)) @ taken_RV
        values: NDArray[Any] | sparse.csr_matrix = taken_RV
        for layer in self.layers:
            values = _activated(np.asarray(values @ layer.weight_IO) + layer.bias_O, layer.activation)
        vectors_RD = np.asarray(values, np.float32)
        if self.normalize:
            vectors_RD = vectors_RD / np.maximum(np.linalg.norm(vectors_RD, axis=1, keepdims=True), 1e-12)
        scores_RV: NDArray[np.float32] = vectors_RD @ self.items_VD.T + self.bias_V
        return scores_RV

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the layers and the items into a folder of a bundle."""
        activations = [layer.activation for layer in self.layers]
        facts = {"activations": activations, "pooling": self.pooling, "normalize": self.normalize}
        writer.write_json(f"{folder}/network", facts)
        for number, layer in enumerate(self.layers):
            writer.write_arrays(f"{folder}/layer-{number}", {"weight": layer.weight_IO, "bias": layer.bias_O})
        writer.write_arrays(f"{folder}/items", {"vectors": self.items_VD, "bias": self.bias_V})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what :meth:`save` wrote."""
        facts, items = bundle.read_json(f"{folder}/network"), bundle.read_arrays(f"{folder}/items")
        parts = [bundle.read_arrays(f"{folder}/layer-{number}") for number in range(len(facts["activations"]))]
        layers = [
            HistoryLayer(part["weight"], part["bias"], activation)
            for part, activation in zip(parts, facts["activations"], strict=True)
        ]
        return cls(
            layers,
            pooling=facts["pooling"],
            items_VD=items["vectors"],
            bias_V=items["bias"],
            normalize=facts["normalize"],
        )


def _activated(values: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    if activation == "tanh":
        return np.tanh(values)
    return np.maximum(values, 0) if activation == "relu" else values
