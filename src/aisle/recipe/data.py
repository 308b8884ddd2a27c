"""Where a table recipe's rows come from: one file, how it is split, which column is the label."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from aisle.recipe.strict import Strict

#: Names that a recipe's own test sets cannot have.
PARTS = ("train", "valid", "test")

_Share = Annotated[float, Field(gt=0, lt=1)]
#: A path of its own, or one below ``AISLE_DATA`` or the user's cache.
FileName = Annotated[str, Field(min_length=1)]
_Value = int | float | str | bool


class _FractionsSpec(Strict):
    fractions: Annotated[list[_Share], Field(min_length=3, max_length=3)] = [0.8, 0.1, 0.1]

    @model_validator(mode="after")
    def _make_a_whole(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(
                f"fractions: expected shares of train, valid and test with the sum 1, got {self.fractions}"
            )
        return self


class OrderedSplitSpec(_FractionsSpec):
    """The file's first rows train, the next ones validate, the last ones test."""

    kind: Literal["ordered"]


class RandomSplitSpec(_FractionsSpec):
    """Each row is drawn by itself, so parts come near the fractions; the same seed draws the same rows."""

    kind: Literal["random"]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class ColumnSplitSpec(Strict):
    """Rows whose ``column`` has one of these values validate or test; all others train."""

    kind: Literal["column"]
    column: Annotated[str, Field(min_length=1)]
    valid: Annotated[list[_Value], Field(min_length=1)]
    test: Annotated[list[_Value], Field(min_length=1)]

    @model_validator(mode="after")
    def _parts_differ(self) -> Self:
        shared = [value for value in self.valid if value in self.test]
        if shared:
            raise ValueError(f"expected values of valid and test that differ, received {shared} in both")
        return self


class FilesSplitSpec(Strict):
    """All rows of ``data.train`` train; two other files validate and test."""

    kind: Literal["files"]
    valid: FileName
    test: FileName


SplitSpec = Annotated[
    OrderedSplitSpec | RandomSplitSpec | ColumnSplitSpec | FilesSplitSpec, Field(discriminator="kind")
]
TestName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


_TaskName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]


class TableDataSpec(Strict):
    """A table of rows with a label, or with several for a model of several tasks.

    Of ``labels`` each is 0, 1 or missing; ``label`` is then the main one (the first unless it is said), whose metrics
    stand without a task's name. ``task_weights`` are columns that weigh rows for one task alone.

    ``train`` is a Parquet file, or text with fields between tabs, commas or semicolons. ``columns`` names the fields of
    a text file whose first line is no header. With ``label_above`` the label is 1 where the column is greater.
    """

    train: FileName
    split: SplitSpec = OrderedSplitSpec(kind="ordered")
    extra_tests: Annotated[dict[TestName, FileName], Field(description="files that are tested on too, by name")] = {}
    label: Annotated[str, Field(min_length=1, description="the column of 0 and 1")] = "label"
    label_above: float | None = None
    labels: Annotated[list[_TaskName] | None, Field(min_length=2)] = None
    task_weights: dict[str, str] = {}
    weight: Annotated[str | None, Field(description="a column of weights; missing: every row weighs 1")] = None
    columns: Annotated[list[str] | None, Field(min_length=1)] = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The labels of a model of several tasks; none of a model of one label."""
        return tuple(self.labels or ())

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The label, or all labels."""
        return self.tasks or (self.label,)

    @model_validator(mode="before")
    @classmethod
    def _first_label_is_the_main_one(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("labels"), list) and data["labels"]:
            return {"label": data["labels"][0], **data}
        return data

    @model_validator(mode="after")
    def _labels_are_of_one_kind(self) -> Self:
        if self.labels is not None and (len(set(self.labels)) < len(self.labels) or self.label not in self.labels):
            raise ValueError(f"expected labels that differ, label among them, received {self.labels} and {self.label}")
        if self.labels is not None and self.label_above is not None:
            raise ValueError("label_above: expected it with one label, received several; write them as 0 and 1")
        strange = [name for name in self.task_weights if name not in self.tasks]
        if strange:
            raise ValueError(f"task_weights: expected some of the labels {list(self.tasks)}, received {strange[0]!r}")
        return self

    @model_validator(mode="after")
    def _tests_have_names_of_their_own(self) -> Self:
        taken = [name for name in self.extra_tests if name in PARTS]
        if taken:
            raise ValueError(f"extra_tests: expected names beside {', '.join(PARTS)}, received {taken[0]!r}; rename it")
        return self
