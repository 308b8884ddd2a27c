"""Every kind of embedding table, in one suite: known answers, gradients, bags, sizes, first weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import KeyedJaggedTensor, SparseFeatures
from aisle.nn.tables import (
    Full,
    Hashed,
    LowRank,
    QuotientRemainder,
    QuotientRemainderTables,
    TableKind,
    Thresholded,
    kind_of,
)
from aisle.nn.tables.hashed import hashed_rows
from aisle.recipe.tables import FullSpec, HashedSpec, LowRankSpec, QuotientRemainderSpec, ThresholdedSpec
from tests.rankers import generator

ROWS, DIM = 10, 4
KINDS: dict[str, TableKind] = {
    "full": Full(),
    "hashed": Hashed(3),
    "thresholded": Thresholded(3),
    "mult": QuotientRemainder(4),
    "add": QuotientRemainder(4, "add"),
    "concat": QuotientRemainder(4, "concat"),
    "narrow": LowRank(2),
    "wide": LowRank(6),
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def collection(*kinds: TableKind, rows: int = ROWS, dim: int = DIM, seed: int = 0) -> EmbeddingBagCollection:
    """One table per kind, each with a feature and a bag."""
    tables = [
        EmbeddingBagConfig(
            name=f"t{n}",
            num_embeddings=rows,
            embedding_dim=dim,
            feature_names=(f"f{n}",),
            bag_names=(f"b{n}",),
            pooling="sum" if n % 2 else "mean",
            kind=kind,
        )
        for n, kind in enumerate(kinds)
    ]
    return EmbeddingBagCollection(tables, generator=generator(seed))


def single(kind: TableKind, *, rows: int = ROWS, dim: int = DIM, seed: int = 0) -> EmbeddingBagCollection:
    table = EmbeddingBagConfig(name="t", num_embeddings=rows, embedding_dim=dim, feature_names=("f",), kind=kind)
    return EmbeddingBagCollection([table], generator=generator(seed))


def vectors(embeddings: EmbeddingBagCollection, ids: list[int]) -> Tensor:
    return embeddings(SparseFeatures(torch.tensor(ids)[:, None]))[:, 0]


def fill(embeddings: EmbeddingBagCollection, **weights: list[list[float]] | Tensor) -> None:
    """Set parameters, by the last part of their names and the one before (``table.weight``: ``table``)."""
    with torch.no_grad():
        for name, parameter in embeddings.named_parameters():
            key = name.removesuffix(".weight").rpartition(".")[2]
            parameter.copy_(torch.as_tensor(weights[key]).reshape(parameter.shape))


def numbered(rows: int, width: int) -> Tensor:
    """Row r is [10 r, 10 r + 1, ...]."""
    return 10.0 * torch.arange(rows)[:, None] + torch.arange(width)


def test_a_thresholded_table_knows_the_first_ids() -> None:
    embeddings = single(Thresholded(3))
    fill(embeddings, table=numbered(5, DIM))
    assert vectors(embeddings, [0, 1, 2, 4, 5, 9, 10])[:, 0].tolist() == [0, 10, 20, 40, 10, 10, 10]


def test_the_hash_is_what_it_always_was() -> None:
    """By hand, with Python's integers."""
    expected = []
    for number in (2, 3, 1000, 2**31 + 5):
        mixed = number * 0x9E3779B97F4A7C15 % 2**64
        mixed ^= mixed >> 32
        expected.append(2 + ((mixed * 0xBF58476D1CE4E5B9 % 2**64) >> 33) % 1000)
    ids = torch.tensor([0, 1, 2, 3, 1000, 2**31 + 5])
    assert hashed_rows(ids, 1000).tolist() == [0, 1, *expected]
    assert expected == [2, 411, 670, 526]


