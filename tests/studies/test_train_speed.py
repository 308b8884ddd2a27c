"""The benchmark of training steps, on sizes that take no time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aisle.studies import loader_speed
from aisle.studies.train_speed import (
    NETWORKS,
    OURS,
    VARIANTS,
    SpeedSettings,
    final_loss,
    make_stream,
    measure_training_speed,
)

SMALL = SpeedSettings(
    batch_size=64, num_dense=3, num_tables=3, table_rows=200, embedding_dim=4, dense_layers=(8,), over_layers=(16,)
)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")
def test_all_variants_are_timed_on_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_speed, "WINDOW_ROWS", 4096)
    result = measure_training_speed(replace(SMALL, num_turns=2, threads=1))
    assert list(result["variants"]) == list(VARIANTS)
    ours, networks = result["variants"][OURS], result["variants"][NETWORKS]
    assert ours["times_ours"] == 1.0
    assert networks["times_ours"] == pytest.approx(networks["median_ms"] / ours["median_ms"], rel=0.1)
    assert result["samples_per_second"] == ours["samples_per_second"]
    assert result["threads"] == 1
    assert result["loader"]["mapped_rows"] == 5120, "more rows than the window by an eighth, in whole streams of 1,024"
    assert set(result["limits"]) == {"bfloat16_gflops", "float32_gflops", "copy_gb_per_second"}


def test_ids_are_drawn_as_stated() -> None:
    zipf = make_stream(SMALL, 2000).sparse_RS
    uniform = make_stream(replace(SMALL, ids="uniform"), 2000).sparse_RS
    for ids in (zipf, uniform):
        assert ids.min() == 2
        assert ids.max() == SMALL.table_rows - 1
    shares = np.bincount(zipf.ravel(), minlength=200) / zipf.size
    expected = 1 / (np.arange(198) + 10.0) ** 1.05
    assert np.allclose(shares[2:], expected / expected.sum(), atol=0.01)
    assert np.bincount(uniform.ravel())[2:].max() < 2 * uniform.size / 198


def test_the_fixed_stream_is_learned_alike_in_both_precisions() -> None:
    rows = make_stream(SMALL, 4096)
    rate = float(rows.label_R.mean())
    constant = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    losses = {precision: final_loss(SMALL, precision, num_batches=150) for precision in ("float32", "bfloat16")}
    assert losses["float32"] < constant - 0.03
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.01)
