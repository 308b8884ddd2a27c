"""Tables of users who were trained on, and what stands in for the others: their mean.

Legend of shapes: R questions, U users, D dimension.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rows_of_users(users_R: NDArray[np.int64], num_users: int) -> NDArray[np.int64]:
    """The row of each asker in a table :func:`with_mean`."""
    return np.where((users_R >= 0) & (users_R < num_users), users_R, num_users)


def with_mean(table_UD: NDArray[np.float32]) -> NDArray[np.float32]:
    """The table, and behind it the mean of its rows."""
    return np.concatenate([table_UD, table_UD.mean(axis=0, keepdims=True)]).astype(np.float32)
