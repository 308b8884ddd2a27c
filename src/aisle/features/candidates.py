"""All that a ranker sees of the candidates of one visitor: the item, the visitor, both together, and the sources.

One piece of code featurizes training rows and requests: a training row is a request at the snapshot's time.

Legend of shapes: n profile entries, K candidates, S sources, F features, V item rows.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError
from aisle.features.aggregates import NEVER_DAYS
from aisle.features.item_tables import (
    CandidateSettings,
    ItemColumns,
    ItemTables,
    ShopEvents,
    fit_item_tables,
    log_or_nan,
)
from aisle.features.profile import Nobody, Profile, ask
from aisle.features.visitor_columns import Columns, Values, VisitorColumns, closeness
from aisle.schema import DAY_MS

FEATURES_FILE = "features/candidates"


class CandidateFeaturizer:
    """Features of candidates, fitted at one time.

    Args:
        tables: What is known of each item.
        category_V: Codes of categories by item row; 0: unknown.
        brand_V: Codes of brands by item row; 0: unknown.
        categories: Names of the codes from 1.
        brands: Names of the codes from 1.
        sources: Names of the sources of candidates, in the order of the scores' columns.
        settings: Windows and decays.
        fitted_until_ms: Nothing at or after this time was seen.
    """

    def __init__(
        self,
        *,
        tables: ItemTables,
        category_V: NDArray[np.int32],
        brand_V: NDArray[np.int32],
        categories: Sequence[str],
        brands: Sequence[str],
        sources: Sequence[str],
        settings: CandidateSettings,
        fitted_until_ms: int,
    ) -> None:
        self.tables = tables
        self.category_V = category_V
        self.brand_V = brand_V
        self.categories = tuple(categories)
        self.brands = tuple(brands)
        self.sources = tuple(sources)
        self.settings = settings
        self.fitted_until_ms = fitted_until_ms
        self._num_fitted = tables.num_rows
        known = tables.log_price_V[np.isfinite(tables.log_price_V)]
        self._usual_log_price = float(known.mean()) if len(known) else 0.0
        items = _item_columns(tables, settings, self._usual_log_price)
        self._items_VF = _matrix(items)
        self._visitor = VisitorColumns(settings)
        # The names are those of the columns that a question without candidates gets.
        nobody = self._asked_columns(Nobody(), np.zeros(0, np.int64))
        self.names = (*items, *nobody, *self._source_names())

    @classmethod
    def fit(
        cls,
        events: ShopEvents,
        items: ItemColumns,
        *,
        until_ms: int,
        sources: Sequence[str],
        settings: CandidateSettings | None = None,
    ) -> Self:
        """Fit the item tables at a time, from the events before it.

        Args:
            events: The shop's, in the rows of ``items``.
            items: The catalogue at the time, by item row.
            until_ms: The snapshot's time.
            sources: Names of the sources of candidates.
            settings: Windows and decays.
        """
        settings = settings or CandidateSettings()
        categories, brands = (sorted({*names} - {""}) for names in (items.categories, items.brands))
        return cls(
            tables=fit_item_tables(events, items.prices_V, until_ms=until_ms, settings=settings),
            category_V=_codes(items.categories, categories),
            brand_V=_codes(items.brands, brands),
            categories=categories,
            brands=brands,
            sources=sources,
            settings=settings,
            fitted_until_ms=until_ms,
        )

    def extended(self, items: ItemColumns) -> CandidateFeaturizer:
        """The same with newer items in the rows behind: their price, category and brand count, nothing was sold yet.

        What the fitted rows say does not change.
        """
        first = self.tables.num_rows
        grown = copy.copy(self)
        grown.tables = self.tables.extended(log_or_nan(items.prices_V))
        grown.category_V = np.concatenate([self.category_V, _codes(items.categories, self.categories)])
        grown.brand_V = np.concatenate([self.brand_V, _codes(items.brands, self.brands)])
        newer = _item_columns(grown.tables.rows_from(first), self.settings, self._usual_log_price)
        grown._items_VF = np.concatenate([self._items_VF, _matrix(newer)])
        return grown

    def features(
        self, profile: Profile, rows_K: NDArray[np.int32], scores_KS: NDArray[np.float32], ranks_KS: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """The features [K, F] of a visitor's candidates, all finite, in the order of :attr:`names`.

        Args:
            profile: What the visitor did. Training must see to it that the fit is not newer than the profile's time;
                a server's clock may stand before the midnight at which a fit on everything ends.
            rows_K: Item rows of the candidates, each once; rows behind the fitted ones count as unknown items.
            scores_KS: Normalized scores of the sources.
            ranks_KS: Ranks within each source from 1; 0 where it did not list the item.

        Raises:
            ValueError: the scores or ranks are not [K, S].
        """
        expected = (len(rows_K), len(self.sources))
        if scores_KS.shape != expected or ranks_KS.shape != expected:
            raise ValueError(
                f"expected scores and ranks of {expected[0]} candidates by {expected[1]} sources, "
                f"received {scores_KS.shape} and {ranks_KS.shape}"
            )
        items_K = rows_K.astype(np.int64)
        features_KF = np.empty((len(rows_K), len(self.names)), np.float32)
        num_fixed = self._items_VF.shape[1]
        features_KF[:, :num_fixed] = self._items_VF[self._fitted(items_K)]
        columns = self._asked_columns(profile, items_K)
        for number, values in enumerate(columns.values(), num_fixed):
            features_KF[:, number] = values
        place = num_fixed + len(columns)
        num_sources = len(self.sources)
        features_KF[:, place : place + num_sources] = scores_KS
        features_KF[:, place + num_sources : place + 2 * num_sources] = closeness(ranks_KS)
        features_KF[:, -1] = (ranks_KS > 0).sum(axis=1)
        return features_KF

    def item_codes(self, rows_K: NDArray[np.int32]) -> NDArray[np.int32]:
        """Codes [K, 2] of category and brand, for a ranker that embeds them."""
        fitted_K = self._fitted(rows_K)
        return np.stack([self.category_V[fitted_K], self.brand_V[fitted_K]], axis=1)

    def save(self, writer: BundleWriter) -> None:
        """Write everything that :meth:`load` reads."""
        arrays = {field.name: getattr(self.tables, field.name) for field in fields(ItemTables)}
        writer.write_arrays(FEATURES_FILE, arrays | {"category": self.category_V, "brand": self.brand_V})
        document = {
            "fitted_until_ms": self.fitted_until_ms,
            "settings": asdict(self.settings),
            "sources": list(self.sources),
            "categories": list(self.categories),
            "brands": list(self.brands),
        }
        writer.write_json(FEATURES_FILE, document)

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Read what was saved.

        Raises:
            BundleError: a part is missing, or unknown to this version.
        """
        document: dict[str, Any] = bundle.read_json(FEATURES_FILE)
        arrays = bundle.read_arrays(FEATURES_FILE)
        try:
            settings = document["settings"] | {"popularity_days": tuple(document["settings"]["popularity_days"])}
            return cls(
                category_V=arrays.pop("category"),
                brand_V=arrays.pop("brand"),
                tables=ItemTables(**arrays),
                categories=document["categories"],
                brands=document["brands"],
                sources=document["sources"],
                settings=CandidateSettings(**settings),
                fitted_until_ms=document["fitted_until_ms"],
            )
        except (KeyError, TypeError) as error:
            raise BundleError(f"{FEATURES_FILE}: expected {error}; train again with this version") from error

    def _source_names(self) -> list[str]:
        return [*(f"score_{name}" for name in self.sources), *(f"rank_{name}" for name in self.sources), "num_sources"]

    def _fitted(self, rows_K: NDArray[Any]) -> NDArray[Any]:
        """The rows, those behind the fitted ones as that of an unknown item."""
        return np.where(rows_K < self.tables.num_rows, rows_K, 0)

    def _asked_columns(self, profile: Profile, items_K: NDArray[np.int64]) -> Columns:
        """The columns that depend on who asks, and when."""
        fitted_K = self._fitted(items_K)
        fitted_n = self._fitted(profile.rows_n)
        bought_n = fitted_n[profile.taken_n]
        asked = ask(profile, self.tables.log_price_V[fitted_n])
        user = self._visitor.user(asked)
        above_K = self.tables.log_price_V[fitted_K] - user["user_log_price"]
        above_K[np.isnan(above_K) | (user["user_num_prices"] == 0)] = 0.0
        return {
            **self._item_ages(fitted_K, profile.now_ms),
            **user,
            "price_above_habit": above_K,
            **self._visitor.user_item(asked, items_K, self.tables.interval_days_V[fitted_K], user),
            **self._visitor.user_group(asked, "category", self.category_V[bought_n], self.category_V[fitted_K]),
            **self._visitor.user_group(asked, "brand", self.brand_V[bought_n], self.brand_V[fitted_K]),
        }

    def _item_ages(self, fitted_K: NDArray[np.int64], now_ms: int) -> Columns:
        """Days since the first and the last sale that the fit saw; an item that came after it counts from its end.

        A ranker learns from items that were sold. To it "never sold" would be the oldest shelf warmer of all, and a
        newer item is rather like one that has just begun to sell.
        """
        since = (now_ms - self.fitted_until_ms) / DAY_MS
        is_newer_K = fitted_K >= self._num_fitted
        ages = {"item_first_sale": self.tables.first_age_days_V, "item_last_sale": self.tables.last_age_days_V}
        return {
            name: np.log1p(_later(np.where(is_newer_K, 0.0, age_V[fitted_K]), since)) for name, age_V in ages.items()
        }


