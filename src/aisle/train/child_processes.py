"""How processes that a training starts live: with few threads each, and no longer than the training."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: What the libraries beneath take as the number of their threads.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


@contextmanager
def threads_each(number: int) -> Iterator[None]:
    """Processes started in the block use so many threads, or fewer where the user says so.

    More would be many times slower: threads of one process wait for each other while those of another have the cores.
    """
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    for name, value in before.items():
        os.environ[name] = str(min(number, int(value)) if value is not None and value.isdecimal() else number)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however that came."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only started by another process"
    parent.join()
    os._exit(1)
