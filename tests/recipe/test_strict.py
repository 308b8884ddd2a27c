"""Errors of nested models and unions name the path and the nearest key of the right model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, model_validator

from aisle.errors import ConfigError
from aisle.recipe.strict import Strict, parse_strict, read_yaml


class Popular(Strict):
    kind: Literal["popular"]
    half_life_days: float = 28.0


class Ease(Strict):
    kind: Literal["ease"]
    regularization: float = 100.0


class Limits(Strict):
    per_category: int | None = None

    @model_validator(mode="after")
    def _is_positive(self) -> Self:
        if self.per_category is not None and self.per_category < 1:
            raise ValueError(f"expected per_category >= 1, received {self.per_category}")
        return self


class Settings(Strict):
    generators: list[Annotated[Popular | Ease, Field(discriminator="kind")]] = Field(default_factory=list)
    placements: dict[str, Limits] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "generators: [{kind: popular, half_live_days: 3}]",
            "unknown key 'generators.0.popular.half_live_days', did you mean 'half_life_days'?",
        ),
        (
            "generators: [{kind: ease, half_life_days: 3}]",
            "unknown key 'generators.0.ease.half_life_days', expected one of kind, regularization",
        ),
        ("placements: {for-you: {per_categori: 3}}", "unknown key 'placements.for-you.per_categori', did you mean"),
        ("placement: {}", "did you mean 'placements'?"),
        ("generators: [{kind: eese}]", "'generators.0': Input tag 'eese'"),
        ("generators: [ease]", "'generators.0': expected a block {kind: ...}, received 'ease'"),
        ("generators: [{half_life_days: 3}]", "'generators.0': expected a block {kind: ...}, received {'half"),
        ("generators: [{kind: ease, regularization: .inf}]", "finite number"),
        ("placements: {trending: {per_category: 0}}", "'placements.trending': expected per_category >= 1, received 0"),
        ("[1]", "expected a mapping"),
    ],
)
def test_problems_name_the_path_and_a_remedy(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_strict(Settings, read_yaml(text, "here"), "here")
    assert str(caught.value).startswith("here: ")
    assert message in str(caught.value)


def test_several_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"'a'.*; .*'b'"):
        parse_strict(Settings, {"a": 1, "b": 2}, "here")


def test_a_long_wrong_value_is_cut_short() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_strict(Settings, {"placements": ["x" * 5000]}, "here")
    assert "'placements': Input should be a valid dictionary, received ['xxx" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_empty_document_is_all_defaults_and_values_stay() -> None:
    settings = parse_strict(Settings, read_yaml("", "here"), "here")
    assert settings == Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.placements = {}  # type: ignore[misc]
