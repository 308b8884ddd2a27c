"""Whole hour, day of week (Monday first) and day of year of a time in milliseconds, as sine and cosine, in a zone.

The zone's changes of offset are taken from Polars' own time zone data once, when the operator is built, for the years
1970 to 2100; outside, the first or last offset holds. Both executions look offsets up in that table.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import SchemaError
from aisle.features.arrays import Array, Columns, Floats, Ints, as_integers, flat
from aisle.features.operators.base import RowOperator, single, tags
from aisle.recipe.features import TimePartsSpec
from aisle.schema import DAY_MS, Column, ColumnType, Tag

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_UNITS = ("sin", "cos")


class TimeParts(RowOperator[TimePartsSpec]):
    """See the module; parts of a missing time are missing."""

    kind = "time_parts"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect([ColumnType.INTEGER], remedy="times are milliseconds since 1970, UTC")
        self._source = single(self.inputs)
        self._starts_ms, self._offsets_ms = zone_offsets(self.spec.zone)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        return [self._expression(part, unit) for part in self.spec.parts for unit in _UNITS]

    def _expression(self, part: str, unit: str) -> pl.Expr:
        def values(series: pl.Series) -> pl.Series:
            times, missing = series.fill_null(0).to_numpy(), series.is_null().to_numpy()
            found = pl.Series(series.name, _wave(self._angle(times, part), unit))
            return found.set(pl.Series(missing), None)

        times = pl.col(self._source.name).cast(pl.Int64)
        found = times.map_batches(values, return_dtype=pl.Float64, is_elementwise=True)
        return found.alias(self._name(part, unit))

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        times, missing = as_integers(flat(columns, self._source.name))
        outputs: dict[str, Array] = {}
        for part in self.spec.parts:
            angle = self._angle(times, part)
            if missing is not None:
                angle[missing] = np.nan
            outputs.update({self._name(part, unit): _wave(angle, unit) for unit in _UNITS})
        return outputs

    def output_columns(self) -> list[Column]:
        """Sine and cosine of each part."""
        purposes = tags([self._source], Tag.DENSE)
        names = [self._name(part, unit) for part in self.spec.parts for unit in _UNITS]
        return [Column(name=name, type=ColumnType.NUMBER, tags=purposes) for name in names]

    def _name(self, part: str, unit: str) -> str:
        return f"{self.spec.output}_{part}_{unit}"

    def _angle(self, times_ms: Ints, part: str) -> Floats:
        places = np.searchsorted(self._starts_ms, times_ms, side="right") - 1
        offsets_ms = self._offsets_ms[np.maximum(places, 0)]
        # Near the ends of 64 bits the offset would wrap around; no such time is a time.
        local_ms = np.clip(times_ms, -(2**62), 2**62) + offsets_ms
        days = local_ms // DAY_MS
        if part == "hour":
            share = (local_ms - days * DAY_MS) // _HOUR_MS / 24
        elif part == "weekday":
            share = (days + 3) % 7 / 7  # 1970 began on a Thursday
        else:
            share = _share_of_year(days)
        angle: Floats = 2 * np.pi * share
        return angle


def _wave(angle: Floats, unit: str) -> Floats:
    return np.sin(angle) if unit == "sin" else np.cos(angle)


def _share_of_year(days: Ints) -> Floats:
    """Days since 1 January over the days of the year."""
    # Years repeat after 146,097 days; NumPy's calendar has no room for times at the ends of 64 bits.
    date = (days % 146_097).astype("datetime64[D]")
    year = date.astype("datetime64[Y]")
    begin = year.astype("datetime64[D]")
    length = (year + 1).astype("datetime64[D]") - begin
    share: Floats = (date - begin).astype(np.int64) / length.astype(np.int64)
    return share


@lru_cache(maxsize=64)
def zone_offsets(zone: str) -> tuple[Ints, Ints]:
    """When each offset from UTC begins, and the offset, both in milliseconds.

    Raises:
        SchemaError: there is no such zone.
    """
    try:
        first, last = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * 1000 for year in (1970, 2101))
        days = np.arange(first, last, DAY_MS, dtype=np.int64)
        offsets = _offsets_at(days, zone)
        changed = days[1:][np.diff(offsets) != 0]
        minutes = (changed[:, None] - DAY_MS + np.arange(0, DAY_MS + 1, _MINUTE_MS)[None, :]).ravel()
        times = np.unique(np.concatenate([days[:1], minutes]))
        offsets = _offsets_at(times, zone)
    except pl.exceptions.PolarsError as error:
        raise SchemaError(f"expected a time zone such as Europe/London, received {zone!r}") from error
    begins = np.concatenate([[True], np.diff(offsets) != 0])
    return times[begins], offsets[begins]


def _offsets_at(times_ms: NDArray[np.int64], zone: str) -> Ints:
    utc = pl.Series(times_ms).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    offsets: Ints = local.dt.epoch("ms").to_numpy() - times_ms
    return offsets
