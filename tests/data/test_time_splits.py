"""The protocol of moments on a file of eleven events: who is asked, what is sought, and what is left out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aisle.data.questions import NOBODY
from aisle.errors import DataError
from aisle.recipe.list_data import ListDataSpec, TimeSpec
from aisle.retrieval.transitions.blend import with_validation
from tests.data.test_list_splits import parquet, plain, split

#: By time; item ids 10, 20, ... 50 are rows 0 to 4. User 4 begins in the middle, user 5 at the end.
EVENTS = {
    "user": [1, 2, 1, 3, 1, 2, 4, 1, 2, 4, 5],
    "item": [10, 20, 20, 30, 30, 20, 10, 40, 50, 50, 10],
    "at": [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 24],
}
COLUMNS = {"user": "user", "item": "item", "time": "at"}


def done(directory: Path, events: dict[str, Any] | None = None, **options: Any) -> Any:
    protocol = {"kind": "time", "valid_from": 10, "test_from": 20, **options}
    return split(parquet(directory, "a", events or EVENTS), COLUMNS, protocol)[0]


def test_earlier_events_train_and_later_ones_are_sought(tmp_path: Path) -> None:
    found = done(tmp_path)
    assert plain(found.train) == [[0, 1], [1], [2]], "users 1, 2, 3; those who come later do not train"
    assert plain(found.valid.histories) == plain(found.valid.masked) == [[0, 1]]
    assert plain(found.valid.targets) == [[2]], "user 2 took a known item alone, which is masked"
    assert found.valid.users_R.tolist() == [0]
    assert found.valid.num_left_out == 1, "user 4, who has no history yet"
    assert plain(found.test.histories) == plain(found.test.masked) == [[0, 1, 2], [1, 1], [0]]
    assert plain(found.test.targets) == [[3], [4], [4]]
    assert found.test.users_R.tolist() == [0, 1, NOBODY], "user 4 has a history and was not trained on"
    assert found.test.num_left_out == 1, "user 5"
    assert found.protocol == "full"


def test_all_that_is_taken_or_the_next_item(tmp_path: Path) -> None:
    events = {"user": [1, 1, 1, 1, 1, 1], "item": [10, 20, 30, 20, 50, 40], "at": [1, 2, 3, 4, 6, 5]}
    moments = {"valid_from": 2, "test_from": 3}
    assert plain(done(tmp_path, events, **moments).test.targets) == [[2, 3, 4]], "not 20, which is known"
    assert plain(done(tmp_path, events, **moments, targets="next").test.targets) == [[2]]
    assert plain(done(tmp_path, events, valid_from=2, test_from=4, targets="next").test.targets) == [[3]], "by time"


def test_masks(tmp_path: Path) -> None:
    found = done(tmp_path, mask_last=0)
    assert found.valid.masked is None
    assert plain(found.valid.targets) == [[2], [1]], "what is not masked is sought again"
    events = {"user": [1] * 5, "item": [10, 20, 30, 10, 30], "at": [1, 2, 3, 4, 5]}
    found = done(tmp_path, events, valid_from=2, test_from=4, mask_last=1)
    assert (plain(found.test.masked), plain(found.test.targets)) == ([[2]], [[0]])


def test_validation_events_train_too(tmp_path: Path) -> None:
    found = done(tmp_path, train_on_validation=True)
    assert plain(found.train) == [[0, 1, 2], [1, 1], [2], [0]]
    assert len(found.valid) == 0
    assert found.test.users_R.tolist() == [0, 1, 3]
    assert plain(done(tmp_path, test_from=2, valid_from=9, train_on_validation=True).train) == [[0]], "only test_from"


def test_a_model_that_is_fitted_anew_learns_all_that_came_before_the_test(tmp_path: Path) -> None:
    whole = with_validation(done(tmp_path))
    assert plain(whole.train) == [[0, 1, 2], [1, 1], [2], [0]], "in the order of time, the newcomer last"
    assert len(whole.valid) == 0


def test_shares_of_all_events(tmp_path: Path) -> None:
    """Of eleven events four are the first 40 %, seven the first 65 %; a share between equal times goes before them."""
    by_shares, by_moments = done(tmp_path, valid_from=0.4, test_from=0.65), done(tmp_path)
    assert plain(by_shares.train) == plain(by_moments.train)
    assert plain(by_shares.valid.targets) == plain(by_moments.valid.targets)
    assert plain(by_shares.test.targets) == plain(by_moments.test.targets)
    equal = {**EVENTS, "at": [1, 2, 3, 3, 3, 3, 3, 21, 22, 23, 24]}
    assert plain(done(tmp_path, equal, valid_from=0.4, test_from=0.65).train) == [[0], [1]]


def test_dates(tmp_path: Path) -> None:
    dated = {**EVENTS, "at": [datetime(2026, 1, day) for day in EVENTS["at"]]}
    found = done(tmp_path, dated, valid_from="2026-01-10", test_from=datetime(2026, 1, 20))
    assert plain(found.test.targets) == plain(done(tmp_path).test.targets)
    spec = TimeSpec(kind="time", valid_from="1970-01-02", test_from="1970-01-02T01:00+01:00")  # type: ignore[arg-type]
    assert spec.valid_from == spec.test_from == 86_400
    assert TimeSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(("valid_from", "test_from"), [(1, 10), (10, 99), (10, 11), (20, 10)])
def test_moments_that_leave_a_part_empty(tmp_path: Path, valid_from: int, test_from: int) -> None:
    with pytest.raises(DataError, match=rf"each side of the seconds \[{valid_from}, {test_from}\], received"):
        done(tmp_path, valid_from=valid_from, test_from=test_from)


def test_what_a_recipe_must_name() -> None:
    columns = {"user": "user", "item": "item"}
    with pytest.raises(ValidationError, match="expected time, for the split is one by time"):
        ListDataSpec.model_validate({"train": "a.parquet", "columns": columns, "split": {"kind": "time"}})
    with pytest.raises(ValidationError, match="Invalid isoformat string"):
        TimeSpec.model_validate({"kind": "time", "test_from": "soon"})
