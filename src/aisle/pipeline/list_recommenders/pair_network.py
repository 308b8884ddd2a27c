"""The recommender of networks that read a user and an item together: a product, a small MLP, or both.

Legend of shapes: R questions, U users, V items, N pairs of a block, B users and C items of it, L items of a question,
P products, H hidden values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.user_table import UserTable

Activation = Literal["relu", "sigmoid"]
#: So few that what a layer makes of them stays in a cache.
_PAIRS_AT_ONCE = 1024
_LEAST = np.finfo(np.float32).min
_TABLES = ("users_UH", "items_VH", "users_UP", "items_VP", "product_weights_P", "products_to_hidden_PH")


class PairNetwork:
    """score = products x weights + MLP, where the MLP's first layer is the sum of a user's, an item's and a product's.

    Before its activation the first layer is linear, so that the user's and the item's share of it are tables that are
    made once. One who was not trained on is asked for as the mean of the users.

    Args:
        tables: ``users_UH`` and ``items_VH``, the shares of the first layer (its bias in either); ``users_UP`` and
            ``items_VP``, whose product is weighed by ``product_weights_P`` into the score and by
            ``products_to_hidden_PH`` into the first layer.
        layers: The weights (inputs, outputs) and biases of the layers behind the first; the last has one output.
        activation: Follows each layer but the last.
    """

    reads_history = False

    def __init__(
        self,
        tables: Mapping[str, NDArray[Any]],
        layers: Sequence[tuple[NDArray[Any], NDArray[Any]]],
        *,
        activation: Activation = "relu",
    ) -> None:
        if set(tables) != set(_TABLES):
            raise ValueError(f"expected the tables {', '.join(_TABLES)}, received {', '.join(sorted(tables))}")
        self.tables: dict[str, NDArray[np.float32]] = {
            name: np.ascontiguousarray(tables[name], np.float32) for name in _TABLES
        }
        self.layers = [(np.asarray(weight, np.float32), np.asarray(bias, np.float32)) for weight, bias in layers]
        self.activation: Activation = activation
        self._products_enter = bool(self.tables["products_to_hidden_PH"].any())
        self._users_UH, self._users_UP = UserTable(self.tables["users_UH"]), UserTable(self.tables["users_UP"])

    def score(self, questions: Questions, added_RH: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """The scores [R, V]; where questions name candidates, only theirs, and the least number for all others.

        Args:
            questions: Who asks.
            added_RH: Joins each asker's share of the first layer; missing: nothing does.
        """
        num_items = len(self.tables["items_VH"])
        users_R = questions.users_R
        users_RH, users_RP = self._users_UH.of(users_R), self._users_UP.of(users_R)
        if added_RH is not None:
            users_RH = users_RH + added_RH
        if questions.candidates_RK is None:
            items_RL = np.broadcast_to(np.arange(num_items), (len(users_R), num_items))
            return self._score_pairs(users_RH, users_RP, items_RL)
        items_RK = np.maximum(questions.candidates_RK, 0).astype(np.int64)
        scores_RV = np.full((len(users_R), num_items), _LEAST, np.float32)
        np.put_along_axis(scores_RV, items_RK, self._score_pairs(users_RH, users_RP, items_RK), axis=1)
        return scores_RV

    def _score_pairs(
        self, users_RH: NDArray[np.float32], users_RP: NDArray[np.float32], items_RL: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        num_users, num_items = items_RL.shape
        scores_RL = np.empty((num_users, num_items), np.float32)
        width = max(1, min(num_items, _PAIRS_AT_ONCE))
        height = max(1, _PAIRS_AT_ONCE // width)
        for start, first in product(range(0, num_users, height), range(0, num_items, width)):
            rows, block = slice(start, start + height), np.s_[start : start + height, first : first + width]
            items_BC = items_RL[block]
            users_NH, users_NP = (np.repeat(part[rows], items_BC.shape[1], axis=0) for part in (users_RH, users_RP))
            scores_RL[block] = self._score_block(users_NH, users_NP, items_BC.ravel()).reshape(items_BC.shape)
        return scores_RL

    def _score_block(
        self, users_NH: NDArray[np.float32], users_NP: NDArray[np.float32], items_N: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        tables = self.tables
        products_NP: NDArray[np.float32] = users_NP * tables["items_VP"][items_N]
        of_products_N: NDArray[np.float32] = np.matmul(products_NP, tables["product_weights_P"])
        hidden_NH: NDArray[np.float32] = users_NH + tables["items_VH"][items_N]
        if self._products_enter:
            hidden_NH += np.matmul(products_NP, tables["products_to_hidden_PH"])
        for weight, bias in self.layers:
            hidden_NH = np.matmul(self._activated(hidden_NH), weight) + bias
        score_N: NDArray[np.float32] = of_products_N + hidden_NH[:, 0]
        return score_N

    def _activated(self, values_NH: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.activation == "relu":
            return np.maximum(values_NH, 0)
        half = np.float32(0.5)
        activated_NH: NDArray[np.float32] = half + half * np.tanh(half * values_NH)
        return activated_NH

    def of_users(self, users_N: NDArray[np.int64]) -> PairNetwork:
        """The same, which knows these users alone, in this order."""
        users = {name: self.tables[name][users_N] for name in ("users_UH", "users_UP")}
        return PairNetwork(self.tables | users, self.layers, activation=self.activation)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write tables, layers and the activation into a folder of a bundle."""
        writer.write_json(f"{folder}/network", {"activation": self.activation, "num_layers": len(self.layers)})
        writer.write_arrays(f"{folder}/tables", self.tables)
        for number, (weight, bias) in enumerate(self.layers):
            writer.write_arrays(f"{folder}/layer-{number}", {"weight": weight, "bias": bias})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what :meth:`save` wrote."""
        facts = bundle.read_json(f"{folder}/network")
        parts = [bundle.read_arrays(f"{folder}/layer-{number}") for number in range(facts["num_layers"])]
        layers = [(part["weight"], part["bias"]) for part in parts]
        return cls(bundle.read_arrays(f"{folder}/tables"), layers, activation=facts["activation"])
