"""Vectors of the users who were trained on, and what stands in for the others: their mean.

Legend of shapes: R questions, U users, N chosen users, D dimension.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class UserTable:
    """A vector per user; the table is read where it lies, so that one in a bundle stays on the disk.

    Args:
        vectors_UD: One vector per user.
    """

    def __init__(self, vectors_UD: NDArray[np.float32]) -> None:
        self.vectors_UD = vectors_UD

    @cached_property
    def mean_D(self) -> NDArray[np.float32]:
        """The mean user."""
        mean_D: NDArray[np.float32] = self.vectors_UD.mean(axis=0)
        return mean_D

    def of(self, users_R: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors [R, D] of users; the mean for rows that are no user's."""
        is_known_R = (users_R >= 0) & (users_R < len(self.vectors_UD))
        if is_known_R.all():
            return self.vectors_UD[users_R]
        vectors_RD = np.repeat(self.mean_D[None], len(users_R), axis=0)
        vectors_RD[is_known_R] = self.vectors_UD[users_R[is_known_R]]
        return vectors_RD
