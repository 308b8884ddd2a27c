"""Ranges and patterns of columns, and what is wrong with a name."""

from __future__ import annotations

import pytest

from aisle.errors import ConfigError
from aisle.recipe.columns import expand_columns, expand_ranges

KNOWN = ["label", "I1", "I2", "I10", "I1_bucket", "I2_bucket", "C1", "a..b", "x[1]", "x[2]"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["I2", "I1"], ["I2", "I1"]),
        (["I1..I2"], ["I1", "I2"]),
        (["C1", "I1_bucket..I2_bucket"], ["C1", "I1_bucket", "I2_bucket"]),
        (["I*"], ["I1", "I2", "I10", "I1_bucket", "I2_bucket"]),
        (["I?"], ["I1", "I2"]),
        (["*_bucket", "C*"], ["I1_bucket", "I2_bucket", "C1"]),
        (["a..b"], ["a..b"]),
        (["x[2]", "x[1]"], ["x[2]", "x[1]"]),
        (["x[*"], ["x[1]", "x[2]"]),
        ([], []),
    ],
)
def test_names_ranges_and_patterns_mean_columns_in_their_order(names: list[str], expected: list[str]) -> None:
    assert expand_columns(names, KNOWN, "here") == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["I3"], "here: unknown column 'I3', did you mean 'I"),
        (["I1..I3"], "here: unknown column 'I3'"),
        (["Z*"], "here: expected columns like 'Z.', received label, I1"),
        (["I1", "I*"], "here: expected each column once, received I1 twice"),
        (["I2..I1"], "expected a range that rises, such as I1..I13, received 'I2..I1'"),
        (["I1..C2"], "unknown column 'I1..C2'"),
    ],
)
def test_what_means_no_column_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand_columns(names, KNOWN, "here")


def test_ranges_keep_leading_zeros() -> None:
    assert expand_ranges(["f08..f11"]) == ["f08", "f09", "f10", "f11"]
