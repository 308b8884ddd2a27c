"""Training on several ranks: processes that share the tables of one ranker and the rows of every batch.

Ranks leave their result as the last checkpoint, which is that of one process: whoever started them, or a later training
on another number of ranks, goes on from it. TorchRec and its distributed half are imported by ranks alone.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from torch import distributed

from aisle.errors import AisleError, BackendUnavailableError, ConfigError, DataError
from aisle.models import AuxiliaryRanker, Ranker
from aisle.nn.tables import Full
from aisle.progress import Progress, silent
from aisle.train.child_processes import end_with_parent, threads_each
from aisle.train.engine.devices import DeviceName
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.engine.table_optimizers import TableRule
from aisle.train.sharding.stored_rows import StoredRows

logger = logging.getLogger(__name__)

_RULES = ("row_wise_adagrad", "adagrad", "sgd")
_LIBRARIES = ("torchrec", "fbgemm_gpu")
#: So long the ranks that are left may take to say what they met when one has failed, before they are ended.
_LAST_WORDS_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class RankTraining:
    """One training as its ranks are told of it.

    Attributes:
        build: Makes the untrained ranker, the same in every process; a function of a module, or a partial of one.
        rows: What it learns from.
        later: What decides when it stops, and which weights are kept.
        settings: How it learns.
        checkpoints: The directory; a checkpoint there is gone on from if ``resume``.
        every_steps: See :class:`aisle.train.engine.checkpoints.Checkpoints`.
        every_seconds: Likewise.
        resume: Go on from what is there.
    """

    build: Callable[[], Ranker]
    rows: StoredRows
    later: StoredRows | None
    settings: LoopSettings
    checkpoints: Path
    every_steps: int | None = None
    every_seconds: float | None = 60.0
    resume: bool = False


def check_ranks(rule: TableRule | None, l2: float, device: DeviceName = "auto") -> None:
    """Refuse what several ranks cannot train, or would train otherwise than one process.

    Args:
        rule: How rows of tables move.
        l2: Their penalty.
        device: Where they shall train; ``auto`` is the processor for ranks.

    Raises:
        BackendUnavailableError: TorchRec is not installed.
        ConfigError: FBGEMM has not the rule, or has it otherwise; or the device is a GPU.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise BackendUnavailableError(
            f"--procs: expected TorchRec and FBGEMM to share tables among processes, {' and '.join(missing)} "
            "cannot be imported; pip install --no-deps -r scale-requirements.txt (see docs/scale.md), or train with "
            "--procs 1"
        )
    if rule not in _RULES or l2 > 0:
        raise ConfigError(
            f"--procs: expected a table_optimizer of {', '.join(_RULES)} without table_l2, received {rule} with "
            f"{l2:g}; --set training.table_optimizer=row_wise_adagrad --set training.table_l2=0, or --procs 1"
        )
    if device == "cuda":
        raise ConfigError(
            "--procs: expected ranks that share tables on the processor, received the device cuda; "
            "--set training.device=cpu, or --procs 1"
        )


def check_ranker(ranker: Ranker) -> None:
    """Refuse a ranker whose tables ranks cannot share, or whose own loss is of more rows than a rank's.

    Raises:
        ConfigError: a table is not full, or has bags; or the ranker adds a loss.
    """
    if isinstance(ranker, AuxiliaryRanker) and ranker.auxiliary_weight > 0:
        raise ConfigError(
            "--procs: expected a model without a loss of its own, received one with the auxiliary_weight "
            f"{ranker.auxiliary_weight:g}; --set model.auxiliary_weight=0, or --procs 1"
        )
    for table in ranker.embeddings.tables:
        if not isinstance(table.kind, Full) or table.bag_names:
            what = "bags of ids" if table.bag_names else f"the kind {table.kind.name}"
            raise ConfigError(
                f"--procs: expected full tables of single ids, table {table.name} has {what}; leave the kinds out of "
                "the recipe's tables, or --procs 1"
            )


