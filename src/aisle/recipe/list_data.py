"""Where a list recipe's users, items and their order come from, and what is asked of a model: its protocol."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from aisle.recipe.data import FileName
from aisle.recipe.strict import Strict

_Column = Annotated[str, Field(min_length=1)]
_Share = Annotated[float, Field(gt=0, lt=1)]


class ListColumnsSpec(Strict):
    """The columns of a file: one row per interaction (``item``), or one per user with a list (``items``).

    ``order`` sorts the interactions of a user; without it they are in the order of the file. With ``min_value`` only
    rows count whose ``value`` is at least that.
    """

    user: _Column = "user_id"
    item: _Column | None = None
    items: _Column | None = None
    order: _Column | None = None
    value: _Column | None = None
    min_value: float | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.item is None) == (self.items is None):
            raise ValueError("expected either item (a row per interaction) or items (a list per row)")
        if self.items is not None and (self.order or self.value):
            raise ValueError("order, value: expected them with item, a file of lists has its order already")
        if (self.value is None) != (self.min_value is None):
            raise ValueError("expected value and min_value together")
        return self


class LeaveOneOutSpec(Strict):
    """The last item of each list is tested, the one before it validates; the rest trains.

    ``mask_last``: the asker's last so many items are never answered; missing: all of them, 0: none.
    ``train_on_validation``: the validation items train too, as published protocols without a validation have it.
    """

    kind: Literal["leave-one-out"]
    mask_last: NonNegativeInt | None = None
    train_on_validation: bool = False


class TestFileSpec(Strict):
    """A second file says what each user of the first took besides; what a user is known to have is masked.

    ``valid_fraction`` of each user's training items validate (drawn by ``seed``), unless ``train_on_validation``.
    """

    kind: Literal["test-file"]
    test: FileName
    valid_fraction: _Share = 0.1
    seed: NonNegativeInt = 0
    train_on_validation: bool = False


class HeldOutUsersSpec(Strict):
    """Whole users are kept back; of their items a share is shown and the rest sought (strong generalization).

    Source: Liang et al., "Variational autoencoders for collaborative filtering", WWW 2018.
    """

    kind: Literal["held-out-users"]
    valid: PositiveInt
    test: PositiveInt
    shown: _Share = 0.8
    seed: NonNegativeInt = 0


class PrefixesSpec(Strict):
    """A second file holds prefixes of sessions with the item that came next; nothing is masked.

    The last ``valid_fraction`` of the training sessions validate, each asked for its last item.
    """

    kind: Literal["prefixes"]
    test: FileName
    prefix: _Column
    target: _Column
    valid_fraction: _Share = 0.05
    train_on_validation: bool = False


class GivenNegativesSpec(Strict):
    """A second file names each user's test item and the negatives that it is ranked among.

    Such sampled protocols reproduce old papers; their metrics bear the number of negatives in their name, and are not
    comparable with those over all items. The item before it in the user's order validates, among as many items that
    the user never took, drawn by ``seed``.
    """

    kind: Literal["given-negatives"]
    test: FileName
    target: _Column
    negatives: _Column
    seed: NonNegativeInt = 0
    train_on_validation: bool = False


ListSplitSpec = Annotated[
    LeaveOneOutSpec | TestFileSpec | HeldOutUsersSpec | PrefixesSpec | GivenNegativesSpec, Field(discriminator="kind")
]


class ItemTextsSpec(Strict):
    """A file with a row per item (``id``); columns of strings are words, those of lists or numbers are labels."""

    file: FileName
    id: _Column = "item_id"
    text: Annotated[list[_Column], Field(min_length=1)]


class ListDataSpec(Strict):
    """Lists of items, and the protocol under which models of them are compared.

    ``items``: what items say of themselves, for models that read it.
    """

    train: FileName
    columns: ListColumnsSpec
    split: ListSplitSpec
    items: ItemTextsSpec | None = None
