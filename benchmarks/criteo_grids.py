"""The settings that were tried of models on the Criteo sample."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.criteo_models import Entry


@dataclass(frozen=True)
class Grid:
    """What was tried of one model: what all have, and each trial's own settings.

    Attributes:
        finalists: Where set, all are trained under the first seed, and so many of the best ones under every seed.
    """

    recipe: str
    common: tuple[str, ...]
    trials: tuple[tuple[str, ...], ...]
    finalists: int | None = None

    def entry(self, overrides: tuple[str, ...]) -> Entry:
        """A trial as a model of the benchmark."""
        return Entry(self.recipe, (*self.common, *overrides))


def _tables(optimizer: str, rate: str, l2: str, *others: str) -> tuple[str, ...]:
    first = f"training.table_optimizer={optimizer}", f"training.table_learning_rate={rate}", f"training.table_l2={l2}"
    return (*first, *others)


def _layers(dense: str, over: str) -> tuple[str, ...]:
    return f"model.dense_layers=[{dense}]", f"model.over_layers=[{over}]"


_OFTEN = ("training.evaluations_per_epoch=16", "training.patience=99")
_DEEPFM = (
    _tables("adagrad", "0.02", "3e-4"),
    _tables("adagrad", "0.02", "1e-3"),
    _tables("adagrad", "0.05", "3e-4"),
    _tables("adam", "3e-3", "1e-4"),
    _tables("adam", "3e-3", "3e-4"),
    _tables("adam", "3e-3", "1e-3"),
    _tables("adam", "3e-3", "3e-3"),
    _tables("adagrad", "0.02", "3e-4", "model.deep_layers=[64, 64]"),
    _tables("adagrad", "0.01", "3e-4"),
    _tables("adagrad", "0.01", "3e-3"),
    _tables("adagrad", "0.02", "1e-2"),
    _tables("adam", "3e-3", "1e-2"),
    _tables("adam", "1e-3", "3e-3"),
    _tables("adagrad", "0.02", "3e-4", "model.numeric=none"),
    _tables("adagrad", "0.02", "3e-4", "model.numeric=linear"),
    _tables("adagrad", "0.02", "3e-4", "training.learning_rate=1e-3"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=2048"),
    _tables("adagrad", "0.02", "3e-4", "training.num_epochs=3"),
    _tables("adagrad", "0.02", "3e-4", "tables.embedding_dim=8"),
    _tables("adagrad", "0.02", "3e-4", *_OFTEN),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512", "model.numeric=linear"),
    _tables("adagrad", "0.02", "1e-3", "training.batch_size=512"),
    _tables("adagrad", "0.02", "1e-4", "training.batch_size=512"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512", "training.learning_rate=1e-3"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512", "model.dropout=0.2"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=256"),
    _tables("adagrad", "0.01", "3e-4", "training.batch_size=512"),
    _tables("adagrad", "0.02", "3e-4", "training.num_epochs=1"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512", *_OFTEN),
    _tables("adagrad", "0.02", "3e-4", "training.num_epochs=1", *_OFTEN),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512", "training.learning_rate=1e-3", *_OFTEN),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=256", "training.learning_rate=1e-3"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512", "training.learning_rate=1e-3", "model.dropout=0.2"),
    _tables("adagrad", "0.02", "3e-4", "training.batch_size=512", "training.learning_rate=5e-4"),
)
_AUTOINT = (
    _tables("adagrad", "0.02", "1e-4"),
    _tables("adagrad", "0.02", "1e-4", "model.deep_layers=[256, 128]"),
    _tables("adagrad", "0.02", "1e-4", "model.attention_layers=1"),
    _tables("adagrad", "0.02", "1e-4", "model.attention_layers=2"),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=1e-3"),
    _tables("adagrad", "0.02", "1e-3"),
    _tables("adam", "3e-3", "1e-3"),
    _tables("adagrad", "0.02", "1e-4", "model.numeric=linear"),
    _tables("adagrad", "0.02", "1e-4", "model.attention_layers=1", "model.deep_layers=[256, 128]"),
    _tables("adagrad", "0.02", "1e-4", "training.batch_size=512"),
    _tables("adagrad", "0.02", "1e-4", "training.num_epochs=3"),
)
_LOW = "model.reduction=0.1"
_MASKNET = (
    _tables("adagrad", "0.05", "3e-5", "training.learning_rate=1e-3"),
    _tables("adagrad", "0.05", "3e-5", "training.learning_rate=1e-3", _LOW),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=1e-3", _LOW),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=3e-4", _LOW),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=3e-3", _LOW),
    _tables("adagrad", "0.02", "1e-3", "training.learning_rate=1e-3", _LOW),
    _tables("adam", "3e-3", "1e-3", "training.learning_rate=1e-3", _LOW),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=1e-3", _LOW, "model.structure=serial"),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=1e-3", _LOW, "model.blocks=[64]"),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=1e-3", _LOW, "model.numeric=linear"),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=1e-3", _LOW, "model.dropout=0.3"),
    _tables("adagrad", "0.02", "1e-4", "training.learning_rate=1e-3", _LOW, "training.num_epochs=1"),
)
_SIZES = (
    _layers("512, 256, 64", "512, 256"),
    _layers("256, 64", "256, 64"),
    _layers("128, 32", "128, 64"),
)
GRIDS = {
    "deepfm, bucketized": Grid("criteo-bucketized", ("model.kind=deepfm",), _DEEPFM),
    "autoint": Grid("criteo", ("model.kind=autoint",), _AUTOINT, finalists=2),
    "masknet": Grid("criteo", ("model.kind=masknet",), _MASKNET, finalists=3),
    "dlrm, smaller layers": Grid("criteo", (), _SIZES),
    "dlrm, bucketized": Grid("criteo-bucketized", (), _SIZES),
}
