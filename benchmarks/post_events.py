"""How many events per second a server takes over HTTP, each batch durable before it is acknowledged.

Starts `aisle serve` on a new workspace, posts batches over keep-alive connections, and writes
`benchmarks/results/post_events.json`. Beside it stands what the disk alone allows: the same number of bytes written
and synced per batch.

    python -m benchmarks.post_events --seconds 10
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from aisle.cli.bench import Client, Quantiles
from aisle.cli.hardware import describe_hardware
from aisle.workspace import Workspace

BATCH = 100
NUM_USERS, NUM_ITEMS = 20_000, 5_000
RESULT = Path(__file__).parent / "results" / "post_events.json"


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """A server on a new workspace; its address."""
    Workspace.create(directory)
    command = [sys.executable, "-m", "aisle", "-C", str(directory), "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split(" on ", 1)[1].split()[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def bodies(num_batches: int, seed: int) -> list[bytes]:
    """Batches of a shop's browser events, each with its own id."""
    draw = random.Random(seed)
    return [
        json.dumps({"events": [_event(draw, f"{seed}-{batch}-{number}") for number in range(BATCH)]}).encode()
        for batch in range(num_batches)
    ]


def _event(draw: random.Random, event_id: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "type": draw.choice(["impression", "view", "view", "add_to_cart", "purchase"]),
        "user_id": f"u{draw.randrange(NUM_USERS)}",
        "session_id": f"s{draw.randrange(NUM_USERS)}",
        "item_id": f"i{draw.randrange(NUM_ITEMS)}",
        "timestamp": 1_700_000_000_000 + draw.randrange(1_000_000_000),
        "context": {"device": "phone"},
    }


def post(url: str, batches: list[bytes]) -> list[float]:
    """Post the batches one after the other; the milliseconds of each."""
    times = []
    with closing(Client(url)) as client:
        for batch in batches:
            started = time.perf_counter()
            answer = client.call("POST", "/v1/events", batch)
            times.append((time.perf_counter() - started) * 1000)
            assert answer["accepted"] == BATCH, answer
    return times


def measure(url: str, *, num_clients: int, batches_per_client: int, seed: int = 0) -> dict[str, Any]:
    """Post from several clients at once; events per second and the times of the batches."""
    loads = [bodies(batches_per_client, seed * 100 + client) for client in range(num_clients)]
    times: list[float] = []
    threads = [threading.Thread(target=lambda load=load: times.extend(post(url, load))) for load in loads]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    num_batches = num_clients * batches_per_client
    assert len(times) == num_batches, "a client failed"
    return {
        "clients": num_clients,
        "batches": num_batches,
        "events_per_second": round(num_batches * BATCH / seconds),
        **Quantiles.of(times).as_json(),
    }


def disk_alone(directory: Path, num_bytes: int, repeats: int = 200) -> dict[str, float]:
    """Appending and syncing as many bytes as one batch has: what durability costs without a server."""
    times = []
    with (directory / "sync.bin").open("wb") as file:
        for _ in range(repeats):
            started = time.perf_counter()
            file.write(b"x" * num_bytes)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return Quantiles.of(times).as_json()


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="about how long to post for each number of clients")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, server(Path(directory) / "shop") as url:
        warm = measure(url, num_clients=1, batches_per_client=50, seed=1)
        per_second = warm["events_per_second"] / BATCH
        runs = [
            measure(url, num_clients=clients, batches_per_client=int(per_second * options.seconds / clients), seed=seed)
            for seed, clients in ((2, 1), (3, 4))
        ]
        result = {
            "benchmark": "post_events",
            "batch": BATCH,
            "body_bytes": len(bodies(1, 0)[0]),
            "id_distribution": f"uniform over {NUM_USERS} users and {NUM_ITEMS} items",
            "store": "embedded, WAL, synchronous=FULL",
            "runs": runs,
            "reference": {"write_and_sync_of_one_body": disk_alone(Path(directory), len(bodies(1, 0)[0]))},
            "hardware": describe_hardware(),
        }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
