"""An import that is killed with SIGKILL again and again, in a process of its own: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import polars as pl
import pytest

from aisle.store import SqlStore
from aisle.workspace import Workspace

NUM_ROWS = 60_000
NUM_KILLS = 4


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """Purchases of which every tenth is said twice, far apart in the file, and every hundredth is wrong."""
    row = pl.int_range(NUM_ROWS, dtype=pl.Int64)
    said = pl.when(row % 10 == 9).then(row - 9).otherwise(row)
    # Half of the doubles follow at once, the other half many chunks later.
    frame = pl.select(said=said).with_columns(said=pl.col("said").shuffle(seed=0))
    return frame.select(
        type=pl.lit("purchase"),
        user_id=pl.format("u{}", pl.col("said") % 997),
        item_id=pl.format("i{}", pl.col("said") % 499),
        timestamp=1_300_000_000_000 + pl.col("said") * 60_000,
        quantity=pl.when(pl.col("said") % 100 == 1).then(-1.0).otherwise(1.0),
        order_id=pl.format("o{}", pl.col("said")),
    )


def start(workspace: Workspace, path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "aisle", "-C", str(workspace.directory), "import", "events", str(path), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def events_in(workspace: Workspace) -> int:
    store = SqlStore(workspace.store_path)
    try:
        return store.num_events()
    finally:
        store.close()


@pytest.mark.parametrize("name", ["events.parquet", "events.csv"])
def test_killed_again_and_again(name: str, frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("csv"):
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    workspace = Workspace.create(tmp_path / "shop")
    chance = random.Random(7)
    before, num_kills = 0, 0
    while num_kills < NUM_KILLS:
        process = start(workspace, path)
        goal = before + chance.randint(2_000, 10_000)
        while process.poll() is None and events_in(workspace) < goal:
            time.sleep(0.005)
        assert process.poll() is None, "the import ended before it was killed"
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.communicate()
        num_kills += 1
        assert events_in(workspace) > before, "what was committed stays"
        before = events_in(workspace)
    output, _ = start(workspace, path).communicate()
    report = orjson.loads(output)
    (file,) = report["files"]
    rejected = frame.filter(pl.col("quantity") < 0).height
    assert (report["rows"], report["accepted"]) == (NUM_ROWS, NUM_ROWS - rejected)
    assert (report["duplicates"], report["rejected"]) == (0, rejected)
    assert file["resumed_at"] + file["rows_read"] == NUM_ROWS
    assert len(Path(file["rejects_file"]).read_bytes().splitlines()) == rejected

    store = SqlStore(workspace.store_path)
    users, items = store.ids("user"), store.ids("item")
    stored = pl.concat(store.scan_events())
    store.close()
    found = stored.select(
        user_id=pl.col("user_row").map_elements(users.__getitem__, pl.String),
        item_id=pl.col("item_row").map_elements(items.__getitem__, pl.String),
        timestamp="time_ms",
        order_id="order_id",
    )
    names = ["order_id", "user_id", "item_id", "timestamp"]
    wanted = frame.filter(pl.col("quantity") > 0).select(names)
    assert found.select(names).sort(names).equals(wanted.sort(names))
    assert os.listdir(workspace.imports) == [Path(file["rejects_file"]).name]  # noqa: PTH208 - all that is left there

    again, _ = start(workspace, path).communicate()
    assert orjson.loads(again)["accepted"] == 0