def test_the_hash_spreads_neighbours_evenly() -> None:
    counts = torch.bincount(hashed_rows(torch.arange(2, 100_002), 1000) - 2, minlength=1000).double()
    chi_square = ((counts - 100) ** 2 / 100).sum()
    assert len(counts) == 1000 and abs(chi_square - 999) < 5 * (2 * 999) ** 0.5


def test_a_hashed_table_keeps_padding_and_unknown_apart() -> None:
    embeddings = single(Hashed(1))
    fill(embeddings, table=numbered(3, DIM))
    assert vectors(embeddings, [0, 1, 2, 5, 9, 10, -1])[:, 0].tolist() == [0, 10, 20, 20, 20, 10, 10]


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        # The id 9 is (2, 1): quotient row [20, 21, 22, 23] and remainder row [10, 11, 12, 13]; 10 is the unknown id 1:
        # (0, 1), rows [0, 1, 2, 3] and the same. Laid side by side, rows have two numbers.
        ("mult", [[200, 231, 264, 299], [0, 11, 24, 39]]),
        ("add", [[30, 32, 34, 36], [10, 12, 14, 16]]),
        ("concat", [[20, 21, 10, 11], [0, 1, 10, 11]]),
    ],
)
def test_quotient_and_remainder_are_combined(combine: str, expected: list[list[float]]) -> None:
    embeddings = single(kind_of(QuotientRemainderSpec(kind="quotient-remainder", modulus=4, combine=combine)))
    width = 2 if combine == "concat" else 4
    fill(embeddings, quotients=numbered(3, width), remainders=numbered(4, width))
    assert vectors(embeddings, [9, 10]).tolist() == expected


def test_concat_of_an_odd_width_gives_the_remainder_one_more() -> None:
    embeddings = single(QuotientRemainder(4, "concat"), dim=3)
    fill(embeddings, quotients=numbered(3, 1), remainders=numbered(4, 2))
    assert vectors(embeddings, [9]).tolist() == [[20, 10, 11]]
    with pytest.raises(ValueError, match="at least 2 numbers to concat, received 1"):
        single(QuotientRemainder(4, "concat"), dim=1)


@given(rows=st.integers(2, 3000), modulus=st.integers(1, 4000))
def test_every_id_has_a_pair_of_its_own(rows: int, modulus: int) -> None:
    kind = QuotientRemainder(modulus, "concat")
    tables = QuotientRemainderTables([(rows, kind)], [0], [0], 2, generator=generator())
    num_quotients = kind.num_quotients(rows)
    with torch.no_grad():  # each vector names its pair
        tables.quotients.weight[:, 0] = torch.arange(num_quotients)
        tables.remainders.weight[:, 0] = torch.arange(modulus)
        pairs = tables(torch.arange(rows)[:, None])[:, 0].long()
    assert num_quotients == -(-rows // modulus)
    assert len(torch.unique(pairs, dim=0)) == rows


def test_a_low_rank_table_projects_its_rows() -> None:
    embeddings = single(LowRank(2))
    fill(embeddings, table=numbered(10, 2), projection=[[1.0, 0, 2, 0], [0, 1, 1, 0]])
    # The id 3 has the row [30, 31].
    assert vectors(embeddings, [3]).tolist() == [[30, 31, 91, 0]]


@EACH_KIND
def test_first_weights_come_from_the_generator_alone(kind: TableKind) -> None:
    one = collection(kind, Full(), seed=5)
    torch.rand(3)
    again, other = collection(kind, Full(), seed=5), collection(kind, Full(), seed=6)
    for name, parameter in one.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name))
        assert not torch.equal(parameter, other.get_parameter(name))


@EACH_KIND
def test_vectors_start_with_a_full_table_s_variance(kind: TableKind) -> None:
    rows, dim = 2000, 64
    large = {Hashed: Hashed(rows), Thresholded: Thresholded(rows)}.get(type(kind), kind)
    if isinstance(kind, QuotientRemainder):
        large = QuotientRemainder(50, kind.combine)
    found = vectors(single(large, rows=rows, dim=dim), list(range(rows))).detach()
    assert abs(found.mean()) < 0.1 * rows**-0.5
    assert float(found.var() * 3 * rows) == pytest.approx(1, abs=0.3)  # of a uniform number within 1/sqrt(rows)


