"""Short ways to name many columns: ``I1..I13`` counts, ``C*`` matches what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from aisle.errors import ConfigError
from aisle.recipe.strict import nearest

_RANGE = re.compile(r"(?P<prefix>.*?)(?P<first>\d+)(?P<suffix>\D*)\.\.(?P=prefix)(?P<last>\d+)(?P=suffix)")


def expand_ranges(names: Iterable[str]) -> list[str]:
    """The names with each range written out.

    Example:
        >>> expand_ranges(["label", "I1..I3", "C1_id..C2_id"])
        ['label', 'I1', 'I2', 'I3', 'C1_id', 'C2_id']
    """
    return [one for name in names for one in _range(name)]


def expand_columns(names: Sequence[str], known: Sequence[str], place: str) -> list[str]:
    """The columns that names, ranges and patterns mean, in their order.

    Args:
        names: A column's name; a range (``I1..I13``); or a pattern, in which ``*`` is any text and ``?`` any letter. A
            column that is really called so comes first.
        known: The columns that there are.
        place: Where the names stand, for errors.

    Raises:
        ConfigError: there is no such column, or one is named twice.
    """
    found: list[str] = []
    for name in names:
        if name in known:
            found.append(name)
            continue
        for one in _range(name):
            found += [one] if one in known else _matches(one, known, place)
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise ConfigError(f"{place}: expected each column once, received {', '.join(twice)} twice")
    return found


def _range(name: str) -> list[str]:
    match = _RANGE.fullmatch(name)
    if match is None:
        return [name]
    first, last = match["first"], match["last"]
    if int(first) >= int(last):
        raise ConfigError(f"expected a range that rises, such as I1..I13, received {name!r}")
    width = len(first) if first.startswith("0") else 0
    return [f"{match['prefix']}{number:0{width}d}{match['suffix']}" for number in range(int(first), int(last) + 1)]


def _matches(pattern: str, known: Sequence[str], place: str) -> list[str]:
    if "*" not in pattern and "?" not in pattern:
        raise ConfigError(f"{place}: unknown column {pattern!r}, {nearest(pattern, list(known))}")
    # Brackets are letters here, as they may stand in a column's name.
    found = [name for name in known if fnmatchcase(name, pattern.replace("[", "[[]"))]
    if not found:
        raise ConfigError(f"{place}: expected columns like {pattern!r}, received {', '.join(known) or 'none'}")
    return found
