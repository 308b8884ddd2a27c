"""The recommender of attentive collaborative filtering: a user is a vector and a weighted mean of what they took.

Legend of shapes: R questions, E entries of histories, N entries of a block, U users, V items, D dimension, A attention
values, M components of an item, F values of a component.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.user_table import UserTable

_TABLES = (
    "users_UD",
    "items_VD",
    "taken_VD",
    "users_UA",
    "items_VA",
    "attention_A",
    "components_VMF",
    "content_users_UA",
    "content_FA",
    "content_attention_A",
    "content_to_attention_FA",
)
#: Those that have a row per user.
_USER_TABLES = ("users_UD", "users_UA", "content_users_UA")

_ENTRIES_AT_ONCE = 16_384
_LEAST = np.finfo(np.float32).min


class AttentiveHistories:
    """scores = (user + sum over the history of attention x taken) x items; one not trained on is the mean user.

    An entry's attention is the softmax over the history of ``attention_A`` x relu(the user's share + the item's + its
    content x ``content_to_attention_FA``). The content is the sum of the item's components, weighed by the softmax over
    them of ``content_attention_A`` x relu(the user's share + component x ``content_FA``).

    Args:
        tables: ``users_UD``, ``items_VD``; ``taken_VD``, an item's vector as part of a history; ``users_UA`` and
            ``items_VA``, their shares of the attention over a history; ``components_VMF``, of zeros where an item has
            fewer, M and F may be 0; ``content_users_UA``, users' shares of the attention over components; and
            the weights named above.
        max_history: Only the last so many items of a history count.
    """

    reads_history = True

    def __init__(self, tables: Mapping[str, NDArray[Any]], *, max_history: int) -> None:
        if set(tables) != set(_TABLES):
            raise ValueError(f"expected the tables {', '.join(_TABLES)}, received {', '.join(sorted(tables))}")
        self.tables: dict[str, NDArray[np.float32]] = {
            name: np.ascontiguousarray(tables[name], np.float32) for name in _TABLES
        }
        self.max_history = max_history
        self._users = {name: UserTable(self.tables[name]) for name in _USER_TABLES}

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V] of all items."""
        vectors_RD = self._users["users_UD"].of(questions.users_R)
        histories = questions.histories.last(self.max_history)
        list_E, items_E = histories.list_E, histories.items_E
        if len(items_E):
            blocks = range(0, len(items_E), _ENTRIES_AT_ONCE)
            users_E = questions.users_R[list_E]
            logits_E = np.concatenate(
                [
                    self._logits(users_E[at : at + _ENTRIES_AT_ONCE], items_E[at : at + _ENTRIES_AT_ONCE])
                    for at in blocks
                ]
            )
            weights_E = _softmax_of_lists(logits_E, list_E, len(histories))
            np.add.at(vectors_RD, list_E, weights_E[:, None] * self.tables["taken_VD"][items_E])
        scores_RV: NDArray[np.float32] = vectors_RD @ self.tables["items_VD"].T
        return scores_RV

    def _logits(self, users_N: NDArray[np.int64], items_N: NDArray[np.int32]) -> NDArray[np.float32]:
        tables = self.tables
        content_NF = self._content(users_N, items_N)
        hidden_NA = self._users["users_UA"].of(users_N) + tables["items_VA"][items_N]
        hidden_NA += content_NF @ tables["content_to_attention_FA"]
        logits_N: NDArray[np.float32] = np.maximum(hidden_NA, 0) @ tables["attention_A"]
        return logits_N

    def _content(self, users_N: NDArray[np.int64], items_N: NDArray[np.int32]) -> NDArray[np.float32]:
        components_NMF = self.tables["components_VMF"][items_N]
        hidden_NMA = self._users["content_users_UA"].of(users_N)[:, None] + components_NMF @ self.tables["content_FA"]
        logits_NM = np.maximum(hidden_NMA, 0) @ self.tables["content_attention_A"]
        is_there_NM = (components_NMF != 0).any(axis=2)
        greatest_N1 = logits_NM.max(axis=1, keepdims=True, initial=_LEAST, where=is_there_NM)
        raised_NM = np.exp(np.where(is_there_NM, logits_NM - greatest_N1, _LEAST))
        weights_NM = raised_NM / np.maximum(raised_NM.sum(axis=1, keepdims=True), 1e-12)
        content_NF: NDArray[np.float32] = (weights_NM[..., None] * components_NMF).sum(axis=1)
        return content_NF

    def of_users(self, users_N: NDArray[np.int64]) -> AttentiveHistories:
        """The same, which knows these users alone, in this order."""
        tables = self.tables | {name: self.tables[name][users_N] for name in _USER_TABLES}
        return AttentiveHistories(tables, max_history=self.max_history)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the tables into a folder of a bundle."""
        writer.write_json(f"{folder}/network", {"max_history": self.max_history})
        writer.write_arrays(f"{folder}/tables", self.tables)

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what :meth:`save` wrote."""
        facts = bundle.read_json(f"{folder}/network")
        return cls(bundle.read_arrays(f"{folder}/tables"), max_history=facts["max_history"])


def _softmax_of_lists(logits_E: NDArray[np.float32], list_E: NDArray[np.int64], num_lists: int) -> NDArray[np.float32]:
    greatest_R = np.full(num_lists, -np.inf, np.float32)
    np.maximum.at(greatest_R, list_E, logits_E)
    raised_E = np.exp(logits_E - greatest_R[list_E])
    weights_E: NDArray[np.float32] = raised_E / np.bincount(list_E, raised_E, num_lists)[list_E]
    return weights_E.astype(np.float32)
