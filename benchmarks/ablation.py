"""What a ranker is denied in an ablation: sources of candidates, features, ids, lists of one repeat policy.

Denied on stored examples and stored whole lists, alike. That equals a refit without it, but for what depends on the
other candidates of a list: the rank of an item among the visitor's own (``own_rank``) still counts items that only a
denied source listed, and negatives that only it listed are not drawn anew (a list then has fewer, at the same weight).

Legend of shapes: R rows, F candidate features, K positions, L lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aisle.errors import ConfigError
from aisle.evaluate.report import MethodScores, Role, measure
from aisle.evaluate.shop_temporal import LENGTH, METRICS
from aisle.evaluate.windows import VARIANT_OF, Window
from aisle.features.candidates import CandidateFeaturizer
from aisle.metrics import Targets
from aisle.pipeline import Blend, RepeatPolicy
from aisle.pipeline.rank_stage import RankStage
from aisle.train.shop.ranker_examples import RankerExamples

#: Lists are scored in parts of so many rows, to bound memory.
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Denied:
    """What a variant does not see.

    Attributes:
        sources: Candidates that these alone list are left out, and so is what they say of others.
        features: Patterns of candidate features; with ``*`` at the end, all that begin so. Held at 0: a feature that
            does not vary in training rows is no input of the ranker.
        repeats: Training lists under these policies are left out.
        is_shuffled: The values of denied features change places among the rows of each list, those of a row together,
            rather than being held at 0: the ranker has as many inputs and weights as with them.
    """

    sources: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    repeats: tuple[RepeatPolicy, ...] = ()
    is_shuffled: bool = False

    def columns(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the F features are held at 0.

        Raises:
            ConfigError: a pattern names no feature, so that nothing would be denied.
        """
        patterns = [*self.features, *(f"{kind}_{name}" for kind in ("score", "rank") for name in self.sources)]
        denied_F = np.zeros(len(names), np.bool_)
        for pattern in patterns:
            found = [
                name == pattern or (pattern.endswith("*") and name.startswith(pattern.removesuffix("*")))
                for name in names
            ]
            if not any(found):
                raise ConfigError(f"expected a feature or source, received {pattern!r}; there are {', '.join(names)}")
            denied_F |= found
        return denied_F

    def rows(self, examples: RankerExamples, featurizer: CandidateFeaturizer) -> RankerExamples:
        """The examples without it; the numbers of lists stay."""
        names = list(featurizer.names)
        features_RF = np.array(examples.features_RF)
        kept_R = np.ones(len(examples), np.bool_)
        if self.sources:
            others = [names.index(f"rank_{name}") for name in featurizer.sources if name not in self.sources]
            listed_R = (features_RF[:, others] > 0).sum(axis=1)
            features_RF[:, names.index("num_sources")] = listed_R
            kept_R = listed_R > 0
        features_RF = features_RF[kept_R]
        denied = np.flatnonzero(self.columns(names))
        if self.is_shuffled:
            places_R = shuffled_in_lists(examples.list_R[kept_R])
            features_RF[:, denied] = features_RF[np.ix_(places_R, denied)]
        else:
            features_RF[:, denied] = 0.0
        return replace(
            examples,
            features_RF=features_RF,
            **{
                name: getattr(examples, name)[kept_R]
                for name in ("items_R", "codes_R2", "list_R", "label_R", "weight_R")
            },
        )


def shuffled_in_lists(list_R: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row one of its list, each once, at random but the same for the same lists, whose numbers rise."""
    return np.lexsort((np.random.default_rng(0).random(len(list_R)), list_R))


def of_policies(examples: RankerExamples, window: Window, max_questions: int, denied: Sequence[str]) -> RankerExamples:
    """The training lists under the other repeat policies (lists of ``allow`` come first), numbered from 0 again."""
    num_lists = [min(len(window.asked(repeat)), max_questions) for repeat in VARIANT_OF]
    first = dict(zip(VARIANT_OF, np.cumsum([0, *num_lists]).tolist(), strict=False))
    size = dict(zip(VARIANT_OF, num_lists, strict=True))
    kept_R = np.ones(len(examples), np.bool_)
    for repeat in denied:
        kept_R &= (examples.list_R < first[repeat]) | (examples.list_R >= first[repeat] + size[repeat])
    parts = {
        name: getattr(examples, name)[kept_R] for name in ("features_RF", "items_R", "codes_R2", "label_R", "weight_R")
    }
    _, list_R = np.unique(examples.list_R[kept_R], return_inverse=True)
    return RankerExamples(list_R=list_R.astype(np.int64), **parts)


def stage_scores(stage: RankStage, lists: RankerExamples) -> NDArray[np.float32]:
    """A stage's log odds [R] of whole lists."""
    parts = []
    for start in range(0, len(lists), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        columns = {name: getattr(lists, name)[part] for name in vars(lists)}
        parts.append(stage.score(RankerExamples(**columns).featurized))
    return np.concatenate(parts)


def blend_scores(
    blends: Mapping[RepeatPolicy, Blend], featurizer: CandidateFeaturizer, lists: RankerExamples, num_allow: int
) -> NDArray[np.float32]:
    """A blend's scores [R] of whole lists: normalized scores of sources are features."""
    columns = [featurizer.names.index(f"score_{name}") for name in featurizer.sources]
    normalized_RS = lists.features_RF[:, columns]
    scores = {repeat: normalized_RS @ blend.weights_S(featurizer.sources) for repeat, blend in blends.items()}
    return np.where(lists.list_R < num_allow, scores["allow"], scores["exclude"])


def measure_ranked(window: Window, lists: RankerExamples, scores_R: NDArray[np.float32], role: Role) -> MethodScores:
    """The protocol's metrics of stored whole lists in the order of scores; equal scores by item row, as in serving.

    Args:
        window: The lists are of its questions, those under ``allow`` first, none left out.
        lists: Rows list by list, in rising item rows.
        scores_R: Of the rows.
        role: Of the method.
    """
    asked = [(repeat, question) for repeat in VARIANT_OF for question in window.asked(repeat)]
    bounds = np.searchsorted(lists.list_R, np.arange(len(asked) + 1))
    ranked_LK = np.full((len(asked), LENGTH), -1, np.int64)
    for number, (start, end) in enumerate(pairwise(bounds)):
        best = np.argsort(-scores_R[start:end], kind="stable")[:LENGTH]
        ranked_LK[number, : len(best)] = lists.items_R[start:end][best]
    found = MethodScores(role)
    for repeat, variant in VARIANT_OF.items():
        chosen = [number for number, (policy, _) in enumerate(asked) if policy == repeat]
        targets = Targets.from_lists([asked[number][1].targets for number in chosen])
        for metric, values in measure(ranked_LK[chosen], targets, METRICS, variant=variant).items():
            found.add(metric, values)
    return found
