"""Content over lists: what a recipe may say of models that compare what items say of themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.strict import Strict


class TfIdfSpec(Strict):
    """Words, pairs of words and labels, weighed by how rare they are; ``dimension``: projected (LSA), missing: not."""

    kind: Literal["tf-idf"]
    min_items_per_token: PositiveInt = 2
    max_tokens: PositiveInt = 50_000
    dimension: PositiveInt | None = None


class SentenceSpec(Strict):
    """A sentence embedding model in a local ``folder`` with ``tokenizer.json`` and ``model.onnx`` (in it or ``onnx/``).

    Nothing is downloaded. Needs ``aisle[text]``.
    """

    kind: Literal["sentence"]
    folder: Annotated[str, Field(min_length=1)]
    pooling: Annotated[Literal["mean", "first"], Field(description="of tokens, as the model was trained")] = "mean"
    max_tokens: PositiveInt = 256


class ListContentSpec(Strict):
    """Items vote for the ``neighbours`` whose texts (``data.items``) are most alike, by the cosine."""

    kind: Literal["content"]
    text: Annotated[TfIdfSpec | SentenceSpec, Field(discriminator="kind")] = TfIdfSpec(kind="tf-idf")
    neighbours: PositiveInt = 100
    history: HistorySpec = HistorySpec()
