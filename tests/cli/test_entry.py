"""Exit codes, one clear error, quick help, and the list of commands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from aisle.cli import entry
from aisle.cli.context import CliContext
from aisle.errors import DataError


def aisle(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aisle", *arguments], capture_output=True, text=True, check=False, **more
    )  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def extra_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that fail in every way."""

    @click.command()
    @click.argument("how")
    @click.pass_obj
    def fails(context: CliContext, how: str) -> None:
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "expected":
            raise DataError("expected a file, received none")
        if how == "unexpected":
            raise ZeroDivisionError("by zero")
        click.echo(f"{context.directory} {context.is_default}")

    monkeypatch.setattr(entry.LazyGroup, "get_command", lambda self, ctx, name: fails if name == "fails" else None)


@pytest.mark.usefixtures("extra_command")
@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["fails", "not"], 0, ". True\n", ""),
        (["-C", "shop", "fails", "not"], 0, "shop False\n", ""),
        (["fails", "expected"], 1, "", "Error: expected a file, received none\n"),
        (
            ["fails", "unexpected"],
            1,
            "",
            "Error: ZeroDivisionError: by zero (unexpected; `aisle --debug ...` shows where)\n",
        ),
        (["fails", "interrupt"], 130, "", "Interrupted.\n"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, out: str, err: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == out
    assert captured.err == err


@pytest.mark.usefixtures("extra_command")
@pytest.mark.parametrize("arguments", [["fails"], ["fails", "a", "b"], ["--nonsense"], ["nonsense"], []])
def test_wrong_usage_is_2_and_shows_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: aisle" in captured.err


@pytest.mark.usefixtures("extra_command")
def test_debug_shows_the_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        entry.run(["--debug", "fails", "unexpected"])


def test_main_exits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["aisle", "--version"])
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("aisle 0.")


def test_the_list_of_commands_and_their_help(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(entry.group)
    names = entry.group.list_commands(context)
    modules = {path.stem for path in Path(entry.__file__).parent.glob("*.py")}
    assert names == [name for name, (module, _) in entry.COMMANDS.items() if module in modules]
    for name in names:
        command = entry.group.get_command(context, name)
        assert isinstance(command, click.Command)
        for path in [[name]] + (
            [[name, inner] for inner in command.commands] if isinstance(command, click.Group) else []
        ):
            assert entry.run([*path, "--help"]) == 0
            text = capsys.readouterr().out
            assert re.search(rf"Examples?:\n.*aisle .*{' '.join(path)}", text, re.S), (
                f"aisle {' '.join(path)} has no example"
            )


def test_an_absent_command_is_not_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(entry.COMMANDS, "absent", ("no_such_module", "Nothing."))
    assert entry.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "  models " in out
    assert "absent" not in out
    assert entry.run(["absent"]) == 2


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from aisle.cli.entry import run; code = run(['--help']);"
        "heavy = {'numpy', 'polars', 'fastapi', 'sqlalchemy', 'pydantic', 'rich', 'scipy', 'torch'} & set(sys.modules);"
        "print('HEAVY', sorted(heavy), code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY [] 0"


def test_as_a_process() -> None:
    assert aisle("--help").returncode == 0
    wrong = aisle("models", "list", cwd="/")
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    assert wrong.stderr.startswith("Error: expected a workspace in ")
    assert len(wrong.stderr.splitlines()) == 1
    assert "Traceback" in aisle("--debug", "models", "list", cwd="/").stderr


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    # A download from a server that never answers, interrupted once it has begun.
    script = (
        "import os, signal, sys, threading, time\n"
        "from aisle.data import datasets\n"
        "from aisle.cli.entry import run\n"
        "def wait(*_):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(30)\n"
        "datasets.load = wait\n"
        "sys.exit(run(['data', 'get', 'online_retail']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "Interrupted.\n"


def test_a_reader_that_stops_reading_is_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(.3); from aisle.cli import main; main(['--help'])"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert error == b""
