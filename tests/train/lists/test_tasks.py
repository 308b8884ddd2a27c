"""What is hidden in a cloze: how much, where, and what stays to tell it from."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from aisle.train.lists.tasks import Cloze

#: Three lists of 5, 3 and 1 items, padded.
PADDED_BT = np.array([[1, 2, 3, 4, 5], [6, 7, 8, -1, -1], [9, -1, -1, -1, -1]])


def test_a_cloze_hides_items_and_seeks_them() -> None:
    cloze = Cloze(mask=99, share=0.4, last_share=0.0)
    hidden_BT = np.zeros(PADDED_BT.shape)
    for seed in range(400):
        items_BT, targets_BT = cloze(PADDED_BT, np.random.default_rng(seed))
        is_hidden_BT = items_BT == 99
        assert np.array_equal(np.where(is_hidden_BT, targets_BT, items_BT), PADDED_BT)
        assert (targets_BT[~is_hidden_BT] == -1).all(), "what is shown is not sought"
        assert is_hidden_BT.any(axis=1).all() and not is_hidden_BT[PADDED_BT < 0].any()
        hidden_BT += is_hidden_BT
    np.testing.assert_allclose(hidden_BT[0, :4] / 400, 0.4, atol=0.08)
    # The last item also where nothing else was drawn: .4 + .6 ** 5, and .4 + .6 ** 3.
    assert hidden_BT[0, 4] / 400 == pytest.approx(0.4 + 0.6**5, abs=0.08)
    assert hidden_BT[1, 2] / 400 == pytest.approx(0.4 + 0.6**3, abs=0.08)


def test_a_cloze_shows_something_of_every_list_of_two_or_more() -> None:
    cloze = Cloze(mask=99, share=0.9, last_share=0.0)
    shown_B = np.zeros(3)
    for seed in range(100):
        items_BT, _ = cloze(PADDED_BT, np.random.default_rng(seed))
        is_shown_BT = (items_BT >= 0) & (items_BT < 99)
        assert is_shown_BT[:2].any(axis=1).all()
        shown_B += is_shown_BT.sum(axis=1)
    # Where all were drawn, the last is hidden alone: of three items .3 are shown by chance and 2 * .9 ** 3 beside.
    assert shown_B[1] / 100 == pytest.approx(0.3 + 2 * 0.9**3, abs=0.3) and shown_B[2] == 0


def test_a_cloze_of_last_items_is_what_serving_asks() -> None:
    """After one item or more, and of the longest lists as often as of the shortest."""
    ends = Counter()
    for seed in range(400):
        items_BT, targets_BT = Cloze(mask=99, share=0.9, last_share=1.0)(PADDED_BT, np.random.default_rng(seed))
        for list_T, items_T, targets_T in zip(PADDED_BT, items_BT, targets_BT, strict=True):
            (end,) = np.flatnonzero(targets_T >= 0)
            assert items_T.tolist() == [*list_T[:end], 99, *[-1] * (4 - end)] and targets_T[end] == list_T[end]
            ends[list_T[0], int(end)] += 1
    assert sorted(ends) == [(1, 1), (1, 2), (1, 3), (1, 4), (6, 1), (6, 2), (9, 0)]
    assert all(abs(ends[1, end] - 100) < 40 and abs(ends[6, 1] - 200) < 40 for end in range(1, 5))
