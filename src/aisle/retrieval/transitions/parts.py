"""What a blend may be made of: how each kind of model is fitted, and how what it is fitted into is read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import ListSplit, Questions
from aisle.errors import BundleError
from aisle.pipeline.list_recommenders import RECOMMENDERS
from aisle.progress import Progress
from aisle.recipe.list_models.transitions import BlendModelSpec
from aisle.retrieval import collaborative
from aisle.retrieval.transitions.content import fit_list_content
from aisle.retrieval.transitions.next_item_ridge import fit_next_item_ridge
from aisle.retrieval.transitions.popularity import fit_popularity
from aisle.retrieval.transitions.rules import fit_markov, fit_rules
from aisle.retrieval.transitions.session_item_knn import fit_session_item_knn
from aisle.retrieval.transitions.vsknn import fit_vsknn


class Part(Protocol):
    """A fitted recommender that can be saved."""

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V] of all items."""
        ...

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write what was fitted below a folder of a bundle."""
        ...

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read what was written."""
        ...


#: By the kind in a recipe.
FITS: dict[str, Callable[..., Part]] = {
    "bpr": collaborative.fit_bpr,
    "ease": collaborative.fit_list_ease,
    "graph-filter": collaborative.fit_graph_filter,
    "ials": collaborative.fit_implicit_als,
    "item-knn": collaborative.fit_item_knn,
    "pure-svd": collaborative.fit_pure_svd,
    "user-knn": collaborative.fit_user_knn,
    "content": fit_list_content,
    "popularity": fit_popularity,
    "markov": fit_markov,
    "rules": fit_rules,
    "session-item-knn": fit_session_item_knn,
    "next-item-ridge": fit_next_item_ridge,
    "vsknn": fit_vsknn,
}
_KINDS: dict[str, type[Any]] = {**RECOMMENDERS}


def fit_part(spec: BlendModelSpec, split: ListSplit, *, seed: int, progress: Progress) -> Part:
    """Fit one model by its kind."""
    return FITS[spec.kind](spec, split, seed=seed, progress=progress)


def save_part(part: Part, writer: BundleWriter, folder: str) -> str:
    """Write a recommender into a folder; the name of its kind, by which it is read again."""
    part.save(writer, folder)
    return next(name for name, kind in _KINDS.items() if type(part) is kind)


def load_part(kind: str, bundle: Bundle, folder: str) -> Part:
    """Read a recommender of a kind from a folder.

    Raises:
        BundleError: the kind is not known.
    """
    if kind not in _KINDS:
        raise BundleError(f"{folder}: expected one of {', '.join(_KINDS)}, received {kind!r}; update Aisle")
    part: Part = _KINDS[kind].load(bundle, folder)
    return part
