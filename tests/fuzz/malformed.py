"""What nobody should send: values, documents and bytes that are almost, or not at all, as they should be."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

#: One tenth of the whole number of requests and files, unless the variable names another part: `AISLE_FUZZ=1`.
PART = float(os.environ.get("AISLE_FUZZ", "0.1"))
#: A call or an import that takes longer hangs.
MAX_SECONDS = 5.0

Case = TypeVar("Case")

ODD_VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        -0.0,
        1e308,
        5e-324,
        2**31,
        2**63,
        -(2**63) - 1,
        10**30,
        float("nan"),
        float("inf"),
    ),
    *(
        "",
        " ",
        "0",
        "-1",
        "1e999",
        "nan",
        "null",
        "\x00",
        "\ud800",
        "é" * 300,
        "x" * 5000,
        "🛒",
        "\u202e",
        "'; DROP TABLE events;--",
    ),
    *("2024-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1e18", "2024-01-01", "yesterday"),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": [1, {"c": None}]}}, ["x"] * 300, [1, "1", 1.0]),
]
odd = st.sampled_from(ODD_VALUES) | st.text(max_size=20) | st.integers() | st.floats()
#: Where in a document something is replaced, and by what; a second number below 2 takes it out or doubles it instead.
edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 9), odd), min_size=0, max_size=3)


def runs(whole: int) -> Callable[[Callable[..., Case]], Callable[..., Case]]:
    """The same cases in each run, as many as this run's part of the whole number."""
    return settings(
        max_examples=max(1, round(whole * PART)),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with every key in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


def edited(document: Any, changes: list[tuple[int, int, Any]]) -> Any:
    """A copy of a document with something replaced, taken out, doubled or added."""
    document = copy.deepcopy(document)
    for where, how, given in changes:
        value = copy.deepcopy(given)  # what is put in may itself be edited next
        places = list(_places(document))
        if not places:
            return value
        container, key = places[where % len(places)]
        if how == 0:
            del container[key]
        elif how == 1 and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        elif how == 1:
            container[f"{key}_"] = copy.deepcopy(container[key])
        else:
            container[key] = value
    return document


def as_bytes(document: Any) -> bytes:
    """JSON as a careless client writes it: NaN and lone surrogates included."""
    text = json.dumps(document, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def damaged(content: bytes, cut: int, place: int, piece: bytes) -> bytes:
    """Bytes with an end that is missing (``cut``: none, or after so many) and a piece put in somewhere."""
    content = content[: cut % (len(content) + 1)] if cut else content
    at = place % (len(content) + 1)
    return content[:at] + piece + content[at:]


#: Arguments of :func:`damaged`; most often none at all.
damage = st.just((0, 0, b"")) | st.tuples(
    st.integers(0, 3) | st.integers(0, 10_000), st.integers(0, 10_000), st.binary(max_size=8)
)
