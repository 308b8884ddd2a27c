"""The ids of events that came without one, derived alike from live events and from files."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import orjson
import polars as pl

from aisle.schema import CONTENT_FIELDS, Event, content_digest, content_text, derive_event_id
from aisle.schema.identity import FIELD_SEPARATOR, ITEM_SEPARATOR, TIME_OFFSET_MS

_NUMBERS = frozenset({"value", "quantity", "price"})


def event_ids(events: Sequence[Event]) -> list[str]:
    """The ids of one batch of live events: the sender's own, or derived; each event must have its timestamp."""
    seen: Counter[tuple[int, int]] = Counter()
    found: list[str] = []
    for event in events:
        if event.event_id is not None:
            found.append(event.event_id)
            continue
        assert event.timestamp is not None
        key = (event.timestamp, content_digest(content_text([_field_text(event, name) for name in CONTENT_FIELDS])))
        found.append(derive_event_id(*key, seen[key]))
        seen[key] += 1
    return found


def context_text(context: dict[str, object] | None) -> str | None:
    """A context as one text, whatever the order of its keys."""
    if context is None:
        return None
    return orjson.dumps(context, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def _field_text(event: Event, name: str) -> str | None:
    if name == "items":
        return ITEM_SEPARATOR.join(event.item_ids)
    value = getattr(event, name)
    if value is None:
        return None
    if name in _NUMBERS:
        # The bits of a number are the one text of it that every language and release agrees on.
        return str(struct.unpack("<q", struct.pack("<d", value + 0.0))[0])
    return context_text(value) if name == "context" else str(value)


def content_digests(frame: pl.DataFrame) -> np.ndarray:
    """The digests of checked events' content.

    Args:
        frame: columns of :data:`~aisle.ingest.event_checks.CHECKED_FRAME`.

    Returns:
        uint64, one per event; the same as :func:`event_ids` hashes for the same event.
    """
    texts = frame.select(
        pl.concat_str(
            [
                (pl.lit(_number_texts(frame[name])) if name in _NUMBERS else pl.col(name).cast(pl.String)).fill_null("")
                for name in CONTENT_FIELDS
            ],
            separator=FIELD_SEPARATOR,
        )
    ).to_series()
    digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts.to_list()])
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def derived_ids(times_ms: np.ndarray, digests: np.ndarray, occurrences: np.ndarray) -> list[str]:
    """:func:`~aisle.schema.derive_event_id` for many events at once."""
    bases = [
        f"{time:012x}-{digest:016x}"
        for time, digest in zip((times_ms + TIME_OFFSET_MS).tolist(), digests.tolist(), strict=True)
    ]
    for row in np.flatnonzero(occurrences).tolist():
        bases[row] = derive_event_id(int(times_ms[row]), int(digests[row]), int(occurrences[row]))
    return bases


def _number_texts(numbers: pl.Series) -> pl.Series:
    if numbers.null_count() == len(numbers):
        return pl.Series([None] * len(numbers), dtype=pl.String)
    bits = (numbers.fill_null(0.0).to_numpy() + 0.0).view(np.int64)
    return pl.select(pl.when(numbers.is_not_null()).then(pl.Series(bits).cast(pl.String))).to_series()
