"""The kinds of embedding tables: how many numbers stand behind the vectors of a table's ids.

A kind says how a table is stored; no model knows it. Padding (id 0) and the unknown id (1) share no row with others,
but in ``QuotientRemainder``, where each id shares its two parts, and no two ids share both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from aisle.recipe import tables as specs

#: Ids in front of every table: padding and unknown.
NUM_SPECIAL = 2

Combine = Literal["mult", "add", "concat"]


@dataclass(frozen=True)
class Full:
    """One row per id."""

    name: ClassVar[str] = "full"

    def stored_rows(self, num_embeddings: int) -> int:
        """As many as ids."""
        return num_embeddings


@dataclass(frozen=True)
class Hashed:
    """Ids share ``num_buckets`` rows by a stable hash; padding and unknown have their own.

    Reference: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009 (without its signs).
    """

    name: ClassVar[str] = "hashed"
    num_buckets: int

    def __post_init__(self) -> None:
        _expect_positive(self.name, "num_buckets", self.num_buckets)

    def stored_rows(self, num_embeddings: int) -> int:
        """Padding, unknown, and the buckets."""
        return NUM_SPECIAL + self.num_buckets


@dataclass(frozen=True)
class Thresholded:
    """The first ``num_kept`` ids have rows, all later ones are unknown: ids stand in the order of their frequency."""

    name: ClassVar[str] = "thresholded"
    num_kept: int

    def __post_init__(self) -> None:
        _expect_positive(self.name, "num_kept", self.num_kept)

    def stored_rows(self, num_embeddings: int) -> int:
        """Padding, unknown, and what is kept."""
        return min(num_embeddings, NUM_SPECIAL + self.num_kept)


@dataclass(frozen=True)
class QuotientRemainder:
    """A vector by ``id // modulus`` and one by ``id % modulus`` make one; see the module of that name."""

    name: ClassVar[str] = "quotient-remainder"
    modulus: int
    combine: Combine = "mult"

    def __post_init__(self) -> None:
        _expect_positive(self.name, "modulus", self.modulus)
        if self.combine not in ("mult", "add", "concat"):
            raise ValueError(f"combine: expected mult, add or concat, received {self.combine!r}")

    def num_quotients(self, num_embeddings: int) -> int:
        """``ceil(n / m)``."""
        return -(-num_embeddings // self.modulus)


@dataclass(frozen=True)
class LowRank:
    """Rows of ``width`` numbers and a projection to D; see the module of that name."""

    name: ClassVar[str] = "low-rank"
    width: int

    def __post_init__(self) -> None:
        _expect_positive(self.name, "width", self.width)


#: Whose vectors are rows of one weight; the vectors of the others are composed.
RowKind = Full | Hashed | Thresholded
TableKind = RowKind | QuotientRemainder | LowRank


def kind_of(spec: specs.TableKindSpec) -> TableKind:
    """The kind that a resolved recipe asks for (:meth:`aisle.recipe.tables.TablesSpec.resolve`)."""
    match spec:
        case specs.HashedSpec(num_buckets=int(num_buckets)):
            return Hashed(num_buckets)
        case specs.ThresholdedSpec(num_kept=int(num_kept)):
            return Thresholded(num_kept)
        case specs.QuotientRemainderSpec(modulus=int(modulus)):
            return QuotientRemainder(modulus, spec.combine)
        case specs.LowRankSpec(width=int(width)):
            return LowRank(width)
        case specs.FullSpec():
            return Full()
    raise ValueError(f"expected a kind with its numbers, received {spec!r}; resolve the tables of the recipe first")


def _expect_positive(kind: str, name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{kind} table: expected {name} >= 1, received {value}")
