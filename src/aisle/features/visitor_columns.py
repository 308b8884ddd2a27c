"""The columns of a visitor, and of the visitor with each candidate, its category and its brand.

All are read from aggregates, and squeezed by log1p where they are counts or ages.

Legend of shapes: n purchases of the profile, K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.features.aggregates import GLOBAL_KEY, DecayedCount, Frequency, Interval, LogMean, Recency, Sums
from aisle.features.item_tables import CandidateSettings
from aisle.features.profile import Asked

Values = NDArray[np.float64]
Columns = dict[str, Values | float]

_NO_KEY = -1


class VisitorColumns:
    """The aggregates of visitors under some settings."""

    def __init__(self, settings: CandidateSettings) -> None:
        self._own = DecayedCount(settings.own_half_life_days)
        self._recent = DecayedCount(settings.recent_half_life_days)
        self._seen = DecayedCount(settings.seen_half_life_days)
        self._group = DecayedCount(settings.group_half_life_days)
        self._price = LogMean("price", settings.price_half_life_days)
        self._quantity = LogMean("quantity", settings.price_half_life_days)

    def user(self, asked: Asked) -> dict[str, float]:
        """One value each for all candidates."""
        history, spans = asked.read(
            asked.taken.with_keys(np.full(len(asked.taken.keys_N), GLOBAL_KEY)), np.array([GLOBAL_KEY])
        )
        count, quantity, spend = Sums().gather(history, spans)[0]
        num_days = Frequency().gather(history, spans)[0, 0]
        last_age, first_age = Recency().gather(history, spans)[0]
        gap, num_gaps, due = Interval().gather(history, spans)[0]
        log_price, num_prices = self._price.gather(history, spans)[0]
        num_items = len(np.unique(asked.taken.keys_N))
        return {
            "user_count": np.log1p(count),
            "user_recent": np.log1p(self._recent.gather(history, spans)[0, 0]),
            "user_days": np.log1p(num_days),
            "user_basket_size": np.log1p(count / max(num_days, 1.0)),
            "user_spend": np.log1p(max(spend, 0.0)),
            "user_quantity": np.log1p(max(quantity, 0.0)),
            "user_log_quantity": self._quantity.gather(history, spans)[0, 0],
            "user_repeats": 1.0 - num_items / max(count, 1.0) if num_items else 0.0,
            "user_last": np.log1p(last_age),
            "user_first": np.log1p(first_age),
            "user_gap": np.log1p(gap),
            "user_gaps": np.log1p(num_gaps),
            "user_due": np.log1p(due),
            "user_log_price": log_price,
            "user_num_prices": np.log1p(num_prices),
        }

    def user_item(
        self, asked: Asked, items_K: NDArray[np.int64], interval_days_K: Values, user: Mapping[str, float]
    ) -> Columns:
        """What the visitor did with each candidate."""
        history, spans = asked.read(asked.taken, items_K)
        last_K, first_K = Recency().gather(history, spans).T
        count_K, quantity_K, _ = Sums().gather(history, spans).T
        gap_K, num_gaps_K, due_K = Interval().gather(history, spans).T
        own_K = self._own.gather(history, spans)[:, 0]
        all_history, all_spans = asked.read(asked.everything, items_K)
        age_K = np.where(count_K > 0, last_K, 0.0)
        user_gap = np.expm1(user["user_gap"])
        return {
            "own_decayed": own_K,
            "own_recent": self._recent.gather(history, spans)[:, 0],
            "own_rank": closeness(ranks_of(own_K)),
            "own_count": np.log1p(count_K),
            "own_days": np.log1p(Frequency().gather(history, spans)[:, 0]),
            "own_quantity": np.log1p(np.maximum(quantity_K, 0.0)),
            "own_last": np.log1p(last_K),
            "own_first": np.log1p(first_K),
            "own_gap": np.log1p(gap_K),
            "own_gaps": np.log1p(num_gaps_K),
            "own_due": np.log1p(due_K),
            "own_due_of_item": np.log1p(age_K / interval_days_K),
            "own_due_of_user": np.log1p(age_K / user_gap) if user_gap > 0 else 0.0,
            "own_seen": np.log1p(self._seen.gather(all_history, all_spans)[:, 0]),
            "own_seen_last": np.log1p(Recency().gather(all_history, all_spans)[:, 0]),
        }

    def user_group(self, asked: Asked, kind: str, codes_n: NDArray[np.int32], codes_K: NDArray[np.int32]) -> Columns:
        """What the visitor took of each candidate's category or brand; nothing where it has none (code 0).

        Args:
            asked: The profile.
            kind: What the codes are of.
            codes_n: Codes of the profile's purchases.
            codes_K: Codes of the candidates.
        """
        history, spans = asked.read(
            asked.taken.with_keys(codes_n), np.where(codes_K > 0, codes_K, _NO_KEY).astype(np.int64)
        )
        count_K = Sums().gather(history, spans)[:, 0]
        return {
            f"{kind}_count": np.log1p(count_K),
            f"{kind}_share": count_K / max(len(codes_n), 1),
            f"{kind}_decayed": np.log1p(self._group.gather(history, spans)[:, 0]),
            f"{kind}_last": np.log1p(Recency().gather(history, spans)[:, 0]),
        }


def ranks_of(values_K: Values) -> NDArray[np.int64]:
    """Ranks from 1 of the values above 0, greatest first; 0 for the others."""
    ranks_K = np.empty(len(values_K), np.int64)
    ranks_K[np.argsort(-values_K, kind="stable")] = np.arange(1, len(values_K) + 1)
    return np.where(values_K > 0, ranks_K, 0)


def closeness(ranks: NDArray[Any]) -> Values:
    """1 for the first rank, falling as NDCG discounts; 0 for rank 0, which says that there is none."""
    return np.where(ranks > 0, 1.0 / np.log2(1.0 + np.maximum(ranks, 1)), 0.0)
