"""Rankers of several labels, as clicks and purchases: one paper, one file."""

from aisle.models.multi_task.esmm import ESMM
from aisle.models.multi_task.mmoe import MMoE
from aisle.models.multi_task.shared_bottom import SharedBottom

__all__ = ["ESMM", "MMoE", "SharedBottom"]
