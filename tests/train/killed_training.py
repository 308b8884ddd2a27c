"""A training that a test starts, kills and starts again; what it leaves at its end is compared byte by byte."""

from __future__ import annotations

import gc
from pathlib import Path

import orjson
from safetensors.torch import save

from aisle.train.engine.checkpoints import Checkpoints
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from tests.rankers import make_dlrm, make_rows

SETTINGS = LoopSettings(batch_size=64, num_epochs=6, evaluations_per_epoch=3, patience=50, unknown_rate=0.05)


def train_to_the_end(directory: Path) -> None:
    """Train on from the last checkpoint; write the final metrics and weights."""
    directory.mkdir(exist_ok=True)
    model = make_dlrm(dropout=0.1)
    rows, later = make_rows(2000), make_rows(300, seed=1)
    (directory / "started").touch()
    checkpoints = Checkpoints(directory, every_steps=4)
    fit = train_ranker(model, rows, later, SETTINGS, checkpoints=checkpoints, resume=True)
    partial = directory / "result.partial"
    partial.write_bytes(orjson.dumps(fit) + save(model.state_dict()))
    partial.rename(directory / "result")


# What torch imports at its first step takes a second: the server that processes are forked from has it done here.
train_ranker(make_dlrm(), make_rows(4), None, LoopSettings())
# A collection in a forked process would touch, and so copy, all that was imported: a quarter of a second at any moment.
gc.freeze()
