"""Published protocols on tiny files: who trains on what, what is asked, and what is masked."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from aisle.data.item_lists import ItemLists
from aisle.data.list_splits import held_out_users, split_lists
from aisle.data.questions import NOBODY, ListSplit
from aisle.errors import DataError
from aisle.metrics import Targets
from aisle.recipe.list_data import HeldOutUsersSpec, ListColumnsSpec, ListDataSpec

#: Users 3 and 8, in no order; item ids 10, 20, ... 50 are rows 0 to 4.
PAIRS = {
    "user": [8, 3, 8, 3, 3, 8, 3, 5],
    "item": [50, 10, 20, 30, 20, 10, 40, 30],
    "at": [3, 1, 1, 3, 2, 2, 4, 1],
    "stars": [5, 4, 2, 3, 5, 4, 4, 5],
}
BY_TIME = {"user": "user", "item": "item", "order": "at"}


def parquet(directory: Path, name: str, columns: dict[str, Any]) -> str:
    path = directory / f"{name}.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return str(path)


def split(train: str, columns: dict[str, Any], protocol: dict[str, Any]) -> tuple[ListSplit, list[Any]]:
    spec = ListDataSpec.model_validate({"train": train, "columns": columns, "split": protocol})
    done, item_ids = split_lists(spec)
    return done, item_ids.to_list()


def plain(lists: ItemLists | Targets | None) -> list[list[int]] | None:
    if lists is None:
        return None
    if isinstance(lists, Targets):
        lists = ItemLists(lists.indptr, lists.items.astype(np.int32))
    return [one.tolist() for one in lists]


class TestLeaveOneOut:
    def test_last_is_tested_and_the_one_before_validates(self, tmp_path: Path) -> None:
        done, item_ids = split(parquet(tmp_path, "a", PAIRS), BY_TIME, {"kind": "leave-one-out"})
        assert item_ids == [10, 20, 30, 40, 50]
        assert plain(done.train) == [[0, 1], [2], [1]], "users 3, 5, 8; the list of one trains alone"
        assert plain(done.valid.histories) == [[0, 1], [1]]
        assert plain(done.valid.targets) == [[2], [0]]
        assert plain(done.test.histories) == [[0, 1, 2], [1, 0]]
        assert plain(done.test.targets) == [[3], [4]]
        assert done.test.users_R.tolist() == done.valid.users_R.tolist() == [0, 2]
        assert plain(done.test.masked) == [[0, 1, 2], [1, 0]]
        assert done.protocol == "full"

    @pytest.mark.parametrize(("mask_last", "masked"), [(2, [[1, 2], [1, 0]]), (0, None)])
    def test_masks(self, tmp_path: Path, mask_last: int, masked: list[list[int]] | None) -> None:
        protocol = {"kind": "leave-one-out", "mask_last": mask_last}
        done, _ = split(parquet(tmp_path, "a", PAIRS), BY_TIME, protocol)
        assert plain(done.test.masked) == masked

    def test_validation_items_train_too(self, tmp_path: Path) -> None:
        protocol = {"kind": "leave-one-out", "train_on_validation": True}
        done, _ = split(parquet(tmp_path, "a", PAIRS), BY_TIME, protocol)
        assert plain(done.train) == [[0, 1, 2], [2], [1, 0]]
        assert len(done.valid) == 0
        assert plain(done.test.targets) == [[3], [4]]

    def test_rows_without_an_order_are_in_that_of_the_file(self, tmp_path: Path) -> None:
        columns = {"user": "user", "item": "item"}
        done, _ = split(parquet(tmp_path, "a", PAIRS), columns, {"kind": "leave-one-out"})
        assert plain(done.test.histories) == [[0, 2, 1], [4, 1]]

    def test_values_below_the_least_do_not_count(self, tmp_path: Path) -> None:
        columns = {**BY_TIME, "value": "stars", "min_value": 4}
        done, item_ids = split(parquet(tmp_path, "a", PAIRS), columns, {"kind": "leave-one-out"})
        assert item_ids == [10, 20, 30, 40, 50]
        assert plain(done.train) == [[0], [2], [0, 4]], "of user 8 two are left, which train alone"
        assert plain(done.test.histories) == [[0, 1]]

    def test_a_file_of_lists(self, tmp_path: Path) -> None:
        table = {"user": ["b", "a", "c"], "items": [["x", "y", "x"], ["z", "x", "y", "y"], []]}
        columns = {"user": "user", "items": "items"}
        done, item_ids = split(parquet(tmp_path, "a", table), columns, {"kind": "leave-one-out"})
        assert item_ids == ["x", "y", "z"]
        assert plain(done.test.histories) == [[2, 0, 1], [0, 1]]
        assert plain(done.test.targets) == [[1], [0]]


class TestTestFile:
    TRAIN: ClassVar = {"user": [1, 1, 1, 2, 2, 4], "item": [10, 20, 30, 20, 40, 10]}
    TEST: ClassVar = {"user": [2, 1, 2], "item": [50, 40, 10]}
    COLUMNS: ClassVar = {"user": "user", "item": "item"}

    def test_all_of_the_first_file_trains_and_is_masked(self, tmp_path: Path) -> None:
        protocol = {"kind": "test-file", "test": parquet(tmp_path, "t", self.TEST), "train_on_validation": True}
        done, item_ids = split(parquet(tmp_path, "a", self.TRAIN), self.COLUMNS, protocol)
        assert item_ids == [10, 20, 30, 40, 50], "an item of the test alone has a row"
        assert plain(done.train) == [[0, 1, 2], [1, 3], [0]]
        assert plain(done.test.histories) == plain(done.test.masked) == [[0, 1, 2], [1, 3]]
        assert plain(done.test.targets) == [[3], [0, 4]]
        assert done.test.users_R.tolist() == [0, 1]
        assert len(done.valid) == 0

    def test_a_share_of_each_user_validates(self, tmp_path: Path) -> None:
        test = parquet(tmp_path, "t", self.TEST)
        train = parquet(tmp_path, "a", self.TRAIN)
        protocol = {"kind": "test-file", "test": test, "valid_fraction": 0.34}
        done, _ = split(train, self.COLUMNS, protocol)
        assert done.train.sizes_R.tolist() == [2, 1, 1]
        assert done.valid.targets.sizes.tolist() == [1, 1], "the only item of a user trains"
        assert done.valid.users_R.tolist() == [0, 1]
        assert plain(done.valid.histories) == plain(done.valid.masked) == (plain(done.train) or [])[:2]
        whole = done.valid.histories.join(ItemLists.of(plain(done.valid.targets) or []))
        assert [sorted(one.tolist()) for one in whole] == [[0, 1, 2], [1, 3]]
        assert plain(done.test.histories) == [[0, 1, 2], [1, 3]], "the test shows all that was taken before"
        again, _ = split(train, self.COLUMNS, protocol)
        assert plain(again.train) == plain(done.train)

    def test_users_of_the_test_alone_are_refused(self, tmp_path: Path) -> None:
        test = parquet(tmp_path, "t", {"user": [1, 9], "item": [10, 10]})
        with pytest.raises(DataError, match="received 1 rows of others"):
            split(parquet(tmp_path, "a", self.TRAIN), self.COLUMNS, {"kind": "test-file", "test": test})


class TestHeldOutUsers:
    LISTS = ItemLists.of([[user, *range(20, 29)] for user in range(20)])

    def done(self, **options: Any) -> ListSplit:
        spec = HeldOutUsersSpec.model_validate({"kind": "held-out-users", "valid": 3, "test": 5, **options})
        return held_out_users(self.LISTS, 29, spec)

    def test_each_user_is_on_one_side(self) -> None:
        done = self.done()
        trained = {int(one[0]) for one in done.train}
        asked = [
            {item for item in [*shown.tolist(), *hidden] if item < 20}
            for part in (done.valid, done.test)
            for shown, hidden in zip(part.histories, plain(part.targets) or [], strict=True)
        ]
        assert [len(done.train), len(done.valid), len(done.test)] == [12, 3, 5]
        assert set.union(*asked) | trained == set(range(20))
        assert len(set.union(*asked)) == 8

    def test_a_share_is_shown_and_the_rest_sought(self) -> None:
        done = self.done(shown=0.7)
        assert done.test.histories.sizes_R.tolist() == [7] * 5
        assert done.test.targets.sizes.tolist() == [3] * 5
        assert plain(done.test.masked) == plain(done.test.histories)
        assert (done.test.users_R == NOBODY).all()
        for shown, hidden in zip(plain(done.test.histories) or [], plain(done.test.targets) or [], strict=True):
            assert not set(shown) & set(hidden)
            assert shown == sorted(shown), "the order of a history is kept"

    def test_the_seed_draws(self) -> None:
        assert plain(self.done(seed=1).train) == plain(self.done(seed=1).train)
        assert plain(self.done(seed=1).train) != plain(self.done(seed=2).train)

    def test_too_few_users(self) -> None:
        with pytest.raises(DataError, match="expected more than 20 lists, received 20"):
            self.done(test=17)


class TestPrefixes:
    SESSIONS: ClassVar = {"session": [1, 2, 3, 4], "items": [[10, 20], [20, 30, 10], [30], [30, 20, 10]]}
    ASKED: ClassVar = {"prefix": [[10, 30], [20]], "next": [40, 20]}

    def done(self, directory: Path, **options: Any) -> tuple[ListSplit, list[Any]]:
        test = parquet(directory, "t", self.ASKED)
        protocol = {"kind": "prefixes", "test": test, "prefix": "prefix", "target": "next", **options}
        return split(parquet(directory, "a", self.SESSIONS), {"user": "session", "items": "items"}, protocol)

    def test_prefixes_ask_and_nothing_is_masked(self, tmp_path: Path) -> None:
        done, item_ids = self.done(tmp_path, train_on_validation=True)
        assert item_ids == [10, 20, 30, 40]
        assert plain(done.train) == [[0, 1], [1, 2, 0], [2], [2, 1, 0]]
        assert plain(done.test.histories) == [[0, 2], [1]]
        assert plain(done.test.targets) == [[3], [1]]
        assert done.test.masked is None
        assert (done.test.users_R == NOBODY).all()
        assert len(done.valid) == 0

    def test_the_last_sessions_validate_by_their_last_item(self, tmp_path: Path) -> None:
        done, _ = self.done(tmp_path, valid_fraction=0.5)
        assert plain(done.train) == [[0, 1], [1, 2, 0]]
        assert plain(done.valid.histories) == [[2, 1]], "a session of one item asks nothing"
        assert plain(done.valid.targets) == [[0]]


class TestGivenNegatives:
    PAIRS: ClassVar = {"user": [1, 1, 1, 2, 2, 2], "item": [10, 20, 30, 20, 40, 50], "at": [1, 2, 3, 1, 2, 3]}
    ASKED: ClassVar = {"user": [2, 1], "item": [50, 30], "negatives": [[10, 30, 10, 50], [40, 50, 60, 60]]}

    def done(self, directory: Path, asked: dict[str, Any] | None = None, **options: Any) -> tuple[ListSplit, list[Any]]:
        test = parquet(directory, "t", asked or self.ASKED)
        protocol = {"kind": "given-negatives", "test": test, "target": "item", "negatives": "negatives", **options}
        return split(parquet(directory, "a", self.PAIRS), BY_TIME, protocol)

    def test_candidates_are_the_target_and_each_other_negative_once(self, tmp_path: Path) -> None:
        done, item_ids = self.done(tmp_path, train_on_validation=True)
        assert item_ids == [10, 20, 30, 40, 50, 60]
        assert plain(done.train) == plain(done.test.histories) == [[0, 1], [1, 3]], "the test item does not train"
        assert plain(done.test.targets) == [[2], [4]]
        assert done.test.candidates_RK is not None
        assert done.test.candidates_RK.tolist() == [[2, 3, 4, 5, -1], [4, 0, 2, -1, -1]]
        assert done.test.masked is None
        assert done.protocol == "sampled-4"
        assert len(done.valid) == 0

    def test_the_item_before_validates_among_items_never_taken(self, tmp_path: Path) -> None:
        done, _ = self.done(tmp_path)
        assert plain(done.train) == plain(done.valid.histories) == [[0], [1]]
        assert plain(done.valid.targets) == [[1], [3]]
        assert plain(done.test.histories) == [[0, 1], [1, 3]]
        assert done.valid.candidates_RK is not None
        first_L, second_L = done.valid.candidates_RK.tolist()
        assert (first_L[0], sorted(first_L[1:])) == (1, [3, 4, 5]), "three are left for four places"
        assert (second_L[0], sorted(second_L[1:])) == (3, [0, 2, 5])

    def test_every_user_is_asked_once(self, tmp_path: Path) -> None:
        asked = {"user": [2], "item": [50], "negatives": [[10]]}
        with pytest.raises(DataError, match=r"each user of .* once, received 1 rows"):
            self.done(tmp_path, asked)


class TestEvents:
    """What was done and when: stars and the place in the order stand for them."""

    columns: ClassVar[dict[str, Any]] = {**BY_TIME, "action": "stars", "time": "at"}

    def test_questions_know_what_was_done_and_when(self, tmp_path: Path) -> None:
        done, _ = split(parquet(tmp_path, "a", PAIRS), self.columns, {"kind": "leave-one-out"})
        assert done.actions == ("2", "3", "4", "5")
        train, asked = done.train, done.test.histories
        assert train.actions_E is not None and train.times_E is not None
        assert train.actions_E.tolist() == [2, 3, 3, 0] and train.times_E.tolist() == [1, 2, 1, 1]
        assert asked.actions_E is not None and asked.actions_E.tolist() == [2, 3, 1, 0, 2]

    @pytest.mark.parametrize(
        "protocol",
        [
            {"kind": "held-out-users", "valid": 1, "test": 1, "shown": 0.5},
            {"kind": "test-file", "test": "TEST", "valid_fraction": 0.4},
            {"kind": "given-negatives", "test": "NEGATIVES", "target": "sought", "negatives": "others"},
        ],
    )
    def test_every_protocol_of_interactions_keeps_them(self, tmp_path: Path, protocol: dict[str, Any]) -> None:
        """The action is made of the item: it must stay with it."""
        pairs = {**PAIRS, "stars": [item % 40 for item in PAIRS["item"]]}
        test = parquet(tmp_path, "test", {"user": [3, 8], "item": [50, 40], "at": [9, 9]})
        asked = {"user": [3, 5, 8], "sought": [50, 20, 30], "others": [[10], [50], [40]]}
        files = {"TEST": test, "NEGATIVES": parquet(tmp_path, "negatives", asked)}
        protocol = {**protocol, "test": files.get(protocol["test"], protocol["test"])}
        done, item_ids = split(parquet(tmp_path, "a", pairs), self.columns, protocol)
        for lists in (done.train, done.valid.histories, done.test.histories):
            assert lists.actions_E is not None
            items = [item_ids[row] for row in lists.items_E]
            assert [int(done.actions[action]) for action in lists.actions_E] == [item % 40 for item in items]

    def test_times_may_be_dates(self, tmp_path: Path) -> None:
        dates = [datetime(2026, 1, 1, 0, 0, at) for at in PAIRS["at"]]
        done, _ = split(parquet(tmp_path, "a", {**PAIRS, "at": dates}), self.columns, {"kind": "leave-one-out"})
        assert done.train.times_E is not None
        assert (done.train.times_E - 1767225600).tolist() == [1, 2, 1, 1]

    def test_times_that_are_none_and_lists_without_them(self, tmp_path: Path) -> None:
        words = {**PAIRS, "at": [str(at) for at in PAIRS["at"]]}
        with pytest.raises(DataError, match="expected seconds or dates in the column at, received String"):
            split(parquet(tmp_path, "a", words), self.columns, {"kind": "leave-one-out"})
        with pytest.raises(ValidationError, match="expected them with item, a file of lists has its order alone"):
            ListColumnsSpec(items="items", time="at")
        prefixes = {"kind": "prefixes", "test": "test.parquet", "prefix": "prefix", "target": "next"}
        with pytest.raises(ValidationError, match="expected no action or time, a test file of prefixes holds items"):
            ListDataSpec.model_validate({"train": "a.parquet", "columns": self.columns, "split": prefixes})


class TestFiles:
    LEAVE_ONE_OUT: ClassVar = {"kind": "leave-one-out"}

    def test_text_files(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        pl.DataFrame(PAIRS).write_csv(path)
        done, item_ids = split(str(path), BY_TIME, self.LEAVE_ONE_OUT)
        assert item_ids == [10, 20, 30, 40, 50]
        assert plain(done.test.targets) == [[3], [4]]

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="expected a Parquet or text file, found none"):
            split(str(tmp_path / "none.parquet"), BY_TIME, self.LEAVE_ONE_OUT)

    def test_a_column_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="expected the columns user, item, when, received user, item, at, stars"):
            split(parquet(tmp_path, "a", PAIRS), {**BY_TIME, "order": "when"}, self.LEAVE_ONE_OUT)

    def test_something_else_than_a_table(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        path.write_text("no table")
        with pytest.raises(DataError, match="expected Parquet or CSV, it cannot be read"):
            split(str(path), BY_TIME, self.LEAVE_ONE_OUT)

    def test_empty_values(self, tmp_path: Path) -> None:
        table = {"user": [1, 1], "item": [10, None]}
        with pytest.raises(DataError, match="received empty ones"):
            split(parquet(tmp_path, "a", table), {"user": "user", "item": "item"}, self.LEAVE_ONE_OUT)

    def test_no_rows(self, tmp_path: Path) -> None:
        columns = {**BY_TIME, "value": "stars", "min_value": 9}
        with pytest.raises(DataError, match="expected interactions, received none"):
            split(parquet(tmp_path, "a", PAIRS), columns, self.LEAVE_ONE_OUT)
