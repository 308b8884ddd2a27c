"""Histories: what a recipe may say of how much each item of one counts."""

from __future__ import annotations

from pydantic import NonNegativeFloat, PositiveInt

from aisle.recipe.strict import Strict


class HistorySpec(Strict):
    """How much the items of a history count: exp(-``decay`` x distance from its end), the ``last`` ones alone."""

    last: PositiveInt | None = None
    decay: NonNegativeFloat = 0.3
