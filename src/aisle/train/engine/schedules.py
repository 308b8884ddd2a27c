"""How the learning rate moves: factors by which an optimizer's rates are multiplied at each step."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["linear", "cosine", "constant"]


def linear_decay(step: int, num_steps: int, *, warmup_steps: int = 0) -> float:
    """A linear rise over the first steps, then a linear fall that would reach 0 just after the last step.

    Args:
        step: From 0 to ``num_steps - 1``.
        num_steps: All steps, those of the rise included.
        warmup_steps: How long the factor rises; less than ``num_steps``.

    >>> [linear_decay(step, 4) for step in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    >>> [linear_decay(step, 4, warmup_steps=2) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    if not 0 <= step < num_steps or not 0 <= warmup_steps < num_steps:
        raise ValueError(
            f"expected 0 <= step < num_steps and 0 <= warmup_steps < num_steps, received {step}, {warmup_steps} and "
            f"{num_steps}"
        )
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return (num_steps - step) / (num_steps - warmup_steps)


def factor_at(step: int, num_steps: int, schedule: Schedule, *, warmup_steps: int = 0) -> float:
    """The factor of a schedule: ``linear`` (:func:`linear_decay`), ``cosine`` (half a wave down to 0) or ``constant``.

    Source of ``cosine``: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    >>> [round(factor_at(step, 4, "cosine"), 2) for step in range(4)]
    [1.0, 0.85, 0.5, 0.15]
    >>> [factor_at(step, 4, "constant", warmup_steps=2) for step in range(4)]
    [0.5, 1.0, 1.0, 1.0]
    """
    linear = linear_decay(step, num_steps, warmup_steps=warmup_steps)
    if schedule == "linear" or step < warmup_steps:
        return linear
    return 1.0 if schedule == "constant" else (1 - math.cos(math.pi * linear)) / 2
