"""Strict reading of YAML into typed models: an unknown key fails with the nearest known one, a repeated key too."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterator
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from aisle.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
_SHOWN = 120  # characters of a wrong value that an error repeats
_WITHOUT_KIND = ("union_tag_not_found", "model_attributes_type")


class Strict(BaseModel):
    """Base of every configuration model: unknown keys are refused, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key given twice and reads ``1e-3`` as the number it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build one mapping, each key once."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    line = key_node.start_mark.line + 1
                    raise yaml.constructor.ConstructorError(None, None, f"line {line}: the key {key!r} stands twice")
                seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(  # YAML 1.1 wants a dot in every float; people write 1e-3
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(text: str, source: str) -> Any:
    """Read one YAML document; nothing in it can run code.

    Args:
        text: The document.
        source: What to call it in an error.

    Raises:
        ConfigError: it is not YAML, or a key stands twice in one mapping.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a subclass of the safe loader
    except yaml.YAMLError as error:
        # The parser's own text quotes the document, and a settings file holds secrets.
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f"line {mark.line + 1}: " if mark is not None else ""
        raise ConfigError(f"{source}: expected YAML, received something else: {place}{problem or error}") from None


def parse_strict(model: type[Model], data: object, source: str, *, secret: frozenset[str] = frozenset()) -> Model:
    """Check a mapping against a model.

    Args:
        model: What it should be.
        data: What was read.
        source: What to call it in an error.
        secret: Keys whose values no error shows.

    Raises:
        ConfigError: naming each wrong key with its path and what was expected (for an unknown key the nearest one).
    """
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: expected a mapping of keys to values, received {data!r}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [_problem(model, dict(details), secret) for details in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(problems)) from None


def nearest(name: str, known: list[str]) -> str:
    """A hint: the nearest known name where there is one, else all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(known)) or '(nothing)'}"


def _problem(model: type[BaseModel], details: dict[str, Any], secret: frozenset[str]) -> str:
    location = details["loc"]
    path = ".".join(str(part) for part in location)
    if details["type"] == "extra_forbidden":
        models = _models_at(model, location[:-1])
        known = sorted({field.alias or name for one in models for name, field in one.model_fields.items()})
        return f"unknown key {path!r}, {nearest(str(location[-1]), known)}"
    if details["type"] == "missing":
        return f"{path!r} is missing"
    if details["type"] == "value_error":  # a check of ours, which says itself what it received
        reason = str(details["ctx"]["error"])
        return f"{path!r}: {reason}" if path else reason
    if secret.intersection(str(part) for part in location):
        return f"{path!r}: {details['msg']} (its value is not shown)"
    received = repr(details["input"])
    shown = received if len(received) <= _SHOWN else f"{received[:_SHOWN]}..."
    # Pydantic's words for a block of one of several kinds speak of tags.
    expected = "expected a block {kind: ...}" if details["type"] in _WITHOUT_KIND else details["msg"]
    return f"{path!r}: {expected}, received {shown}"


def _models_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """The models that may stand at a place of a validation error (several where a union stands there)."""
    models = [model]
    for part in location:
        fields = [
            field for known in models for name, field in known.model_fields.items() if str(part) in (name, field.alias)
        ]
        if fields:
            models = [inner for field in fields for inner in _models_in(field.annotation)]
        else:  # a list's index, a mapping's key, or the tag of a union, which narrows the choice
            models = [known for known in models if _has_tag(known, part)] or models
    return models


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _has_tag(model: type[BaseModel], tag: object) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())
