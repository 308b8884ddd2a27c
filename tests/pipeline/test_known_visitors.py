"""Users are found again by hashes of their ids."""

from __future__ import annotations

import numpy as np

from aisle.data.questions import NOBODY
from aisle.pipeline.known_visitors import KnownVisitors


def test_each_user_has_the_row_that_is_told() -> None:
    ids = [f"user {number}" for number in range(1000)] + ["Zoë", "", "7"]
    visitors, order_N = KnownVisitors.of_ids(ids)
    assert sorted(order_N.tolist()) == list(range(len(ids)))
    assert [ids[order_N[visitors.row(one)]] for one in ids] == ids
    assert visitors.hashes_N.dtype == np.uint64
    assert (np.diff(visitors.hashes_N) > 0).all()


def test_others_have_none() -> None:
    visitors, _ = KnownVisitors.of_ids(["ann", "bob"])
    assert [visitors.row(other) for other in ("Ann", "ann ", "", None)] == [NOBODY] * 4
    nobody, order_N = KnownVisitors.of_ids([])
    assert (nobody.row("ann"), len(order_N)) == (NOBODY, 0)


def test_the_hash_is_the_same_on_every_machine() -> None:
    visitors, order_N = KnownVisitors.of_ids(["ann", "bob"])
    assert dict(zip(order_N.tolist(), visitors.hashes_N.tolist(), strict=True)) == {
        0: 12282535953128369995,
        1: 1109294394095156540,
    }
