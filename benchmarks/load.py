"""Whether a server holds under a steady load: recommendations and events at fixed rates, and what it costs.

Starts `aisle serve` on a copy of a trained Online Retail shop, once per number of workers, sends both kinds of calls at
their own times for a minute, and writes `benchmarks/results/load.json`: errors, latencies from when each call was due,
achieved rates, and the server's memory and processor time as they went.

    AISLE_DATA=/path/to/data python -m benchmarks.load
    python -m benchmarks.load --keep my-trained-shop --seconds 10 --workers 1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aisle.cli.bench import Client
from aisle.cli.hardware import describe_hardware
from aisle.workspace import STORE_NAME
from benchmarks.load_client import Flow, run
from benchmarks.processes import watch

RESULT = Path(__file__).parent / "results" / "load.json"
RECOMMENDATIONS_PER_SECOND, EVENTS_PER_SECOND, EVENTS_PER_BATCH = 100, 1000, 50
CONNECTIONS_PER_FLOW = 16
EVENT_TYPES = ("view", "view", "view", "view", "add_to_cart", "purchase")
WARM_UP_SECONDS = 5.0
SEED = 0


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each number of workers is under load")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--recommendations", type=float, default=RECOMMENDATIONS_PER_SECOND, help="per second")
    parser.add_argument("--events", type=float, default=EVENTS_PER_SECOND, help="per second")
    parser.add_argument("--keep", type=Path, help="a trained workspace, made there where it is missing; left as it is")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aisle-load-") as scratch:
        shop = options.keep or Path(scratch) / "trained"
        if not (shop / STORE_NAME).exists():
            aisle(shop, "demo", "--no-serve")
        result = {
            "benchmark": "load",
            "shop": "online_retail, trained by shop-quick",
            "id_distribution": f"users and items drawn uniformly from the shop's own, seed {SEED}",
            "store": "embedded, WAL, synchronous=FULL",
            "asked": {
                "recommendations_per_second": options.recommendations,
                "events_per_second": options.events,
                "events_per_batch": EVENTS_PER_BATCH,
                "seconds": options.seconds,
                "connections_per_flow": CONNECTIONS_PER_FLOW,
            },
            "runs": [measure(shop, Path(scratch) / f"shop-{number}", number, options) for number in options.workers],
            "reference": {"one_client": one_client(shop, Path(scratch) / "shop-alone")},
            "hardware": describe_hardware(),
        }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    print(options.output)


def aisle(directory: Path, *arguments: str) -> str:
    """Run one command on a workspace; what it printed."""
    command = [sys.executable, "-m", "aisle", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(shop: Path, copy: Path, workers: int, options: argparse.Namespace) -> dict[str, Any]:
    """One server under load, on a copy of the shop so that each begins with the same history."""
    copy_shop(shop, copy)
    with server(copy, workers) as (process, url), closing(Client(url)) as client:
        users = client.call("GET", "/v1/users?limit=100000")["user_ids"]
        items = [item["item_id"] for item in client.call("GET", "/v1/items?limit=1000")["items"]]
        address = urlsplit(url)

        def load(seconds: float, seed: int) -> Any:
            flows = flows_of(users, items, options, seconds, seed)
            return run(str(address.hostname), int(address.port or 0), flows, seconds, CONNECTIONS_PER_FLOW)

        asyncio.run(load(WARM_UP_SECONDS, SEED + 1))
        before = own_seconds()
        with watch(process.pid) as usage:
            outcomes = asyncio.run(load(options.seconds, SEED))
        spent = own_seconds() - before
    shutil.rmtree(copy)
    return {
        "workers": workers,
        **{name: outcome.as_json() for name, outcome in outcomes.items()},
        "events_per_second": round(outcomes["events"].as_json()["calls_per_second"] * EVENTS_PER_BATCH, 1),
        "server": usage.as_json(),
        "generator_cores": round(spent / options.seconds, 2),
    }


def copy_shop(shop: Path, copy: Path) -> None:
    """The settings, the store and the active bundle's run; budgets and all else as every shop has them."""
    shutil.copytree(shop, copy, ignore=shutil.ignore_patterns("splits", "imports"))
    (copy / "aisle.yaml").write_text("", encoding="utf-8")


@contextmanager
def server(directory: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a workspace: its process and its address."""
    command = [sys.executable, "-m", "aisle", "-C", str(directory), "serve", "--port", "0", "--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split(" on ", 1)[1].split()[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def flows_of(
    users: Sequence[str], items: Sequence[str], options: argparse.Namespace, seconds: float, seed: int
) -> list[Flow]:
    """The calls of a run, the same for the same seed."""
    draw = random.Random(seed)
    questions = [
        json.dumps({"placement": "for-you", "user_id": draw.choice(users), "limit": 10}).encode()
        for _ in range(round(options.recommendations * seconds))
    ]
    num_batches = round(options.events * seconds / EVENTS_PER_BATCH)
    batches = [
        json.dumps(
            {
                "events": [
                    {
                        "event_id": f"load-{seed}-{batch}-{number}",
                        "type": draw.choice(EVENT_TYPES),
                        "user_id": draw.choice(users),
                        "item_id": draw.choice(items),
                    }
                    for number in range(EVENTS_PER_BATCH)
                ]
            }
        ).encode()
        for batch in range(num_batches)
    ]
    return [
        Flow("recommendations", "/v1/recommendations", questions, options.recommendations, judge_answer),
        Flow("events", "/v1/events", batches, options.events / EVENTS_PER_BATCH, judge_batch),
    ]


def judge_answer(status: int, answer: Any) -> list[str]:
    """An answer is well when it has its items and no stage fell back."""
    if status != 200:
        return [f"error: status {status}"]
    short = [] if len(answer["items"]) == 10 else ["error: too few items"]
    return short + [f"degraded: {entry}" for entry in answer["degraded"]]


def judge_batch(status: int, answer: Any) -> list[str]:
    """A batch is well when each of its events is stored."""
    return [] if status == 202 and answer["accepted"] == EVENTS_PER_BATCH else [f"error: status {status}"]


def one_client(shop: Path, copy: Path) -> dict[str, Any]:
    """The same placement asked by one client without other load, and how many candidates are ranked."""
    copy_shop(shop, copy)
    told = json.loads(aisle(copy, "bench", "serve", "--requests", "300", "--json"))
    ranker = told["ranker"]
    return {
        **{name: told[name] for name in ("p50_ms", "p95_ms", "p99_ms", "requests_per_second", "sizes")},
        "healthz": told["reference"]["healthz"],
        "candidates_ranked_p50": None if ranker is None else ranker["candidates_found"],
        "model": None if ranker is None else ranker["model"],
    }


def own_seconds() -> float:
    """This process's own processor time: the price of the load itself, on the same machine."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