def _item_columns(tables: ItemTables, settings: CandidateSettings, usual_log_price: float) -> dict[str, Values]:
    """The columns of items that depend neither on who asks nor when."""
    days = settings.popularity_days
    visitors = dict(zip(days, tables.visitors_VW.T, strict=True))
    shortest, short, long, longest = days

    def trend(recent: int, base: int) -> Values:
        expected_V = visitors[base] * recent / base + settings.prior_visitors
        ratio_V: Values = np.log((visitors[recent] + settings.prior_visitors) / expected_V)
        return ratio_V

    expected_V = visitors[longest] * settings.season_days / longest + settings.prior_visitors
    return {
        **{f"item_popularity_{length}d": np.log1p(values) for length, values in visitors.items()},
        "item_interest": np.log1p(tables.interest_V),
        "item_trend_short": trend(shortest, short),
        "item_trend_long": trend(short, long),
        "item_season": np.log1p(tables.season_V),
        "item_season_trend": np.log((tables.season_V + settings.prior_visitors) / expected_V),
        "item_baskets": np.log1p(tables.baskets_V),
        "item_buyers": np.log1p(tables.buyers_V),
        "item_repeat_rate": tables.repeat_rate_V,
        "item_interval": np.log1p(tables.interval_days_V),
        "item_log_quantity": tables.log_quantity_V,
        "item_log_price": np.where(np.isfinite(tables.log_price_V), tables.log_price_V, usual_log_price),
        "item_is_new": (tables.last_age_days_V >= NEVER_DAYS).astype(np.float64),
    }


def _matrix(columns: Mapping[str, Values]) -> NDArray[np.float32]:
    return np.stack(list(columns.values()), axis=1).astype(np.float32)


def _codes(names: Sequence[str], known: Sequence[str]) -> NDArray[np.int32]:
    """Codes from 1 in the order of the known names; 0 for others."""
    code_of = {name: code for code, name in enumerate(known, 1)}
    return np.array([code_of.get(name, 0) for name in names], np.int32)


def _later(age_days: Values, since_days: float) -> Values:
    """Ages some days later; never negative, and never stays never."""
    return np.where(age_days < NEVER_DAYS, np.clip(age_days + since_days, 0.0, NEVER_DAYS), NEVER_DAYS)
