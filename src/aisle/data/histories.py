"""What each visitor had taken before each event, and in which order events are split when clocks do not compare.

Legend of shapes: R events, S events sorted by visitor and time, T things that were taken, in that order.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def earlier_things(
    user_R: NDArray[np.integer],
    time_R: NDArray[np.integer],
    thing_R: NDArray[np.integer],
    is_taken_R: NDArray[np.bool_],
    *,
    length: int,
) -> pl.Series:
    """For each event the things that its user had taken at strictly earlier times, oldest first.

    Args:
        user_R: Whose event it is.
        time_R: When; what happens at one time is in no history of that time.
        thing_R: What it is about.
        is_taken_R: Whether that was taken, and so enters later histories.
        length: At most so many, the latest ones.
    """
    order_S = np.lexsort((time_R, user_R))
    user_S, time_S, is_taken_S = user_R[order_S], time_R[order_S], is_taken_R[order_S]
    num_before_S: Ints = np.cumsum(is_taken_S) - is_taken_S
    is_other_user_S = np.diff(user_S, prepend=user_S[:1] - 1) != 0
    is_later_S = is_other_user_S | (np.diff(time_S, prepend=time_S[:1]) != 0)
    end_S: Ints = num_before_S[_last_true(is_later_S)]
    start_S = np.maximum(num_before_S[_last_true(is_other_user_S)], end_S - length)
    length_R, first_R = np.empty_like(start_S), np.empty_like(start_S)
    length_R[order_S], first_R[order_S] = end_S - start_S, start_S
    taken_T = thing_R[order_S][is_taken_S]
    offset_R = np.cumsum(length_R) - length_R
    chosen = np.repeat(first_R - offset_R, length_R) + np.arange(length_R.sum())
    flat = pl.DataFrame({"event": np.repeat(np.arange(len(length_R)), length_R), "thing": taken_T[chosen]})
    lists = flat.group_by("event", maintain_order=True).agg("thing")
    events = pl.DataFrame({"event": np.arange(len(length_R))})
    found = events.join(lists, on="event", how="left", maintain_order="left")
    return found["thing"].fill_null(pl.Series([[]], dtype=pl.List(flat["thing"].dtype))).alias("history")


def own_progress(user_R: NDArray[np.integer], time_R: NDArray[np.integer]) -> NDArray[np.float64]:
    """How much of a user's events comes before each: from 0 up to 1, events of one time in their order.

    Sorted by it, the first rows hold the first part of every user's events: rows that are split in this order are split
    in each user's own time.
    """
    order_S = np.lexsort((time_R, user_R))
    user_S = user_R[order_S]
    first_S = _last_true(np.diff(user_S, prepend=user_S[:1] - 1) != 0)
    _, user_number_S, count_U = np.unique(user_S, return_inverse=True, return_counts=True)
    progress_R = np.empty(len(order_S))
    progress_R[order_S] = (np.arange(len(order_S)) - first_S) / count_U[user_number_S]
    return progress_R


def _last_true(is_start_S: NDArray[np.bool_]) -> Ints:
    """The latest place so far that is a start; the first place is one."""
    places: Ints = np.maximum.accumulate(np.where(is_start_S, np.arange(len(is_start_S)), 0))
    return places
