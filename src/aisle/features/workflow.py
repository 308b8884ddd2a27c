"""A pipeline of operators: fitted in few passes over partitions, saved in a bundle, executed offline and online."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import islice
from typing import Any, cast

import polars as pl

from aisle.bundle import Bundle, BundleWriter
from aisle.errors import BundleError, ConfigError, DataError, SchemaError
from aisle.features.arrays import Array, Columns
from aisle.features.frames import Frame, conform
from aisle.features.operators import Operator, State, TargetStatistics, build_operator, build_operators
from aisle.recipe.features import OperatorSpec, WorkflowSpec
from aisle.recipe.strict import parse_strict
from aisle.schema import Schema

#: What one partition contributes to one pass, per operator by its place.
Contribution = dict[int, Any]
#: Gives the partitions anew for each pass.
Partitions = Sequence[pl.DataFrame] | Callable[[], Iterable[pl.DataFrame]]
_MERGED_AT_ONCE = 8


class Workflow:
    """Operators in their order, each reading what those before it wrote.

    Args:
        operators: The operators.
        schema: The columns of the input, before the first of them.
        fitted_until: The time up to which (exclusive, milliseconds) it was fitted, where that is known.
    """

    def __init__(self, operators: Sequence[Operator[Any]], schema: Schema, fitted_until: int | None = None) -> None:
        self.operators = tuple(operators)
        self.input_schema = schema
        self.fitted_until = fitted_until
        self.levels = _levels(self.operators)

    @classmethod
    def build(cls, spec: WorkflowSpec, schema: Schema) -> Workflow:
        """The unfitted workflow of a configuration, for an input of this schema.

        Raises:
            ConfigError: an operator reads a column that nothing before it makes.
            SchemaError: an operator cannot work on the type of a column.
        """
        operators: list[Operator[Any]] = []
        known = schema
        for place, block in enumerate(spec.operators):
            try:
                built = build_operators(block, known)
            except SchemaError as error:
                raise ConfigError(f"operators.{place} ({block.kind}): {error}") from error
            operators += built
            for operator in built:
                known = operator.output_schema(known)
        return cls(operators, schema)

    @property
    def num_passes(self) -> int:
        """How often the data is read to fit everything: operators on fitted operators' outputs come a pass later."""
        return 1 + max(
            (level for level, op in zip(self.levels, self.operators, strict=True) if op.needs_fit), default=-1
        )

    @property
    def is_fitted(self) -> bool:
        """Whether every operator can transform."""
        return all(operator.is_fitted for operator in self.operators)

    @property
    def output_schema(self) -> Schema:
        """The columns after the last operator."""
        return reduce(lambda schema, operator: operator.output_schema(schema), self.operators, self.input_schema)

    @property
    def request_columns(self) -> list[str]:
        """The input columns that a transform or a request needs (labels, say, are for the fit alone)."""
        made: set[str] = set()
        needed: dict[str, None] = {}
        for operator in self.operators:
            needed.update(dict.fromkeys(name for name in operator.inputs.names if name not in made))
            made.update(column.name for column in operator.output_columns())
        return [name for name in self.input_schema.names if name in needed]

    def fit(self, partitions: Partitions, *, fitted_until: int | None = None) -> Workflow:
        """Fit every operator; at no time is more than one partition in memory, beside the operators' own bounds.

        Args:
            partitions: Frames, or a function that yields them anew for each of :attr:`num_passes` passes.
            fitted_until: The time before which all rows lie, to be kept with the state.

        Returns:
            The fitted workflow; this one is not changed.
        """
        workflow = self
        for number in range(self.num_passes):
            frames = partitions() if callable(partitions) else partitions
            contributions = (workflow.fit_partition(number, frame) for frame in frames)
            merged = reduce(workflow.merge, _grouped(contributions, workflow.merge), None)
            if merged is None:
                raise DataError("expected at least one partition to fit on (it may be empty), received none")
            workflow = workflow.finish_pass(merged)
        return Workflow(workflow.operators, self.input_schema, fitted_until)

    def fit_partition(self, pass_number: int, frame: pl.DataFrame) -> Contribution:
        """What one partition contributes to one pass; partitions may be fitted anywhere."""
        frame = conform(frame, self.input_schema)
        contribution: Contribution = {}
        for place, (operator, level) in enumerate(zip(self.operators, self.levels, strict=True)):
            if level == pass_number and operator.needs_fit:
                contribution[place] = operator.fit(frame)
            if level < pass_number or (level == pass_number and not operator.needs_fit):
                frame = operator.transform(frame)
        return contribution

    def merge(self, one: Contribution | None, other: Contribution) -> Contribution:
        """Two contributions to the same pass as one."""
        if one is None:
            return other
        return {place: self.operators[place].merge(partial, other[place]) for place, partial in one.items()}

    def finish_pass(self, contribution: Contribution) -> Workflow:
        """The workflow with what this pass has fitted."""
        fitted: list[Operator[Any]] = []
        known = self.input_schema
        for place, operator in enumerate(self.operators):
            if place in contribution:
                fitted.append(operator.finalize(contribution[place]))
            elif operator.needs_fit:
                fitted.append(operator)
            else:  # of what those before it have fitted it hands on how many rows a table has
                fitted.append(build_operator(cast(OperatorSpec, operator.spec), known))
            known = fitted[-1].output_schema(known)
        return Workflow(fitted, self.input_schema, self.fitted_until)

    def transform(self, frame: Frame) -> Frame:
        """Offline: the frame, eager or lazy, with all outputs, by what was fitted."""
        frame = conform(frame, self.input_schema.select(self.request_columns))
        for operator in self.operators:
            frame = operator.transform(frame)
        return frame

    def transform_training(self, partitions: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Training rows: as :meth:`transform`, but statistics of the label come from strictly earlier rows alone.

        Args:
            partitions: Frames, each later in time than those before it where there are such statistics.
        """
        earlier: dict[int, Any] = {}
        for partition in partitions:
            frame = conform(partition, self.input_schema)
            for place, operator in enumerate(self.operators):
                if isinstance(operator, TargetStatistics):
                    frame, earlier[place] = operator.prequential(frame, earlier.get(place))
                else:
                    frame = operator.transform(frame)
            yield frame

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online: all columns of one request with all outputs, by NumPy alone.

        Args:
            columns: :attr:`request_columns` as plain arrays; those of one row stand for all rows.
        """
        arrays = dict(columns)
        for operator in self.operators:
            arrays.update(operator.online(arrays))
        return arrays

    def save(self, writer: BundleWriter, name: str = "features") -> None:
        """Write configuration, schema and state into a bundle, under ``<name>``."""
        plain: list[dict[str, Any]] = []
        for place, operator in enumerate(self.operators):
            state = operator.state if operator.needs_fit else State()  # else the configuration says it all
            folder = f"{name}/{place:03d}"
            plain.append(
                {
                    "spec": operator.spec.model_dump(mode="json"),
                    "values": state.values,
                    "arrays": sorted(state.arrays),
                    "frames": sorted(state.frames),
                }
            )
            if state.arrays:
                writer.write_arrays(folder, state.arrays)
            for key, frame in state.frames.items():
                writer.write_frame(f"{folder}/{key}", frame)
        content = {"schema": self.input_schema.to_plain(), "fitted_until": self.fitted_until, "operators": plain}
        writer.write_json(f"{name}/workflow", content)

    @classmethod
    def load(cls, bundle: Bundle, name: str = "features") -> Workflow:
        """The fitted workflow that :meth:`save` wrote; lookups are built now, not at the first request.

        Raises:
            BundleError: what is there is no workflow.
        """
        content = bundle.read_json(f"{name}/workflow")
        try:
            schema = Schema.from_plain(content["schema"])
            saved = content["operators"]
            specs = parse_strict(WorkflowSpec, {"operators": [one["spec"] for one in saved]}, f"{name}/workflow.json")
            operators: list[Operator[Any]] = []
            known = schema
            for place, (spec, one) in enumerate(zip(specs.operators, saved, strict=True)):
                operator = build_operator(spec, known)
                if operator.needs_fit:
                    operator = operator.with_state(_read_state(bundle, f"{name}/{place:03d}", one))
                operators.append(operator)
                known = operators[-1].output_schema(known)
            return cls(operators, schema, content["fitted_until"])
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ConfigError,
            SchemaError,
            pl.exceptions.PolarsError,
        ) as error:
            raise BundleError(
                f"{bundle.directory / name}/workflow.json: expected a saved workflow, received something else ({error})"
            ) from error


def _read_state(bundle: Bundle, folder: str, saved: dict[str, Any]) -> State:
    arrays = bundle.read_arrays(folder) if saved["arrays"] else {}
    frames = {key: bundle.read_frame(f"{folder}/{key}") for key in saved["frames"]}
    return State(saved["values"], arrays, frames)


def _grouped(contributions: Iterator[Contribution], merge: Callable[..., Contribution]) -> Iterator[Contribution]:
    """Contributions merged by eights, so that what all of them amount to is gone through that much less often."""
    while group := list(islice(contributions, _MERGED_AT_ONCE)):
        yield reduce(merge, group)


def _levels(operators: Sequence[Operator[Any]]) -> list[int]:
    """In which pass each operator's inputs are there: one later than the latest fitted operator that they come from."""
    available: dict[str, int] = {}
    levels: list[int] = []
    for operator in operators:
        level = max((available.get(name, 0) for name in operator.fit_inputs.names), default=0)
        levels.append(level)
        later = level + int(operator.needs_fit)
        available.update({column.name: later for column in operator.output_columns()})
    return levels
