"""aisle bench: measurements of a running system that name the machine and the sizes they were made on."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import click

from aisle.cli.bench_index import bench_index
from aisle.cli.bench_ranker import measure_ranker
from aisle.cli.bench_train import bench_train
from aisle.cli.context import CliContext
from aisle.cli.hardware import describe_hardware
from aisle.cli.quantiles import Quantiles
from aisle.errors import BackendUnavailableError, DataError

START_TIMEOUT_SECONDS = 120
_ITEM_PLACEMENTS = ("similar-items", "bought-together")
_PLACEMENTS = (
    "for-you",
    "similar-items",
    "bought-together",
    "next-in-session",
    "buy-it-again",
    "trending",
    "popular",
)


@click.group()
def command() -> None:
    """Measure the system; each result names the hardware and the sizes.

    \b
    Example:
      aisle -C my-shop bench serve --json
    """


command.add_command(bench_index)
command.add_command(bench_train)


@command.command("serve")
@click.option("--url", help="A running server; without it one is started on the workspace and stopped afterwards.")
@click.option("--key", envvar="AISLE_ADMIN_KEY", help="Admin key, where the server asks for one.")
@click.option("--placement", default="for-you", show_default=True, type=click.Choice(_PLACEMENTS))
@click.option("--requests", "num_requests", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--warmup", default=100, show_default=True, type=click.IntRange(0), help="Requests before measuring.")
@click.option("-n", "--limit", default=10, show_default=True, type=click.IntRange(1, 500), help="Items per answer.")
@click.option("--seed", default=0, show_default=True, help="Draws the users.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def bench_serve(
    context: CliContext,
    url: str | None,
    key: str | None,
    placement: str,
    num_requests: int,
    warmup: int,
    limit: int,
    seed: int,
    as_json: bool,
) -> None:
    """Time recommendation answers: one client, one keep-alive connection, users drawn at random.

    Where a model ranks the placement, the same answers are also given within this process, from exactly 500 candidates:
    all but the model's forward, and the forward alone. (Not with --url: that workspace may be elsewhere.)

    \b
    Example:
      aisle -C my-shop bench serve --placement for-you --requests 2000
    """
    with _server(context.directory, url, key) as client:
        load = _Load(client, placement, limit, seed)
        for _ in range(warmup):
            load.ask()
        result = load.measure(num_requests)
    result["ranker"] = None
    if url is None:
        result["ranker"] = measure_ranker(
            context.directory,
            placement,
            load.user_ids,
            num_requests=num_requests,
            warmup=warmup,
            limit=limit,
            seed=seed,
        )
    if as_json:
        click.echo(json.dumps(result))
    else:
        _report(result)


def _report(result: dict[str, Any]) -> None:
    click.echo(
        f"{result['placement']}: {Quantiles(**_times(result))}, "
        f"{result['requests_per_second']:.0f} requests/s by one client"
    )
    reference = result["reference"]["healthz"]
    click.echo(f"an empty answer (/healthz) in the same run: p50 {reference['p50_ms']:.2f} ms")
    if (ranker := result["ranker"]) is not None:
        held = ", ".join(map(str, ranker["candidates"]))
        click.echo(f"ranked within one process, {held} candidates (found: {ranker['candidates_found']:.0f}):")
        rows = (("all but the forward", "without_forward"), ("of it featurizing", "featurize"), ("forward", "forward"))
        for label, name in rows:
            click.echo(f"  {label + ':':21}{Quantiles(**ranker[name])}")
        model = ranker["model"]
        click.echo(
            f"  {model['kind']}: {model['tables']} tables of {model['table_rows']} rows, {model['table_parameters']:,} "
            f"parameters, {model['table_bytes']:,} bytes; graph of {model['graph_bytes']:,} bytes"
        )
    click.echo(f"sizes: {result['sizes']}; machine: {result['hardware']}")


def _times(result: dict[str, Any]) -> dict[str, float]:
    return {name: result[name] for name in ("p50_ms", "p95_ms", "p99_ms")}


class Client:
    """One keep-alive connection to a server.

    Raises:
        BackendUnavailableError: the server is not there, or answers with an error.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._url = url
        self._connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=30)
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        """One call and its answer."""
        try:
            self._connection.request(method, path, body, self._headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise BackendUnavailableError(f"no answer from {self._url}: {error}; is the server running?") from error
        if response.status >= 400:
            text = content[:500].decode("utf-8", "replace")
            raise BackendUnavailableError(f"{method} {path} on {self._url} answered {response.status}: {text}")
        return json.loads(content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class _Load:
    """The questions of one run, the same for the same seed and server."""

    def __init__(self, client: Client, placement: str, limit: int, seed: int) -> None:
        self._client = client
        self._placement = placement
        self._limit = limit
        self._random = random.Random(seed)
        users = client.call("GET", "/v1/users?limit=100000")
        items = client.call("GET", "/v1/items?limit=1000")
        self.user_ids: list[str] = users["user_ids"]
        self._items = [item["item_id"] for item in items["items"]]
        if not self.user_ids or not self._items:
            raise DataError(
                f"expected a shop with users and items, received {len(self.user_ids)} users and {len(self._items)} "
                "items; run: aisle import"
            )
        self._sizes = {"items": items["total"], "users": users["total"], "limit": limit}

    def ask(self) -> float:
        """One question; the milliseconds it took."""
        question: dict[str, Any] = {
            "placement": self._placement,
            "user_id": self._random.choice(self.user_ids),
            "limit": self._limit,
        }
        if self._placement in _ITEM_PLACEMENTS:
            question["items"] = [self._random.choice(self._items)]
        body = json.dumps(question).encode()
        return _milliseconds(lambda: self._client.call("POST", "/v1/recommendations", body))

    def measure(self, num_requests: int) -> dict[str, Any]:
        """Ask so often, and say how long it took beside an empty answer of the same server."""
        empty = [_milliseconds(lambda: self._client.call("GET", "/healthz")) for _ in range(min(num_requests, 300))]
        started = time.perf_counter()
        times = [self.ask() for _ in range(num_requests)]
        seconds = time.perf_counter() - started
        version = self._client.call("GET", "/readyz")["model_version"]
        return {
            "bench": "serve",
            "placement": self._placement,
            **Quantiles.of(times).as_json(),
            "requests_per_second": round(num_requests / seconds, 1),
            "requests": num_requests,
            "clients": 1,
            "batch": 1,
            "id_distribution": f"users drawn uniformly from {len(self.user_ids)} known ones",
            "model_version": version,
            "sizes": self._sizes,
            "reference": {"healthz": Quantiles.of(empty).as_json()},
            "hardware": describe_hardware(),
        }


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


@contextmanager
def _server(directory: Path, url: str | None, key: str | None) -> Iterator[Client]:
    """A client of the server at ``url``, or of one that is started on the workspace for this run."""
    if url is not None:
        with closing(Client(url, key)) as client:
            yield client
        return
    from aisle.workspace import Workspace

    key = key or Workspace.open(directory).config.server.admin_key
    with tempfile.TemporaryFile() as errors:
        arguments = [sys.executable, "-m", "aisle", "-C", str(directory), "serve", "--port", "0"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors) as process:
            try:
                with closing(Client(_wait_for_address(process, errors), key)) as client:
                    yield client
            finally:
                process.terminate()


def _wait_for_address(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """The address from the line that ``aisle serve`` prints when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    if " on http" not in line:
        process.wait(timeout=START_TIMEOUT_SECONDS)
        errors.seek(0)
        raise BackendUnavailableError(f"the server did not start: {errors.read().decode('utf-8', 'replace').strip()}")
    return line.split(" on ", 1)[1].split()[0]