def test_products_start_as_a_full_table_s_numbers_and_uncorrelated() -> None:
    rows, dim = 2500, 64
    found = vectors(single(QuotientRemainder(50), rows=rows, dim=dim), list(range(rows))).detach()
    quantiles = torch.quantile(found[::5].flatten() * rows**0.5, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(quantiles, torch.tensor([-1, -0.5, 0, 0.5, 1]), rtol=0, atol=0.03)
    directions = nn.functional.normalize(found, dim=1)
    by_quotient = (directions[:50] @ directions[:50].T).fill_diagonal_(0)
    by_remainder = (directions[::50] @ directions[::50].T).fill_diagonal_(0)
    assert abs(by_quotient.mean()) < 0.01 and abs(by_remainder.mean()) < 0.01
    # The mean square of the cosines of two vectors is 1/64 if all numbers are independent. Where two products have the
    # remainder in common, only the signs are: E r^4 / (E r^2)^2 = 9/5 as much.
    assert float(by_quotient.square().mean() * dim) == pytest.approx(1, abs=0.15)
    assert float(by_remainder.square().mean() * dim) == pytest.approx(1.8, abs=0.15)


@EACH_KIND
def test_vectors_can_start_normal_with_zeros_at_the_end_or_as_zeros(kind: TableKind) -> None:
    dim = 8
    embeddings = single(kind, rows=500, dim=dim)
    ids = list(range(500))
    embeddings.start_normal(0.01, num_zero=1, generator=generator())
    found = vectors(embeddings, ids).detach()
    assert (found[:, -1] == 0).all()
    assert 0.003 < float(found[:, :-1].std()) < 0.03
    embeddings.start_at_zero()
    assert (vectors(embeddings, ids) == 0).all()


@EACH_KIND
@pytest.mark.parametrize("start", ["as they are", "normal", "zero"])
def test_training_moves_vectors_from_any_start(kind: TableKind, start: str) -> None:
    """Ids that a kind tells apart learn their targets, the last number included."""
    embeddings, ids = single(kind), [2, 3]
    if start == "normal":
        embeddings.start_normal(0.01, num_zero=1, generator=generator())
    elif start == "zero":
        embeddings.start_at_zero()
    target = torch.tensor([[1.0, 0, 0, -1], [1, 1, 0, 1]])
    target = target if not isinstance(kind, Hashed) else target[:1].expand(2, DIM)
    optimizer = torch.optim.Adam(embeddings.parameters(), lr=0.02)
    for _ in range(600):
        optimizer.zero_grad()
        loss = (vectors(embeddings, ids) - target).square().sum()
        loss.backward()
        optimizer.step()
    limit = 1e-3
    if isinstance(kind, QuotientRemainder) and kind.combine != "mult":
        limit = 0.6  # both ids have the quotient 0: their difference is that of their remainders
    assert float(loss.detach()) < limit


STORED: list[tuple[str, dict[str, set[int]]]] = [
    ("full", {"table.weight": {1, 2, 9}}),
    ("thresholded", {"table.weight": {1, 2}}),
    ("mult", {"quotients.weight": {0, 2}, "remainders.weight": {1, 2}}),  # 1 = (0, 1), 2 = (0, 2), 9 = (2, 1)
    ("add", {"quotients.weight": {0, 2}, "remainders.weight": {1, 2}}),
    ("concat", {"quotients.weight": {0, 2}, "remainders.weight": {1, 2}}),
    ("narrow", {"table.weight": {1, 2, 9}}),
]


@pytest.mark.parametrize(("name", "rows"), STORED, ids=[name for name, _ in STORED])
def test_the_gradient_reaches_the_rows_of_the_batch_alone(name: str, rows: dict[str, set[int]]) -> None:
    embeddings = single(KINDS[name])
    vectors(embeddings, [1, 2, 9, 2]).sum().backward()
    for parameter, expected in rows.items():
        full_name = parameter if name in ("full", "thresholded") else f"composed.0.{parameter}"
        gradient = embeddings.get_parameter(full_name).grad
        assert gradient is not None
        assert set(torch.nonzero(gradient.abs().sum(dim=1)).flatten().tolist()) == expected


def test_the_gradient_of_a_hashed_table_reaches_the_buckets_of_the_batch_alone() -> None:
    embeddings = single(Hashed(5), rows=100)
    vectors(embeddings, [1, 20, 30]).sum().backward()
    gradient = embeddings.table.weight.grad
    assert gradient is not None
    reached = set(torch.nonzero(gradient.abs().sum(dim=1)).flatten().tolist())
    assert reached == {1, *hashed_rows(torch.tensor([20, 30]), 5).tolist()}


def _bags(lists: list[list[list[int]]], names: list[str]) -> KeyedJaggedTensor:
    flat = [bag for one in lists for bag in one]
    values = torch.tensor([number for bag in flat for number in bag], dtype=torch.int64)
    return KeyedJaggedTensor.from_lengths(tuple(names), values, torch.tensor([len(bag) for bag in flat]))


@EACH_KIND
def test_bags_are_sums_and_means_of_vectors(kind: TableKind) -> None:
    embeddings = collection(kind, kind)  # the first pools by the mean, the second by the sum
    lists = [[[2, 9, 2], []], [[3, 12], [1]]]
    ids = torch.tensor([[2, 3], [9, 1]])
    with torch.no_grad():
        embedded = embeddings(SparseFeatures(ids, _bags(lists, ["b0", "b1"])))
        alone = {
            n: embeddings(SparseFeatures(torch.tensor([[n, n]]), _bags([[[]], [[]]], ["b0", "b1"])))[0]
            for n in (1, 2, 3, 9)
        }
    torch.testing.assert_close(embedded[0, 2], (2 * alone[2][0] + alone[9][0]) / 3)
    assert embedded[1, 2].tolist() == [0] * DIM
    torch.testing.assert_close(embedded[0, 3], alone[3][1] + alone[1][1])  # 12 is outside: the unknown id
    torch.testing.assert_close(embedded[1, 3], alone[1][1])


def test_mixed_kinds_stand_in_the_order_of_their_features() -> None:
    kinds = list(KINDS.values())
    tables = [
        EmbeddingBagConfig(
            name=f"t{n}", num_embeddings=ROWS, embedding_dim=DIM, feature_names=(f"f{n}", f"g{n}"), kind=kind
        )
        for n, kind in enumerate([*kinds, *kinds])
    ]
    embeddings = EmbeddingBagCollection(tables, generator=generator())
    ids = torch.from_numpy(np.random.default_rng(0).integers(-1, 12, (50, 32)))
    embedded = embeddings(SparseFeatures(ids)).detach()
    assert embedded.shape == (50, 32, DIM)
    assert torch.equal(embeddings(SparseFeatures(ids.int())), embedded)
    for column in range(32):
        only = torch.zeros_like(ids)
        only[:, column] = ids[:, column]
        assert torch.equal(embeddings(SparseFeatures(only))[:, column], embedded[:, column])
        same_table = torch.zeros_like(ids)
        same_table[:, column ^ 1] = ids[:, column]
        torch.testing.assert_close(embeddings(SparseFeatures(same_table))[:, column ^ 1], embedded[:, column])


@EACH_KIND
def test_ids_of_32_bits_are_the_same_ids_and_are_left_as_they_are(kind: TableKind) -> None:
    embeddings = single(kind)
    ids = torch.tensor([[-1], [0], [3], [9], [10], [2**31 - 1]])
    narrow = ids.int()
    assert torch.equal(embeddings(SparseFeatures(narrow)), embeddings(SparseFeatures(ids)))
    assert narrow.flatten().tolist() == [-1, 0, 3, 9, 10, 2**31 - 1]


SIZES = {"full": 40, "hashed": 20, "thresholded": 20, "mult": 28, "add": 28, "concat": 14, "narrow": 28, "wide": 84}


@pytest.mark.parametrize("name", KINDS)
def test_sizes_are_those_of_what_is_trained(name: str) -> None:
    embeddings = collection(KINDS[name], Full())
    size, other = embeddings.sizes()
    assert (size.name, size.num_embeddings, size.num_parameters, size.num_bytes) == (
        "t0",
        10,
        SIZES[name],
        4 * SIZES[name],
    )
    assert (size.full_parameters, size.full_bytes, size.kind) == (40, 160, KINDS[name].name)
    assert size.num_parameters + other.num_parameters == sum(one.numel() for one in embeddings.parameters())


def test_a_collection_of_full_tables_is_one_weight() -> None:
    """Bundles and checkpoints of shops rest on the name, and a training's fingerprint on how it is shown."""
    embeddings = collection(Full(), Full())
    assert list(embeddings.state_dict()) == ["table.weight"]
    assert str(embeddings) == "EmbeddingBagCollection(\n  (table): FullTable()\n)"


def test_composed_tables_have_no_rows_and_do_not_stand_side_by_side() -> None:
    embeddings = collection(Full(), QuotientRemainder(4))
    with pytest.raises(ValueError, match="t1 is quotient-remainder"):
        embeddings.rows_of("t1")
    with pytest.raises(ValueError, match="t1 is quotient-remainder"):
        EmbeddingBagCollection.side_by_side([embeddings, embeddings])
    rows = collection(Full(), Hashed(3))
    both = EmbeddingBagCollection.side_by_side([rows, rows])
    assert torch.equal(both.rows_of("t1"), rows.rows_of("t1").repeat(1, 2)) and len(both.rows_of("t1")) == 5
    with pytest.raises(ValueError, match="the same tables"):
        EmbeddingBagCollection.side_by_side([rows, collection(Full(), Hashed(4))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hashed(0), "num_buckets >= 1, received 0"),
        (lambda: Thresholded(-1), "num_kept >= 1"),
        (lambda: QuotientRemainder(0), "modulus >= 1"),
        (lambda: QuotientRemainder(2, "xor"), "mult, add or concat, received 'xor'"),  # type: ignore[arg-type]
        (lambda: LowRank(0), "width >= 1"),
        (lambda: kind_of(HashedSpec(kind="hashed", share=0.5)), "resolve the tables"),
    ],
)
def test_numbers_that_make_no_table_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_recipes_name_each_kind() -> None:
    assert kind_of(FullSpec()) == Full()
    assert kind_of(HashedSpec(kind="hashed", num_buckets=7)) == Hashed(7)
    assert kind_of(ThresholdedSpec(kind="thresholded", num_kept=7)) == Thresholded(7)
    assert kind_of(LowRankSpec(kind="low-rank", width=3)) == LowRank(3)


@EACH_KIND
def test_bfloat16_training_takes_every_kind(kind: TableKind) -> None:
    embeddings = collection(kind, Full())
    bags = _bags([[[2], [3]], [[4], [5, 6]]], ["b0", "b1"])
    with torch.autocast("cpu", torch.bfloat16):
        embedded = embeddings(SparseFeatures(torch.tensor([[2, 3], [9, 1]]), bags))
        alone = single(kind)(SparseFeatures(torch.tensor([[2], [9]])))
    assert embedded.dtype == alone.dtype == torch.float32 and embedded.shape == (2, 4, DIM)
    assert embedded.is_contiguous() and alone.is_contiguous()  # models may view them otherwise
    embedded.sum().backward()
