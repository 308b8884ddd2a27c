"""What an item says of itself, as tokens: the one way text is read, by fits and by requests alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

_WORD = re.compile(r"[^\W_]{2,}")


def item_tokens(title: str | None, category: Iterable[str] | None, brand: str | None) -> list[str]:
    """The tokens of an item: its title's words and pairs of neighbouring words, its categories, its brand.

    Example:
        >>> item_tokens("Red Tea Cup", ["Kitchen"], None)
        ['red', 'tea', 'cup', 'red tea', 'tea cup', 'category:kitchen']
    """
    words = _WORD.findall((title or "").lower())
    pairs = [f"{left} {right}" for left, right in pairwise(words)]
    categories = [f"category:{name.lower()}" for name in category or ()]
    return words + pairs + categories + ([f"brand:{brand.lower()}"] if brand else [])
