"""How long work reports how far it is, without knowing who listens (a terminal, a log, nobody)."""

from collections.abc import Callable

#: Called with the stage's name, how much is done, and how much there is (``None``: not known).
Progress = Callable[[str, int, int | None], None]


def silent(stage: str, done: int, total: int | None) -> None:
    """Report to nobody."""
