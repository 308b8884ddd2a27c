"""How fast `aisle import` takes events from Parquet: into an empty store, and beside a live server that takes posts.

Makes files like Online Retail (orders of many lines in the order of time, a quarter of them without a customer, a few
customers with very many), imports each in a process of its own, and writes `benchmarks/results/import_events.json`.

    python -m benchmarks.import_events --rows 1000000 5000000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aisle.cli.bench import Client, Quantiles
from aisle.cli.hardware import describe_hardware
from aisle.workspace import Workspace
from benchmarks.post_events import server

LINES_PER_ORDER, NUM_ITEMS = 20, 4000
ANONYMOUS = 0.25
FIRST_MS, LAST_MS = 1_291_161_600_000, 1_323_388_800_000  # December 2010 to December 2011
POSTED = 20  # events per post, beside an import
PAUSE_SECONDS = 0.02
RESULT = Path(__file__).parent / "results" / "import_events.json"


#: The command, which also tells its peak memory: what the system tells of a child starts at what its parent holds.
_IMPORT = """
import sys
from pathlib import Path
from aisle.cli.entry import run
code = run(sys.argv[1:])
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(peak.split()[1], file=sys.stderr)
sys.exit(code)
"""


def write_events(num_rows: int, path: Path, seed: int = 0) -> Path:
    """A file like Online Retail with so many lines."""
    draw = np.random.default_rng(seed)
    order = np.arange(num_rows) // LINES_PER_ORDER
    num_orders = int(order[-1]) + 1
    times = np.sort(draw.integers(FIRST_MS, LAST_MS, num_orders)) // 60_000 * 60_000
    users = draw.zipf(1.4, num_orders) % max(num_rows // 100, 1)
    is_anonymous = pl.Series(draw.random(num_orders) < ANONYMOUS)[order]
    orders = pl.Series(order).cast(pl.String)
    pl.select(
        type=pl.lit("purchase"),
        user_id=pl.when(~is_anonymous).then(pl.Series(users[order]).cast(pl.String)),
        session_id=pl.when(is_anonymous).then(orders),
        item_id=pl.Series(draw.zipf(1.2, num_rows) % NUM_ITEMS).cast(pl.String),
        timestamp=pl.Series(times[order]).cast(pl.Datetime("ms", "UTC")),
        quantity=pl.Series(draw.integers(1, 12, num_rows).astype(float)),
        price=pl.Series(draw.integers(50, 1500, num_rows) / 100),
        order_id=orders,
    ).write_parquet(path)
    return path


def import_file(directory: Path, path: Path) -> dict[str, Any]:
    """Import a file in a process of its own: rows per second of the whole command, and its peak memory."""
    command = [sys.executable, "-c", _IMPORT, "-C", str(directory), "import", "events", str(path), "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=True)
        seconds = time.perf_counter() - began
        errors.seek(0)
        peak_kib = int(errors.read().split()[-1])
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    report = json.loads(done.stdout)
    assert report["rejected"] == 0, report
    assert report["accepted"] + report["duplicates"] == report["rows"], report
    return {
        "rows": report["rows"],
        "accepted": report["accepted"],
        "seconds": round(seconds, 2),
        "rows_per_second": round(report["rows"] / seconds),
        "cpu_seconds": round(cpu_seconds, 2),
        "peak_memory_mib": peak_kib // 1024,
    }


class Poster(threading.Thread):
    """A shop's visitors: small posts one after the other, until told to stop."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name)
        self._url = url
        self._ended = threading.Event()
        self.times_ms: list[float] = []

    def run(self) -> None:
        """Post and take the time of each answer."""
        with closing(Client(self._url)) as client:
            while not self._ended.is_set():
                names = [f"{self.name}-{len(self.times_ms)}-{number}" for number in range(POSTED)]
                events = [{"event_id": name, "type": "view", "user_id": "u", "item_id": "1"} for name in names]
                began = time.perf_counter()
                answer = client.call("POST", "/v1/events", json.dumps({"events": events}).encode())
                self.times_ms.append((time.perf_counter() - began) * 1000)
                assert answer["accepted"] == POSTED, answer
                self._ended.wait(PAUSE_SECONDS)

    def finish(self) -> None:
        """Stop, and wait for the last answer."""
        self._ended.set()
        self.join()


def beside_a_server(directory: Path, path: Path, num_posters: int = 2) -> dict[str, Any]:
    """Import into the workspace of a live server that takes posts all the time."""
    with server(directory) as url:
        posters = [Poster(url, f"poster{number}") for number in range(num_posters)]
        for poster in posters:
            poster.start()
        try:
            result = import_file(directory, path)
        finally:
            for poster in posters:
                poster.finish()
    times = [one for poster in posters for one in poster.times_ms]
    waits = Quantiles.of(times).as_json() | {"max_ms": round(max(times), 1)}
    return result | {"posters": num_posters, "posts": len(times), "events_per_post": POSTED, **waits}


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--beside-rows", type=int, default=1_000_000)
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        alone = []
        for num_rows in options.rows:
            path = write_events(num_rows, directory / f"{num_rows}.parquet", 0)
            shop = Workspace.create(directory / f"shop{num_rows}").directory
            alone.append(import_file(shop, path))
            again = import_file(shop, path)
            assert again["accepted"] == 0, again
            path.unlink()
        path = write_events(options.beside_rows, directory / "beside.parquet", 1)
        result = {
            "benchmark": "import_events",
            "file": f"Parquet; orders of {LINES_PER_ORDER} lines, {ANONYMOUS:.0%} of them without a customer",
            "id_distribution": f"users Zipf 1.4 over a hundredth of the rows, items Zipf 1.2 over {NUM_ITEMS}",
            "store": "embedded, WAL, synchronous=FULL",
            "alone": alone,
            "beside_a_server": beside_a_server(directory / "live", path),
            "load_average_at_end": os.getloadavg()[0],
            "hardware": describe_hardware(),
        }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
