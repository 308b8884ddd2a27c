"""Where a list recipe's users, items and their order come from, and what is asked of a model: its protocol."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from aisle.recipe.data import FileName
from aisle.recipe.strict import Strict

_Column = Annotated[str, Field(min_length=1)]
_Share = Annotated[float, Field(gt=0, lt=1)]


def _seconds(value: object) -> object:
    """Of a date its seconds since 1970, in UTC where it says nothing else; of another value itself."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return value


_Moment = Annotated[int, BeforeValidator(_seconds)]


class ListColumnsSpec(Strict):
    """The columns of a file: one row per interaction (``item``), or one per user with a list (``items``).

    ``order`` sorts the interactions of a user; without it they are in the order of the file. With ``min_value`` only
    rows count whose ``value`` is at least that. ``action`` (what was done with the item: any values) and ``time``
    (seconds, or dates) are for models that are told to read them.
    """

    user: _Column = "user_id"
    item: _Column | None = None
    items: _Column | None = None
    order: _Column | None = None
    value: _Column | None = None
    min_value: float | None = None
    action: _Column | None = None
    time: _Column | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.item is None) == (self.items is None):
            raise ValueError("expected either item (a row per interaction) or items (a list per row)")
        if self.items is not None and (self.order or self.value or self.action or self.time):
            raise ValueError("order, value, action, time: expected them with item, a file of lists has its order alone")
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


class TimeSpec(Strict):
    """Events before ``valid_from`` train, those from there to ``test_from`` validate, later ones are tested.

    Either is a moment (a date, or seconds) or a share: 0.8 stands behind the first 80 % of all events. Lists are in the
    order of ``columns.time``; events of one second in that of ``order``, or of the file. Asked are those who did
    something before the part, and sought is what they take in it: ``all`` of it, or the ``next`` item alone. What is
    masked (their last ``mask_last`` items; missing: all they have, 0: none) is not sought. Others are left out and
    counted.

    ``train_on_validation``: what is before ``test_from`` trains, and nothing validates.
    """

    kind: Literal["time"]
    valid_from: _Share | _Moment = 0.8
    test_from: _Share | _Moment = 0.9
    targets: Literal["all", "next"] = "all"
    mask_last: NonNegativeInt | None = None
    train_on_validation: bool = False


ListSplitSpec = Annotated[
    LeaveOneOutSpec | TestFileSpec | HeldOutUsersSpec | PrefixesSpec | GivenNegativesSpec | TimeSpec,
    Field(discriminator="kind"),
]


class ItemTableSpec(Strict):
    """A file with a row per item (``id``), and what its columns are for.

    ``text`` is compared by models of content: columns of strings are words, those of lists or numbers are labels.
    Models of sequences, and ``acf``, read labels: the values of ``categories`` (of a list each of them; of a string its
    parts between ``separator``, where that is given), and of ``numbers``, as a price, which of ``intervals`` with
    equally many items.
    """

    file: FileName
    id: _Column = "item_id"
    text: list[_Column] = []
    categories: list[_Column] = []
    separator: Annotated[str, Field(min_length=1)] | None = None
    numbers: list[_Column] = []
    intervals: Annotated[int, Field(ge=2)] = 10

    @model_validator(mode="after")
    def _names_columns(self) -> Self:
        if not (self.text or self.categories or self.numbers):
            raise ValueError("expected columns in text, categories or numbers, received none")
        if self.separator is not None and not self.categories:
            raise ValueError(
                f"separator: expected columns in categories that it parts, received {self.separator!r} alone"
            )
        return self


class ListDataSpec(Strict):
    """Lists of items, and the protocol under which models of them are compared.

    ``items``: what items say of themselves, for models that read it.
    """

    train: FileName
    columns: ListColumnsSpec
    split: ListSplitSpec
    items: ItemTableSpec | None = None

    @model_validator(mode="after")
    def _moments_need_times(self) -> Self:
        if isinstance(self.split, TimeSpec) and self.columns.time is None:
            raise ValueError("columns: expected time, for the split is one by time, received none")
        return self

    @model_validator(mode="after")
    def _prefixes_are_items_alone(self) -> Self:
        if isinstance(self.split, PrefixesSpec) and (self.columns.action or self.columns.time):
            raise ValueError("columns: expected no action or time, a test file of prefixes holds items alone")
        return self