def train_on_ranks(training: RankTraining, num_ranks: int, progress: Progress = silent) -> None:
    """Train on processes of this machine; the result is the last checkpoint, which says that it is finished.

    Args:
        training: What :func:`check_ranks` and :func:`check_ranker` have nothing against.
        num_ranks: Processes; each gets its share of the cores.
        progress: Told of steps done.

    Raises:
        AisleError: what a rank raised.
        DataError: a rank was ended from without; what it had in the last checkpoint is kept.
    """
    logger.info("training on %d ranks", num_ranks)
    context = multiprocessing.get_context("spawn")
    ranks: list[tuple[BaseProcess, Connection]] = []
    with tempfile.TemporaryDirectory(prefix="aisle-ranks-") as directory:
        meeting = Path(directory) / "meeting"
        try:
            with threads_each(max(1, (os.cpu_count() or 1) // num_ranks)):
                for rank in range(num_ranks):
                    mine, theirs = context.Pipe(duplex=False)
                    arguments = (training, rank, num_ranks, meeting, theirs)
                    process: BaseProcess = context.Process(target=_be_rank, args=arguments, daemon=True)
                    process.start()
                    theirs.close()
                    ranks.append((process, mine))
            _listen(ranks, progress)
        finally:
            for one, connection in ranks:
                one.kill()  # still running is only what waits for a rank that failed
                one.join()
                connection.close()


def _listen(ranks: list[tuple[BaseProcess, Connection]], progress: Progress) -> None:
    """Pass on what ranks say until all have ended well.

    When one fails, those that wait for it fail too; so all are heard before what came first is told apart from that.
    """
    open_ones = {connection: process for process, connection in ranks}
    failures: list[BaseException] = []
    until: float | None = None
    while open_ones and (until is None or time.monotonic() < until):
        for connection in wait(list(open_ones), None if until is None else max(0.0, until - time.monotonic())):
            assert isinstance(connection, Connection), "only these are waited for"
            try:
                message = connection.recv()
            except (EOFError, OSError):  # at the end of a message, or amid one
                process = open_ones.pop(connection)
                process.join()
                if process.exitcode != 0:
                    failures.append(_ended(process, [one for one, _ in ranks]))
                continue
            if isinstance(message, logging.LogRecord):
                logging.getLogger(message.name).handle(message)
            elif isinstance(message, BaseException):
                failures.append(message)
            else:
                progress(*message)
        if failures and until is None:
            until = time.monotonic() + _LAST_WORDS_SECONDS
    if failures:
        # In this order: what a rank raised on purpose, one that was killed, and all that follows from it.
        raise min(failures, key=lambda one: not isinstance(one, AisleError))


def _ended(process: BaseProcess, processes: list[BaseProcess]) -> DataError:
    code = process.exitcode or 0
    how = f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with {code}"
    return DataError(
        f"expected rank {processes.index(process)} of {len(processes)} to go on, {how}; where memory is short, the "
        "system ends processes; aisle train --resume goes on from the last checkpoint, on any number of processes"
    )


def _be_rank(training: RankTraining, rank: int, num_ranks: int, meeting: Path, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process that started this one
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        _train(training, rank, num_ranks, meeting, connection)
    except AisleError as error:
        connection.send(error)
    except Exception:  # noqa: BLE001  # whatever it is, the process that waits must hear of it
        connection.send(RuntimeError(f"in rank {rank} of {num_ranks}:\n{traceback.format_exc()}"))
    connection.close()
    os._exit(0)  # all is said and written; taking the libraries down would take seconds


def _train(training: RankTraining, rank: int, num_ranks: int, meeting: Path, connection: Connection) -> None:
    is_first = rank == 0
    _log_to(connection if is_first else None)
    _join_group(rank, num_ranks, meeting)
    try:
        # Only here: the process that starts ranks needs none of it.
        from aisle.train.sharding.ranker import RankCheckpoints, shard_ranker

        train_ranker(
            training.build(),
            training.rows.open(),
            None if training.later is None else training.later.open(),
            training.settings,
            checkpoints=RankCheckpoints(
                training.checkpoints, every_steps=training.every_steps, every_seconds=training.every_seconds
            ),
            resume=training.resume,
            progress=(lambda *step: connection.send(step)) if is_first else silent,
            place=shard_ranker,
        )
    finally:
        distributed.destroy_process_group()


def _join_group(rank: int, num_ranks: int, meeting: Path) -> None:
    """Meet the other ranks; they talk by the loopback alone."""
    loopback = {name for _, name in socket.if_nameindex()} & {"lo", "lo0"}
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback.pop())
    os.environ.update(LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=str(num_ranks))  # TorchRec reads these
    distributed.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=num_ranks)


def _log_to(connection: Connection | None) -> None:
    """Let the process that started this one log what Aisle logs here, and only errors of the libraries beneath."""
    warnings.simplefilter("ignore")  # theirs, of names that they will change among themselves
    for name in (*_LIBRARIES, "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    package = logging.getLogger("aisle")
    package.propagate = False
    if connection is None:
        package.addHandler(logging.NullHandler())
        return
    package.setLevel(logging.INFO)
    package.addHandler(_ToParent(connection))


class _ToParent(logging.Handler):
    """Sends records over a pipe."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        """Send one, as text."""
        record.msg, record.args, record.exc_info = self.format(record), None, None
        self._connection.send(record)
