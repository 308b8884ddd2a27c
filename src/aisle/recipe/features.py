"""The configuration of features: one typed block per operator, applied in the order they stand in."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.strict import Strict

ColumnName = Annotated[str, Field(min_length=1)]
#: How many keys a fit holds in memory before it spills them to disk.
KeysInMemory = Annotated[int, Field(ge=1)]
TimePart = Literal["hour", "weekday", "yearday"]


class _EachColumn(Strict):
    """An operator that treats each of its columns alike and alone; ``{column}`` in ``output`` is the column's name."""

    columns: Annotated[list[ColumnName], Field(min_length=1)]
    output: ColumnName = "{column}"

    def each(self) -> list[Self]:
        """One block per column, with the output's name resolved."""
        return [
            self.model_copy(update={"columns": [name], "output": self.output.replace("{column}", name)})
            for name in self.columns
        ]

    @model_validator(mode="after")
    def _outputs_differ(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"expected each column once, received {self.columns}")
        if len(self.columns) > 1 and "{column}" not in self.output:
            raise ValueError(f"expected {{column}} in output, as there are several columns, received {self.output!r}")
        return self


class CategorifySpec(_EachColumn):
    """Values to table rows by frequency: 0 padding, 1 unknown or rare, 2 missing where asked, then the commonest on.

    With ``joint`` all columns (say an item and a history of items) share one vocabulary.
    """

    kind: Literal["categorify"]
    min_count: PositiveInt = 1
    max_size: PositiveInt | None = None
    null_value: bool = False
    joint: bool = False
    max_keys_in_memory: KeysInMemory = 1_000_000

    def each(self) -> list[Self]:
        """One block where the vocabulary is joint."""
        return [self] if self.joint else super().each()


class HashBucketSpec(_EachColumn):
    """Values to table rows by a stable hash: 0 padding, 1 missing, then ``num_buckets``; nothing is fitted."""

    kind: Literal["hash_bucket"]
    num_buckets: PositiveInt
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class FillMissingSpec(_EachColumn):
    """A stated value, or the fitted mean or median, for missing values; ``indicator`` adds ``OUTPUT_missing``."""

    kind: Literal["fill_missing"]
    by: Literal["value", "mean", "median"] = "value"
    value: float | str = 0.0
    indicator: bool = False


class LogSpec(_EachColumn):
    """``log1p(max(x, 0))``, or with ``signed`` ``sign(x) log1p(|x|)``."""

    kind: Literal["log"]
    signed: bool = False


class StandardizeSpec(_EachColumn):
    """``(x - mean) / standard deviation``, optionally held within ``[-clip, clip]``."""

    kind: Literal["standardize"]
    clip: PositiveFloat | None = None


class BucketizeSpec(_EachColumn):
    """Numbers to table rows: 0 padding, 1 missing, then the intervals between given edges, quantiles or ln(x)^2."""

    kind: Literal["bucketize"]
    by: Literal["edges", "quantiles", "ln_squared"] = "quantiles"
    edges: list[float] = []
    num_buckets: Annotated[int, Field(ge=2)] = 16
    max_ln_squared: PositiveInt = 500

    @model_validator(mode="after")
    def _edges_rise(self) -> Self:
        if (self.by == "edges") != bool(self.edges):
            raise ValueError(f"expected edges with by: edges and only then, received {self.edges} with by: {self.by}")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"expected rising edges, received {self.edges}")
        return self


class CrossSpec(Strict):
    """Two or more categories as one: hashed into ``num_buckets``, or a vocabulary of the pairs that were seen."""

    kind: Literal["cross"]
    columns: Annotated[list[ColumnName], Field(min_length=2)]
    output: ColumnName = "{columns}"
    num_buckets: PositiveInt | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    min_count: PositiveInt = 1
    max_size: PositiveInt | None = None
    max_keys_in_memory: KeysInMemory = 1_000_000

    def each(self) -> list[Self]:
        """The one cross, with the output's name resolved."""
        return [self.model_copy(update={"output": self.output.replace("{columns}", "_x_".join(self.columns))})]


class TargetStatisticsSpec(_EachColumn):
    """The smoothed mean of the label per category; in training from strictly earlier rows alone."""

    kind: Literal["target_statistics"]
    output: ColumnName = "{column}_rate"
    label: ColumnName
    time: ColumnName
    prior_weight: PositiveFloat = 20.0
    initial_prior: float = 0.0
    max_size: PositiveInt | None = None
    max_keys_in_memory: KeysInMemory = 1_000_000


class ListSliceSpec(_EachColumn):
    """The first or last elements of a list, padded to the length where asked."""

    kind: Literal["list_slice"]
    length: PositiveInt
    keep: Literal["first", "last"] = "last"
    pad: Literal["left", "right"] | None = None
    pad_value: int | float | str = 0


class ListColumnsSpec(_EachColumn):
    """The first or last elements of a list as columns ``OUTPUT_1`` and so on, and their number as ``OUTPUT_length``.

    Places behind the last element hold ``pad_value``; of table rows that is the padding.
    """

    kind: Literal["list_columns"]
    length: PositiveInt
    keep: Literal["first", "last"] = "last"
    pad_value: int | float | str = 0


class ListMeanSpec(_EachColumn):
    """The mean of a list of numbers without its missing ones; of an empty list: missing."""

    kind: Literal["list_mean"]


class TimePartsSpec(_EachColumn):
    """Whole hour, day of week and day of year as sine and cosine: ``OUTPUT_hour_sin`` and so on, in a stated zone."""

    kind: Literal["time_parts"]
    parts: Annotated[list[TimePart], Field(min_length=1)] = ["hour", "weekday", "yearday"]
    zone: str = "UTC"


OperatorSpec = Annotated[
    CategorifySpec
    | HashBucketSpec
    | FillMissingSpec
    | LogSpec
    | StandardizeSpec
    | BucketizeSpec
    | CrossSpec
    | TargetStatisticsSpec
    | ListSliceSpec
    | ListColumnsSpec
    | ListMeanSpec
    | TimePartsSpec,
    Field(discriminator="kind"),
]


class WorkflowSpec(Strict):
    """Operators in their order: each reads what those before it wrote; one may overwrite its own input."""

    operators: list[OperatorSpec] = []
