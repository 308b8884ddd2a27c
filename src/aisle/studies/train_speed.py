"""How fast DLRM trains here, beside plain PyTorch, the networks alone, and what the machine can do at most.

All variants run in one process, in turns, on the same batches: their ratios say more than their seconds.

Legend of shapes: B batch, N dense features, S tables, R rows of a table, D embedding dimension.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisle.models.ranking import DLRM
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.losses import weighted_bce
from aisle.nn.mlp import MLP
from aisle.progress import Progress, silent
from aisle.studies.device_limits import measure_limits
from aisle.studies.loader_speed import measure_loader
from aisle.train.engine.allocator import keep_freed_memory
from aisle.train.engine.batches import Batch, Batches, RankerRows
from aisle.train.engine.devices import DeviceName, device_label, synchronize, training_device
from aisle.train.engine.optimizers import Optimizers, OptimizerSettings
from aisle.train.engine.step import Precision, TrainingStep
from aisle.train.engine.table_optimizers import TableRule

IdDistribution = Literal["zipf", "uniform"]
OURS, OURS_FLOAT32 = "aisle bfloat16", "aisle float32"
PLAIN = "plain PyTorch"
NETWORKS, NETWORKS_FLOAT32 = "networks alone bfloat16", "networks alone float32"
_NUM_BATCHES = 16
_STEPS_PER_TURN = 4
_LEARNING_RATE = 0.01


@dataclass(frozen=True, kw_only=True)
class SpeedSettings:
    """What is trained.

    Attributes:
        batch_size: B.
        num_dense: N.
        num_tables: S.
        table_rows: R.
        embedding_dim: D.
        dense_layers: Hidden sizes of the dense arch.
        over_layers: Hidden sizes of the over arch.
        table_optimizer: Of our tables; plain PyTorch has Adagrad.
        ids: ``zipf``: an id's frequency falls as 1 / (its rank + 10)^1.05; or all alike.
        num_turns: How often each variant has its turn.
        threads: Of each variant; all that torch uses if missing.
        device: Of all variants, see :func:`aisle.train.engine.devices.training_device`.
        seed: Draws weights and data.
    """

    batch_size: int = 2048
    num_dense: int = 13
    num_tables: int = 26
    table_rows: int = 100_000
    embedding_dim: int = 16
    dense_layers: tuple[int, ...] = (512, 256, 64)
    over_layers: tuple[int, ...] = (512, 256)
    table_optimizer: TableRule = "row_wise_adagrad"
    ids: IdDistribution = "zipf"
    num_turns: int = 12
    threads: int | None = None
    device: DeviceName = "cpu"
    seed: int = 0

    @property
    def place(self) -> torch.device:
        """The device.

        Raises:
            ConfigError: there is none of the name.
        """
        return training_device(self.device)


def measure_training_speed(settings: SpeedSettings, progress: Progress = silent) -> dict[str, Any]:
    """Time a full step of each variant.

    Returns:
        ``samples_per_second`` (ours, bfloat16), ``variants`` (milliseconds: median, best; samples per second; and the
        ratio of its median to ours), ``loader`` (see :func:`aisle.studies.loader_speed.measure_loader`), ``limits``
        (products and memory of this machine) and ``final_loss`` of the fixed stream in both precisions.

    Raises:
        ConfigError: the device is not there.
    """
    keep_freed_memory()  # as training does; it serves all variants
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads or threads)
    try:
        rows = make_stream(settings, settings.batch_size * _NUM_BATCHES)
        batches = list(Batches(rows, batch_size=settings.batch_size, seed=settings.seed).epoch(0))
        variants = {name: make(settings) for name, make in VARIANTS.items()}
        times = _take_turns(variants, batches, settings, progress)
        return {
            "bench": "train",
            "samples_per_second": round(settings.batch_size / statistics.median(times[OURS])),
            "variants": {name: _summary(times[name], times[OURS], settings.batch_size) for name in times},
            "loader": measure_loader(rows, batch_size=settings.batch_size, seed=settings.seed),
            "limits": _limits(settings),
            "final_loss": {precision: final_loss(settings, precision) for precision in ("bfloat16", "float32")},
            "threads": torch.get_num_threads(),
            "device": device_label(settings.place),
            "sizes": asdict(settings),
            "id_distribution": settings.ids,
        }
    finally:
        torch.set_num_threads(threads)


def measure_step(settings: SpeedSettings) -> dict[str, float]:
    """Our bfloat16 step alone: microseconds a sample, samples per second, and the bytes of tables and their state."""
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads or threads)
    try:
        rows = make_stream(settings, settings.batch_size * 4)
        batches = list(Batches(rows, batch_size=settings.batch_size, seed=settings.seed).epoch(0))
        ranker = _our_ranker(settings)
        optimizers = _our_optimizers(ranker, settings)
        step = TrainingStep(ranker, optimizers, _loss, "bfloat16")
        seconds = statistics.median(_take_turns({OURS: step}, batches, settings, silent)[OURS])
    finally:
        torch.set_num_threads(threads)
    kept = [ranker.embeddings.table.weight, *optimizers.tensors_of_tables().values()]
    return {
        "microseconds_per_sample": round(seconds / settings.batch_size * 1e6, 3),
        "samples_per_second": round(settings.batch_size / seconds),
        "table_bytes": sum(tensor.nbytes for tensor in kept),
    }


def make_stream(settings: SpeedSettings, num_rows: int) -> RankerRows:
    """Rows whose labels follow a hidden rule of the dense features and of the commonest ids."""
    draw = np.random.default_rng(settings.seed)
    dense_RN = draw.standard_normal((num_rows, settings.num_dense), np.float32)
    sparse_RS = _draw_ids(settings, num_rows, draw)
    weight_N = draw.standard_normal(settings.num_dense) / settings.num_dense**0.5
    sign_S = draw.choice([-1.0, 1.0], settings.num_tables) / settings.num_tables**0.5
    logits_R = dense_RN @ weight_N + (np.log2(sparse_RS) % 2 - 1) @ sign_S * 2
    label_R = (draw.random(num_rows) < 1 / (1 + np.exp(-logits_R))).astype(np.float32)
    return RankerRows(dense_RN, sparse_RS, label_R, np.ones(num_rows, np.float32))


def _draw_ids(settings: SpeedSettings, num_rows: int, draw: np.random.Generator) -> NDArray[np.int32]:
    """Ids from 2 on, the lower the commoner, as categorify gives them."""
    shape, num_ids = (num_rows, settings.num_tables), settings.table_rows - 2
    if settings.ids == "uniform":
        return draw.integers(2, 2 + num_ids, shape, np.int32)
    share = np.cumsum(1 / (np.arange(num_ids) + 10.0) ** 1.05)
    ids_RS: NDArray[np.int64] = 2 + np.searchsorted(share, draw.random(shape) * share[-1])
    return ids_RS.astype(np.int32)


def _take_turns(
    variants: dict[str, Callable[[Batch], object]], batches: list[Batch], settings: SpeedSettings, progress: Progress
) -> dict[str, list[float]]:
    """Seconds of each step by variant, its batch brought to the device; the first turn, which warms, does not count."""
    device = settings.place
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(settings.num_turns + 1):
        chosen = list(islice(cycle(batches), turn * _STEPS_PER_TURN, (turn + 1) * _STEPS_PER_TURN))
        for name, step in variants.items():
            for batch in chosen:
                synchronize(device)
                started = time.perf_counter()
                step(batch)
                synchronize(device)
                if turn > 0:
                    times[name].append(time.perf_counter() - started)
        progress("time steps", turn, settings.num_turns)
    return times


def _summary(seconds: list[float], ours: list[float], batch_size: int) -> dict[str, float]:
    median = statistics.median(seconds)
    return {
        "median_ms": round(median * 1000, 2),
        "best_ms": round(min(seconds) * 1000, 2),
        "samples_per_second": round(batch_size / median),
        "times_ours": round(median / statistics.median(ours), 3),
    }


def _ours(settings: SpeedSettings, precision: Precision) -> TrainingStep:
    ranker = _our_ranker(settings)
    return TrainingStep(ranker, _our_optimizers(ranker, settings), _loss, precision)


def _our_optimizers(ranker: DLRM, settings: SpeedSettings) -> Optimizers:
    how = OptimizerSettings(dense="adagrad", learning_rate=_LEARNING_RATE, tables=settings.table_optimizer)
    return Optimizers(ranker, how)


def _our_ranker(settings: SpeedSettings) -> DLRM:
    generator = torch.Generator().manual_seed(settings.seed)
    tables = [
        EmbeddingBagConfig(
            name=f"t{number}",
            num_embeddings=settings.table_rows,
            embedding_dim=settings.embedding_dim,
            feature_names=(f"f{number}",),
        )
        for number in range(settings.num_tables)
    ]
    ranker = DLRM(
        EmbeddingBagCollection(tables, generator=generator),
        num_dense=settings.num_dense,
        dense_layers=settings.dense_layers,
        over_layers=settings.over_layers,
        generator=generator,
    )
    return ranker.to(settings.place)


def _loss(logits_B: Tensor, batch: Batch) -> Tensor:
    return weighted_bce(logits_B, batch.label_B, batch.weight_B)


class _PlainDlrm(nn.Module):
    """DLRM as one writes it first: a table per feature with sparse gradients, all products, then their triangle."""

    def __init__(self, settings: SpeedSettings) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(settings.seed)
        num_vectors, dim = settings.num_tables + 1, settings.embedding_dim
        self.tables = nn.ModuleList(
            nn.EmbeddingBag(settings.table_rows, dim, mode="sum", sparse=True) for _ in range(settings.num_tables)
        )
        self.networks = _Networks(settings, generator)
        self.triangle: Tensor
        triangle = torch.tril_indices(num_vectors, num_vectors, offset=-1)
        self.register_buffer("triangle", triangle, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """The logits [B]."""
        dense_BD = self.networks.dense_arch(batch.dense_BN)
        embedded = [table(batch.sparse_BS[:, number, None]) for number, table in enumerate(self.tables)]
        vectors_BFD = torch.stack([dense_BD, *embedded], dim=1)
        products_BFF = torch.bmm(vectors_BFD, vectors_BFD.transpose(1, 2))
        products_BP = products_BFF[:, self.triangle[0], self.triangle[1]]
        logits_B1: Tensor = self.networks.over_arch(torch.cat([dense_BD, products_BP], dim=1))
        return logits_B1.squeeze(1)


def _plain(settings: SpeedSettings) -> Callable[[Batch], object]:
    device = settings.place
    model = _PlainDlrm(settings).to(device)
    optimizers = [torch.optim.Adagrad(part.parameters(), lr=_LEARNING_RATE) for part in (model.tables, model.networks)]

    def step(batch: Batch) -> float:
        batch = batch.to(device)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = _loss(model(batch), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        # As it is, but without a warning that nobody said so.
        with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
            for optimizer in optimizers:
                optimizer.step()
        return float(loss.detach())

    return step


class _Networks(nn.Module):
    """The dense and the over arch, fed with what lies ready."""

    def __init__(self, settings: SpeedSettings, generator: torch.Generator) -> None:
        super().__init__()
        dim, num_pairs = settings.embedding_dim, settings.num_tables * (settings.num_tables + 1) // 2
        self.dense_arch = MLP(
            settings.num_dense, [*settings.dense_layers, dim], last_activation=True, generator=generator
        )
        self.over_arch = MLP(dim + num_pairs, [*settings.over_layers, 1], last_activation=False, generator=generator)
        self._products_BP: Tensor
        products_BP = torch.randn(settings.batch_size, num_pairs, generator=generator)
        self.register_buffer("_products_BP", products_BP, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """The logits [B]; the products are constant, but have a gradient as real ones do."""
        products_BP = self._products_BP[: len(batch.dense_BN)].clone().requires_grad_()
        logits_B1: Tensor = self.over_arch(torch.cat([self.dense_arch(batch.dense_BN), products_BP], dim=1))
        return logits_B1.squeeze(1)


def _networks(settings: SpeedSettings, precision: Precision) -> Callable[[Batch], object]:
    device = settings.place
    model = _Networks(settings, torch.Generator().manual_seed(settings.seed)).to(device)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=_LEARNING_RATE, fused=True)

    def step(batch: Batch) -> float:
        batch = batch.to(device)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits_B = model(batch)
        loss = _loss(logits_B.float(), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())

    return step


#: What is timed; one line per variant.
VARIANTS: dict[str, Callable[[SpeedSettings], Callable[[Batch], object]]] = {
    OURS: lambda settings: _ours(settings, "bfloat16"),
    OURS_FLOAT32: lambda settings: _ours(settings, "float32"),
    PLAIN: _plain,
    NETWORKS: lambda settings: _networks(settings, "bfloat16"),
    NETWORKS_FLOAT32: lambda settings: _networks(settings, "float32"),
}


def _limits(settings: SpeedSettings) -> dict[str, float]:
    """Of the over arch's largest product."""
    width = settings.embedding_dim + settings.num_tables * (settings.num_tables + 1) // 2
    return measure_limits(settings.batch_size, width, settings.over_layers[0], settings.place)


def final_loss(settings: SpeedSettings, precision: Precision, *, num_batches: int = 200) -> float:
    """The mean loss over the last tenth of a fixed stream that is seen once, from the same first weights."""
    rows = make_stream(settings, settings.batch_size * num_batches)
    step = _ours(settings, precision)
    stream: Iterator[Batch] = Batches(rows, batch_size=settings.batch_size, seed=settings.seed).epoch(0)
    losses = [step(batch) for batch in stream]
    return round(statistics.fmean(losses[-num_batches // 10 :]), 5)
