"""Strong simple models of the next item: what a recipe may say of transitions, neighbours and their blend."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from aisle.recipe.list_models.collaborative import (
    BprSpec,
    GraphFilterSpec,
    ImplicitAlsSpec,
    ItemKnnSpec,
    ListEaseSpec,
    PureSvdSpec,
    UserKnnSpec,
)
from aisle.recipe.list_models.content import ListContentSpec
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.strict import Strict

Exponent = Annotated[float, Field(ge=0, le=3)]


class PopularitySpec(Strict):
    """How often each item occurs in the training lists, the same for all.

    With ``own`` the asker's items come first, by their decayed occurrences ("popular in the session").
    """

    kind: Literal["popularity"]
    own: bool = False
    history: HistorySpec = HistorySpec()


class MarkovSpec(Strict):
    """How often an item followed the last one at once."""

    kind: Literal["markov"]


class RulesSpec(Strict):
    """Directed rules: an item votes for those up to ``window`` places after it, with 1 / distance, rows normalized.

    ``candidate_exponent``: the votes for an item are divided by its occurrences to this power.
    """

    kind: Literal["rules"]
    window: PositiveInt = 10
    candidate_exponent: Exponent = 0.0
    history: HistorySpec = HistorySpec()


class SessionItemKnnSpec(Strict):
    """Item i votes for j by the lists of both: sum over lists of n^-c exp(-r age) / (m_i^a m_j^b), for itself too.

    n is how many items a list has, ``list_exponent`` c; its age is 0 at the last list and 1 at the first, ``recency``
    r; m is how many lists have an item, ``history_exponent`` a and ``candidate_exponent`` b. As it stands it is the
    cosine; with a = b = 0 it is co-occurrence.

    ``neighbours``: each item votes for so many. ``second_step``: the weight of a walk of two steps between other items
    over the same votes, normalized, which reaches what no list has together; 0: none.
    """

    kind: Literal["session-item-knn"]
    history_exponent: Exponent = 0.5
    candidate_exponent: Exponent = 0.5
    list_exponent: Exponent = 0.0
    recency: NonNegativeFloat = 0.0
    neighbours: PositiveInt = 200
    second_step: NonNegativeFloat = 0.0
    step_neighbours: PositiveInt = 100
    history: HistorySpec = HistorySpec()


class NextItemRidgeSpec(Strict):
    """Linear regression of the next item on the decayed ones before it, with the penalty ``l2``, in closed form.

    Needs about 12 bytes per pair of items; of a catalogue too large for ``memory_gb`` the most frequent items are
    fitted.
    """

    kind: Literal["next-item-ridge"]
    l2: PositiveFloat = 100.0
    candidate_exponent: Exponent = 0.0
    memory_gb: PositiveFloat = 4.0
    history: HistorySpec = HistorySpec(last=10)


class VsknnSpec(Strict):
    """Vector session kNN: the lists most like the history vote for their items.

    The similarity of a list is the sum of the history's weights of the items it has, times n^-``list_exponent`` for its
    n items and exp(-``recency`` x age), to the power ``amplification``. An item counts ln(lists / lists with it) to the
    power ``idf``. Of the ``sample`` latest lists with an item of the history the ``neighbours`` most similar vote.
    """

    kind: Literal["vsknn"]
    neighbours: PositiveInt = 500
    sample: PositiveInt = 5000
    list_exponent: Exponent = 0.5
    recency: NonNegativeFloat = 0.0
    amplification: PositiveFloat = 1.0
    idf: Exponent = 1.0
    history: HistorySpec = HistorySpec()


TransitionSpec = PopularitySpec | MarkovSpec | RulesSpec | SessionItemKnnSpec | NextItemRidgeSpec | VsknnSpec
CollaborativeSpec = ItemKnnSpec | UserKnnSpec | ListEaseSpec | GraphFilterSpec | PureSvdSpec | ImplicitAlsSpec | BprSpec
#: What a blend is made of: every model that is fitted at once.
BlendModelSpec = Annotated[TransitionSpec | CollaborativeSpec | ListContentSpec, Field(discriminator="kind")]


class BlendPartSpec(Strict):
    """A model of a blend; without a ``weight`` it is chosen on the validation questions."""

    model: BlendModelSpec
    weight: NonNegativeFloat | None = None


class BlendSpec(Strict):
    """A weighted sum of several models, each question's scores of each divided by their greatest.

    Weights that are not given are chosen by coordinate ascent on the validation questions, for ``metric``; with
    ``refit`` the models are then fitted anew on the training lists together with what the validation held.
    """

    kind: Literal["blend"]
    parts: Annotated[list[BlendPartSpec], Field(min_length=1, max_length=8)]
    metric: Annotated[str, Field(pattern=r"^(ndcg|hr|mrr)@[1-9][0-9]*$")] = "ndcg@20"
    questions: Annotated[PositiveInt, Field(description="weights are chosen on so many, drawn by the seed")] = 5000
    refit: bool = True
