"""aisle serve: the HTTP server of a workspace, in one process or several."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.context import CliContext
from aisle.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from aisle.serve.logs import LogFormat

#: How a worker process learns which workspace it serves.
WORKSPACE_VARIABLE = "AISLE_SERVE_WORKSPACE"
#: And how it logs; not set where calls are not logged.
LOG_VARIABLE = "AISLE_SERVE_LOG_FORMAT"
#: Calls in flight get this long to end after SIGINT or SIGTERM.
GRACEFUL_SECONDS = 10
READY_TIMEOUT_SECONDS = 120


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need keys.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes any free one."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Number of processes.")
@click.option(
    "--log-format",
    type=click.Choice(("json", "text")),
    help="Log each call to standard error, without ids, keys, addresses and bodies; else warnings and errors alone.",
)
@click.pass_obj
def command(context: CliContext, host: str, port: int, workers: int, log_format: LogFormat | None) -> None:
    """Serve the HTTP API and the storefront.

    \b
    Example:
      aisle -C my-shop serve --port 8000 --workers 2
    """
    serve(context.directory, host=host, port=port, workers=workers, log_format=log_format)


def serve(directory: Path, *, host: str, port: int, workers: int = 1, log_format: LogFormat | None = None) -> None:
    """Serve a workspace until SIGINT or SIGTERM; calls in flight are answered first.

    Raises:
        ConfigError: there is no workspace, its keys do not allow the host, or the port is taken.
    """
    directory = directory.resolve()
    _check(directory, host)
    from aisle.serve.logs import configure_logs

    with listening(host, port, workers) as listeners:
        configure_logs(log_format)
        announced = (_reachable(host), listeners[0].getsockname()[1], directory)
        threading.Thread(target=_announce, args=announced, daemon=True).start()
        if workers == 1:
            _serve_alone(directory, listeners[0])
        else:
            _serve_together(directory, listeners, log_format)


def worker_app() -> FastAPI:
    """The app of one worker process; the workspace and the log's format are named by the environment."""
    from aisle.serve import create_app
    from aisle.serve.logs import configure_logs

    log_format = os.environ.get(LOG_VARIABLE)
    configure_logs("json" if log_format == "json" else "text" if log_format == "text" else None)
    return create_app(Path(os.environ[WORKSPACE_VARIABLE]))


def _check(directory: Path, host: str) -> None:
    """Say what is wrong before any process is started."""
    from aisle.serve.access import Keys, check_binding
    from aisle.workspace import Workspace

    server = Workspace.open(directory).config.server
    check_binding(host, Keys(server.admin_key, server.write_key))


def _serve_alone(directory: Path, listener: socket.socket) -> None:
    import uvicorn

    from aisle.serve import create_app

    uvicorn.Server(_config(create_app(directory))).run(sockets=[listener])


def _serve_together(directory: Path, listeners: Sequence[socket.socket], log_format: LogFormat | None) -> None:
    from aisle.cli.workers import Workers
    from aisle.serve.instruments import MULTIPROCESS_VARIABLE

    # Workers add up what they measured through files in this directory; it must be named before they start.
    measured = tempfile.mkdtemp(prefix="aisle-metrics-")
    os.environ[MULTIPROCESS_VARIABLE] = measured
    os.environ[WORKSPACE_VARIABLE] = str(directory)
    os.environ[LOG_VARIABLE] = log_format or ""
    config = _config("aisle.cli.serve:worker_app", workers=len(listeners))
    try:
        Workers(config, list(listeners)).run()
    finally:
        shutil.rmtree(measured, ignore_errors=True)


def _config(app: FastAPI | str, workers: int = 1) -> uvicorn.Config:
    import uvicorn

    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


@contextmanager
def listening(host: str, port: int, workers: int = 1) -> Iterator[list[socket.socket]]:
    """A bound socket per worker, made here so that a taken port is one clear error and port 0 is known by its number.

    The system spreads connections over sockets that share a port. On one socket the worker that wakes first takes all
    that wait, and with connections that are kept open it would do nearly all the work.
    """
    alone = _bound(host, port)  # fails where anybody listens; sockets that share a port would not
    if workers == 1:
        with alone:
            yield [alone]
        return
    with alone:
        port = alone.getsockname()[1]
    with ExitStack() as stack:
        yield [stack.enter_context(_bound(host, port, is_shared=True)) for _ in range(workers)]


def _bound(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError as error:
        listener.close()
        raise ConfigError(_cannot_listen(host, port, error)) from error
    listener.set_inheritable(True)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken by another process; stop it, or choose another: --port {port + 1}"
    return f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another --host or --port"


def _reachable(host: str) -> str:
    """The name by which a browser on this machine reaches a server that listens on ``host``."""
    host = host.strip("[]")
    try:
        if ipaddress.ip_address(host).is_unspecified:
            return "::1" if ":" in host else "127.0.0.1"
    except ValueError:
        pass  # a name, not an address
    return host


def _announce(host: str, port: int, directory: Path) -> None:
    """Say where the server is, once it answers: with keys set, a 401 is an answer too."""
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.02)
            continue
        finally:
            connection.close()
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{port}"
        click.echo(f"Aisle serves {directory.name} on {url} (API: {url}/docs). Stop it with Ctrl-C.")
        sys.stdout.flush()
        return
