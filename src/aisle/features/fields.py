"""Fields of candidate features: which of them speak of the same thing, so that a ranker lets fields interact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: A feature's field is that of the first of these that its name is or, with ``*``, begins with.
_FIELDS: tuple[tuple[str, str], ...] = (
    ("item_popularity*", "item popularity"),
    ("item_interest", "item popularity"),
    ("item_baskets", "item popularity"),
    ("item_buyers", "item popularity"),
    ("item_trend*", "item trend"),
    ("item_season*", "item trend"),
    ("item_repeat*", "item repeats"),
    ("item_interval", "item repeats"),
    ("item_log_quantity", "item repeats"),
    ("item_log_price", "price"),
    ("price_above_habit", "price"),
    ("user_log_price", "price"),
    ("user_num_prices", "price"),
    ("user_log_quantity", "price"),
    ("item_is_new", "item age"),
    ("item_first_sale", "item age"),
    ("item_last_sale", "item age"),
    ("user_count", "user volume"),
    ("user_basket_size", "user volume"),
    ("user_spend", "user volume"),
    ("user_quantity", "user volume"),
    ("user_repeats", "user volume"),
    ("user_*", "user rhythm"),
    ("own_decayed", "own frequency"),
    ("own_recent", "own frequency"),
    ("own_rank", "own frequency"),
    ("own_count", "own frequency"),
    ("own_days", "own frequency"),
    ("own_quantity", "own frequency"),
    ("own_due*", "own interval"),
    ("own_gap*", "own interval"),
    ("own_*", "own age"),
    ("category*", "group"),
    ("brand*", "group"),
    ("item", "item"),
    ("num_sources", "sources"),
)


def fields_of(names: Sequence[str], source_kinds: Mapping[str, str]) -> list[str]:
    """The field of each feature.

    Args:
        names: Candidate features, and ids of item, category and brand.
        source_kinds: The kind of each source; scores of one kind share a field, and so do ranks.
    """
    return [_field_of(name, source_kinds) for name in names]


def _field_of(name: str, source_kinds: Mapping[str, str]) -> str:
    for prefix in ("score", "rank"):
        source = name.removeprefix(f"{prefix}_")
        if source != name and source in source_kinds:
            return f"{prefix} of {source_kinds[source]}"
    for pattern, field in _FIELDS:
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return field
    return name
