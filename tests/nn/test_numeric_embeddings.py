"""What numbers become, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from aisle.nn.numeric_embeddings import FieldVectors, Numeric, PeriodicEmbeddings, ScaledEmbeddings
from tests.rankers import generator

DENSE, EMBEDDED = torch.tensor([[2.0, -1.0]]), torch.tensor([[[1.0, 2.0, 3.0]]])


def _fields(numeric: Numeric) -> FieldVectors:
    return FieldVectors(1, 2, 3, numeric=numeric, generator=generator())


def test_a_value_multiplies_its_vector() -> None:
    fields = _fields("embed")
    assert isinstance(fields.numeric, ScaledEmbeddings)
    with torch.no_grad():
        fields.numeric.vector_ND.copy_(torch.tensor([[1.0, 0.0, 0.5], [3.0, 4.0, 5.0]]))
    vectors = fields(DENSE, EMBEDDED)
    assert vectors.tolist() == [[[1, 2, 3], [2, 0, 1], [-3, -4, -5]]]
    assert fields.flat(DENSE, vectors).tolist() == [[1, 2, 3, 2, 0, 1, -3, -4, -5]]
    assert (fields.num_fields, fields.flat_size) == (3, 9)


def test_a_number_may_stay_one() -> None:
    fields = _fields("linear")
    assert fields(DENSE, EMBEDDED) is EMBEDDED
    assert fields.flat(DENSE, EMBEDDED).tolist() == [[1, 2, 3, 2, -1]]
    assert (fields.num_fields, fields.flat_size) == (1, 5)


def test_a_number_may_not_be_read() -> None:
    fields = _fields("none")
    assert fields.flat(DENSE, fields(DENSE, EMBEDDED)).tolist() == [[1, 2, 3]]
    assert (fields.num_fields, fields.flat_size) == (1, 3)


def test_waves_worked_by_hand() -> None:
    waves = PeriodicEmbeddings(1, 2, num_frequencies=1, generator=generator())
    with torch.no_grad():
        waves.frequency_NK.fill_(0.25)
        waves.weight_N2KD.copy_(torch.tensor([[[2.0, -3.0], [5.0, 7.0]]]))
        waves.bias_ND.copy_(torch.tensor([[0.5, 1.0]]))
    # x = 1 is a quarter of a wave: sin 1, cos 0; x = 0: sin 0, cos 1.
    expected = torch.tensor([[[2.5, 0.0]], [[5.5, 8.0]]])
    torch.testing.assert_close(waves(torch.tensor([[1.0], [0.0]])), expected)
    assert math.isclose(float(waves(torch.tensor([[5.0]]))[0, 0, 0].detach()), 2.5, rel_tol=1e-5), "a period is 4"


def test_without_numbers_the_fields_are_what_was_looked_up() -> None:
    fields = FieldVectors(1, 0, 3, numeric="embed", generator=generator())
    assert fields(torch.empty(1, 0), EMBEDDED) is EMBEDDED


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of embed, periodic, linear, none, received 'log'"):
        FieldVectors(1, 2, 3, numeric="log", generator=generator())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [ScaledEmbeddings, PeriodicEmbeddings])
def test_vectors_of_numbers_begin_as_small_as_those_of_ids(kind: type[ScaledEmbeddings | PeriodicEmbeddings]) -> None:
    vectors = kind(13, 16, generator=generator())(torch.randn(500, 13, generator=generator(1)))
    assert 0.003 < float(vectors.detach().std()) < 0.03, "products of vectors of order 1 drown the label"
