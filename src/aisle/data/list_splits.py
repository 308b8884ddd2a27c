"""From files to the lists and questions of a protocol.

Item rows are the items of all files in the order of their ids, so that a file's rows may come in any order.

Legend of shapes: R lists or questions, E entries, L candidates of a sampled protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.item_labels import read_item_labels
from aisle.data.item_lists import ItemLists
from aisle.data.item_texts import read_item_texts
from aisle.data.list_files import action_names, read_columns, read_pairs
from aisle.data.questions import NOBODY, ListSplit, Questions, no_questions
from aisle.data.time_splits import split_at_moments
from aisle.errors import DataError
from aisle.metrics import Targets
from aisle.recipe.list_data import (
    GivenNegativesSpec,
    HeldOutUsersSpec,
    LeaveOneOutSpec,
    ListDataSpec,
    PrefixesSpec,
    TestFileSpec,
    TimeSpec,
)


@dataclass(frozen=True)
class ListTable:
    """A file's lists with the ids behind their rows.

    Attributes:
        lists: One per user, in the order of the users' ids; of a file of lists one per row of the file.
        item_ids: The id of each item row.
        user_ids: The id of each list.
    """

    lists: ItemLists
    item_ids: pl.Series
    user_ids: pl.Series


def split_lists(spec: ListDataSpec) -> tuple[ListSplit, pl.Series]:
    """The data of a recipe under its protocol, and the id of each item row.

    Raises:
        DataError: a file is missing or not as expected.
    """
    split, item_ids = _under_protocol(spec)
    items = spec.items
    if items is not None and items.text:
        split = replace(split, item_texts=read_item_texts(items, item_ids))
    if items is not None and (items.categories or items.numbers):
        split = replace(split, item_labels=read_item_labels(items, item_ids))
    return split, item_ids


def _under_protocol(spec: ListDataSpec) -> tuple[ListSplit, pl.Series]:
    split, pairs = spec.split, read_pairs(spec.train, spec.columns)
    if isinstance(split, LeaveOneOutSpec):
        table = _table(pairs)
        done, items = leave_one_out(table.lists, len(table.item_ids), split), table.item_ids
    elif isinstance(split, HeldOutUsersSpec):
        table = _table(pairs)
        done, items = held_out_users(table.lists, len(table.item_ids), split), table.item_ids
    elif isinstance(split, TestFileSpec):
        done, items = _with_test_file(spec, split, pairs)
    elif isinstance(split, TimeSpec):
        table = _table(pairs.sort("user", "time", maintain_order=True))
        done, items = split_at_moments(table.lists, len(table.item_ids), split), table.item_ids
    elif isinstance(split, PrefixesSpec):
        done, items = _with_prefixes(split, pairs)
    else:
        done, items = _with_negatives(spec, split, pairs)
    return replace(done, actions=action_names(pairs)), items


def leave_one_out(lists: ItemLists, num_items: int, spec: LeaveOneOutSpec) -> ListSplit:
    """The last item of each list is the test question, the one before it the validation question.

    Lists of fewer than three items train alone.
    """
    asks_R = np.flatnonzero(lists.sizes_R >= 3)

    def ask(num_hidden: int) -> Questions:
        known = lists.take(asks_R).without_last(num_hidden)
        followed = lists.take(asks_R).without_last(num_hidden - 1).last(1)
        masked = None if spec.mask_last == 0 else known if spec.mask_last is None else known.last(spec.mask_last)
        targets = _one_each(followed.items_E)
        return Questions(known, targets, asks_R, masked, target_actions_E=followed.actions_E)

    kept_R = lists.sizes_R.copy()
    kept_R[asks_R] -= 1 if spec.train_on_validation else 2
    valid = no_questions() if spec.train_on_validation else ask(2)
    return ListSplit(num_items, lists.first(kept_R), valid, ask(1))


def held_out_users(lists: ItemLists, num_items: int, spec: HeldOutUsersSpec) -> ListSplit:
    """Users of validation and test are unknown to training; a drawn share of their items is shown."""
    generator = np.random.default_rng(spec.seed)
    if spec.valid + spec.test >= len(lists):
        raise DataError(f"held-out-users: expected more than {spec.valid + spec.test} lists, received {len(lists)}")
    order_R = generator.permutation(len(lists))
    test_R, valid_R, train_R = np.split(order_R, [spec.test, spec.test + spec.valid])

    def ask(rows_R: NDArray[np.int64]) -> Questions:
        of_users = lists.take(np.sort(rows_R))
        is_shown_E = _drawn(of_users, spec.shown, generator)
        shown, hidden = of_users.where(is_shown_E), of_users.where(~is_shown_E)
        return Questions(shown, _all_of(hidden), np.full(len(of_users), NOBODY), shown)

    return ListSplit(num_items, lists.take(np.sort(train_R)), ask(valid_R), ask(test_R))


def _with_test_file(spec: ListDataSpec, split: TestFileSpec, train_pairs: pl.DataFrame) -> tuple[ListSplit, pl.Series]:
    sought = spec.columns.model_copy(update={"action": None, "time": None})
    test_pairs = read_pairs(split.test, sought)
    items = _sorted_ids(train_pairs["item"], test_pairs["item"])
    table = _table(train_pairs, items)
    unknown = test_pairs.join(table.user_ids.to_frame("user"), on="user", how="anti").height
    if unknown:
        raise DataError(f"{split.test}: expected users of {spec.train}, received {unknown} rows of others")
    answers = _lists_of(test_pairs, table.user_ids, items)
    lists, num_items = table.lists, len(items)
    asks_R = np.flatnonzero(answers.sizes_R > 0)
    known = lists.take(asks_R)
    test = Questions(known, _all_of(answers.take(asks_R)), asks_R, known)
    if split.train_on_validation:
        return ListSplit(num_items, lists, no_questions(), test), items
    is_train_E = _drawn(lists, 1 - split.valid_fraction, np.random.default_rng(split.seed))
    train, hidden = lists.where(is_train_E), lists.where(~is_train_E)
    valid_R = np.flatnonzero(hidden.sizes_R > 0)
    shown = train.take(valid_R)
    valid = Questions(shown, _all_of(hidden.take(valid_R)), valid_R, shown)
    return ListSplit(num_items, train, valid, test), items


def _with_prefixes(split: PrefixesSpec, sessions: pl.DataFrame) -> tuple[ListSplit, pl.Series]:
    asked = read_columns(split.test, [split.prefix, split.target])
    flat = asked.select(pl.col(split.prefix).explode().alias("item"))["item"]
    items = _sorted_ids(sessions["item"], flat, asked[split.target])
    lists = _table(sessions, items).lists
    prefixes = ItemLists.of_sizes(asked[split.prefix].list.len().to_numpy(), _rows_of(flat, items))
    targets = _one_each(_rows_of(asked[split.target], items))
    test = Questions(prefixes, targets, np.full(len(prefixes), NOBODY))
    if split.train_on_validation:
        return ListSplit(len(items), lists, no_questions(), test), items
    border = len(lists) - max(1, round(split.valid_fraction * len(lists)))
    later = lists.take(np.arange(border, len(lists)))
    later = later.take(np.flatnonzero(later.sizes_R >= 2))
    valid = Questions(later.without_last(1), _one_each(later.last(1).items_E), np.full(len(later), NOBODY))
    return ListSplit(len(items), lists.take(np.arange(border)), valid, test), items


def _with_negatives(spec: ListDataSpec, split: GivenNegativesSpec, pairs: pl.DataFrame) -> tuple[ListSplit, pl.Series]:
    asked = read_columns(split.test, [spec.columns.user, split.target, split.negatives]).sort(spec.columns.user)
    users = asked[spec.columns.user].cast(pairs["user"].dtype)
    held_back = pl.DataFrame({"user": users, "item": asked[split.target].cast(pairs["item"].dtype)})
    items = _sorted_ids(pairs["item"], asked[split.target], asked[split.negatives].explode())
    table = _table(pairs.join(held_back, on=["user", "item"], how="anti"), items)
    if not table.user_ids.equals(users, check_names=False):
        raise DataError(f"{split.test}: expected each user of {spec.train} once, received {len(users)} rows")
    target_R = _rows_of(asked[split.target], items)
    known, everybody_R = table.lists, np.arange(len(users))
    negatives = ItemLists.of_sizes(
        asked[split.negatives].list.len().to_numpy(), _rows_of(asked[split.negatives].explode(), items)
    )
    test = Questions(known, _one_each(target_R), everybody_R, None, _candidates(target_R, negatives))
    protocol = f"sampled-{int(negatives.sizes_R.max())}"
    if split.train_on_validation:
        return ListSplit(len(items), known, no_questions(), test, protocol), items
    train, last_R = known.without_last(1), known.last(1).items_E
    drawn = _never_taken(known, target_R, len(items), int(negatives.sizes_R.max()), split.seed)
    valid = Questions(train, _one_each(last_R), everybody_R, None, _candidates(last_R, drawn))
    return ListSplit(len(items), train, valid, test, protocol), items


def _candidates(target_R: NDArray[np.int32], negatives: ItemLists) -> NDArray[np.int32]:
    """Each target, then its negatives; what stands there twice, or is the target itself, counts once."""
    padded_RL = negatives.padded(int(negatives.sizes_R.max(initial=0)))
    candidates_RL = np.concatenate([target_R[:, None], padded_RL], axis=1).astype(np.int32)
    for row_L in candidates_RL:
        kept = row_L[np.sort(np.unique(row_L, return_index=True)[1])]
        kept = kept[kept >= 0]
        row_L[: len(kept)], row_L[len(kept) :] = kept, -1
    return candidates_RL


def _never_taken(known: ItemLists, target_R: NDArray[np.int32], num_items: int, count: int, seed: int) -> ItemLists:
    """So many items of each user that the user neither took nor is tested on."""
    generator = np.random.default_rng(seed)
    drawn = []
    for row, taken in enumerate(known):
        others = np.setdiff1d(np.arange(num_items), np.append(taken, target_R[row]))
        drawn.append(generator.choice(others, min(count, len(others)), replace=False))
    return ItemLists.of(drawn)


def _table(pairs: pl.DataFrame, items: pl.Series | None = None) -> ListTable:
    if items is None:
        items = _sorted_ids(pairs["item"])
    if not len(items):
        raise DataError("expected interactions, received none")
    users = pairs["user"].unique(maintain_order=True)
    return ListTable(_lists_of(pairs, users, items), items, users)


def _lists_of(pairs: pl.DataFrame, users: pl.Series, items: pl.Series) -> ItemLists:
    """The items of each of ``users``, in the order of the pairs, with what else is known of them."""
    places = pl.DataFrame({"user": users, "row": np.arange(len(users))})
    placed = pairs.join(places, on="user", how="left", maintain_order="left").sort("row", maintain_order=True)
    sizes_R = np.bincount(placed["row"].to_numpy(), minlength=len(users))
    lists = ItemLists.of_sizes(sizes_R, _rows_of(placed["item"], items))
    actions_E = placed["action"].to_physical().to_numpy().astype(np.int32) if "action" in placed.columns else None
    return replace(lists, actions_E=actions_E, times_E=placed["time"].to_numpy() if "time" in placed.columns else None)


def _sorted_ids(*columns: pl.Series) -> pl.Series:
    ids = pl.concat([column.cast(columns[0].dtype) for column in columns])
    return ids.drop_nulls().unique().sort().rename("item_id")


def _rows_of(ids: pl.Series, items: pl.Series) -> NDArray[np.int32]:
    """The row of each id; ids are all among ``items``, nulls have gone or get the row -1."""
    rows: NDArray[Any] = items.search_sorted(ids.cast(items.dtype)).to_numpy()
    return np.where(ids.is_null().to_numpy(), -1, rows).astype(np.int32)


def _one_each(item_R: NDArray[np.signedinteger[Any]]) -> Targets:
    return Targets(np.arange(len(item_R) + 1), item_R.astype(np.int64))


def _all_of(lists: ItemLists) -> Targets:
    return Targets.from_pairs(lists.list_E, lists.items_E.astype(np.int64), len(lists))


def _drawn(lists: ItemLists, share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Which entries are drawn: of each list the share, rounded, at least one and where there are two not all."""
    sizes_R = lists.sizes_R
    counts_R = np.clip(np.round(share * sizes_R), 1, np.maximum(sizes_R - 1, 1)).astype(np.int64)
    order_E = np.lexsort((generator.random(len(lists.items_E)), lists.list_E))
    is_drawn_E = np.zeros(len(lists.items_E), np.bool_)
    is_drawn_E[order_E] = lists.position_E < np.repeat(counts_R, sizes_R)
    return is_drawn_E
