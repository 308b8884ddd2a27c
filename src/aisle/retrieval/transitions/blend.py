"""A blend of fitted models: a weighted sum of their scores, with weights chosen on the validation questions.

Source: coordinate ascent: Metzler and Croft, "Linear feature-based models for information retrieval", Information
Retrieval 2007.

Legend of shapes: R questions, V items, P parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, ListSplit, Questions
from aisle.errors import DataError
from aisle.progress import Progress, silent
from aisle.recipe.list_models.transitions import BlendSpec
from aisle.retrieval.transitions.blend_weights import best_weights, relative_scores
from aisle.retrieval.transitions.parts import Part, fit_part, load_part, save_part


class Blend:
    """The weighted sum of several recommenders' scores, each question's divided by their greatest.

    Args:
        parts: What is blended.
        weights_P: Not negative, one per part.
    """

    def __init__(self, parts: Sequence[Part], weights_P: Sequence[float]) -> None:
        if len(parts) != len(weights_P):
            raise ValueError(f"expected a weight for each of {len(parts)} parts, received {len(weights_P)}")
        self.parts = list(parts)
        self.weights_P = [float(weight) for weight in weights_P]

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; parts of weight 0 are not asked."""
        total_RV: NDArray[np.float32] | None = None
        for part, weight in zip(self.parts, self.weights_P, strict=True):
            if weight == 0 and total_RV is not None:
                continue
            scores_RV = relative_scores(part.score(questions))
            scores_RV *= np.float32(weight)
            total_RV = scores_RV if total_RV is None else np.add(total_RV, scores_RV, out=total_RV)
        assert total_RV is not None, "a blend has parts"
        return total_RV

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write each part into a folder of its own."""
        kinds = [save_part(part, writer, f"{folder}/part-{number}") for number, part in enumerate(self.parts)]
        writer.write_json(f"{folder}/blend", {"kinds": kinds, "weights": self.weights_P})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read all parts."""
        written = bundle.read_json(f"{folder}/blend")
        parts = [load_part(kind, bundle, f"{folder}/part-{number}") for number, kind in enumerate(written["kinds"])]
        return cls(parts, written["weights"])


def fit_blend(spec: BlendSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> Blend:
    """Fit the parts, choose the weights that are not given, and fit the parts anew with what validated.

    Raises:
        DataError: weights are to be chosen, and nothing validates.
    """
    given_P = [part.weight for part in spec.parts]
    is_given = all(weight is not None for weight in given_P)
    parts: list[Part] = []
    if not is_given or len(split.valid) == 0 or not spec.refit:
        parts = [fit_part(part.model, split, seed=seed, progress=progress) for part in spec.parts]
    weights_P = [weight for weight in given_P if weight is not None]
    if not is_given:
        if len(split.valid) == 0:
            raise DataError(
                "blend: expected validation questions to choose weights on, received none; give each part its weight, "
                "or do not train on the validation items"
            )
        progress("weigh", 0, None)
        questions = _some(split.valid, spec.questions, seed)
        weights_P = best_weights(parts, given_P, questions, split.num_items, spec.metric)
    if spec.refit and len(split.valid) > 0:
        whole = with_validation(split)
        parts = [fit_part(part.model, whole, seed=seed, progress=progress) for part in spec.parts]
    return Blend(parts, weights_P)


def with_validation(split: ListSplit) -> ListSplit:
    """The split whose training lists hold the validation targets too.

    A target goes behind its asker's training list; of an asker without one, history and target become a list, the
    last of all. Where the split says itself what trains then, it is that.
    """
    valid = split.valid
    nothing = valid.take(slice(0, 0))
    if split.train_and_valid is not None:
        return replace(split, train=split.train_and_valid, valid=nothing)
    targets = ItemLists(valid.targets.indptr, valid.targets.items.astype(np.int32))
    is_known_R = valid.users_R != NOBODY
    known_R, new_R = np.flatnonzero(is_known_R), np.flatnonzero(~is_known_R)
    place_R = np.full(len(split.train), len(known_R))
    place_R[valid.users_R[known_R]] = np.arange(len(known_R))
    longer = split.train.join(_append(targets.take(known_R), ItemLists.empty(1)).take(place_R))
    new = valid.histories.take(new_R).join(targets.take(new_R))
    return replace(split, train=_append(longer, new), valid=nothing)


def _append(lists: ItemLists, more: ItemLists) -> ItemLists:
    return ItemLists.of_sizes(
        np.concatenate([lists.sizes_R, more.sizes_R]), np.concatenate([lists.items_E, more.items_E])
    )


def _some(questions: Questions, count: int, seed: int) -> Questions:
    if len(questions) <= count:
        return questions
    return questions.take(np.sort(np.random.default_rng(seed).permutation(len(questions))[:count]))
