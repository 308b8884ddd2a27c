"""Stable, seeded 64-bit hashes of whole arrays: the same on every machine, in every version, offline and online.

Shapes: N values. Text is hashed as a polynomial in its UTF-8 bytes modulo 2^64, with an odd factor, then mixed together
with its length and the seed by the finalizer of SplitMix64 (Steele, Lea and Flood, 2014). It spreads ids; it does not
resist someone who looks for collisions. An integer and its text have different hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import SchemaError

Hashes = NDArray[np.uint64]

_FACTOR = np.uint64(0x9FB21C651E98DF25)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_TEXT = np.uint64(0x2545F4914F6CDD1D)
#: Stands for a missing component of a cross.
MISSING_HASH = np.uint64(0xD1B54A32D192ED03)
_CHUNK_BYTES = 1 << 22


def mix(values_N: Hashes) -> Hashes:
    """SplitMix64's finalizer: every input bit moves about half of the output bits."""
    mixed = values_N + _STEP
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def hash_integers(values_N: NDArray[np.int64], seed: int = 0) -> Hashes:
    """Hashes of 64-bit integers."""
    return mix(values_N.view(np.uint64) ^ _seeded(seed))


def hash_text(values: Sequence[str | None], seed: int = 0) -> Hashes:
    """Hashes of strings; a missing one hashes as the empty one does, so mask it.

    Raises:
        SchemaError: something else than text is among them.
    """
    try:
        encoded = [b"" if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    except AttributeError as error:
        raise SchemaError(f"expected text and None, received something else ({error})") from error
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    return _hash_bytes(np.frombuffer(b"".join(encoded), np.uint8), offsets, seed)


def hash_series(series: pl.Series, seed: int = 0) -> Hashes:
    """Hashes of a column of text or integers, equal to those of its values."""
    if series.dtype != pl.String:
        return hash_integers(series.cast(pl.Int64).fill_null(0).to_numpy(), seed)
    arrow = series.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offset_buffer, byte_buffer = arrow.buffers()
    if offset_buffer is None or len(series) == 0:
        return np.empty(0, np.uint64)
    offsets = np.frombuffer(offset_buffer, np.int64)[arrow.offset : arrow.offset + len(series) + 1]
    content: NDArray[np.uint8] = np.frombuffer(byte_buffer if byte_buffer is not None else b"", np.uint8)
    return _hash_bytes(content, offsets, seed)


def combine(parts: Sequence[Hashes]) -> Hashes:
    """One hash of several in this order; a part of one row stands for all rows."""
    combined = parts[0]
    for part in parts[1:]:
        combined = mix(combined * _FACTOR + part)
    return combined


def _seeded(seed: int) -> np.uint64:
    return np.uint64(mix(np.array([seed], np.uint64))[0])


def _hash_bytes(content: NDArray[np.uint8], offsets: NDArray[np.int64], seed: int) -> Hashes:
    """Polynomials of the byte strings between the offsets, in chunks that bound the memory of their terms."""
    lengths_N = np.diff(offsets)
    polynomials_N = np.zeros(len(lengths_N), np.uint64)
    longest = int(lengths_N.max(initial=0))
    powers: NDArray[Any] = np.cumprod(np.full(longest, _FACTOR, np.uint64), dtype=np.uint64)
    begin = 0
    while begin < len(lengths_N):
        end = int(np.searchsorted(offsets, offsets[begin] + _CHUNK_BYTES, side="right")) - 1
        end = min(max(end, begin + 1), len(lengths_N))
        starts = offsets[begin:end]
        positions = np.arange(offsets[begin], offsets[end]) - np.repeat(starts, lengths_N[begin:end])
        terms = (content[offsets[begin] : offsets[end]].astype(np.uint64) + np.uint64(1)) * powers[positions]
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
        polynomials_N[begin:end] = sums[offsets[begin + 1 : end + 1] - offsets[begin]] - sums[starts - offsets[begin]]
        begin = end
    return mix(mix(polynomials_N + lengths_N.view(np.uint64) * _TEXT) ^ _seeded(seed) ^ _TEXT)
