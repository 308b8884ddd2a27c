"""What all tests share: in CI a test that was skipped has failed, for nobody reads the list of skips."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.shops import make_ranked_shop, make_trained_shop
from tests.tables import make_table_runs


def skips_fail() -> bool:
    """Whether this run counts a skip as a failure (``CI=true``, as continuous integration sets it)."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where :func:`skips_fail` says so."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and skips_fail():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where every test must run: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole."""
    report = yield
    if report.skipped and skips_fail():
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where every test must run: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a small simulated shop with an active bundle; tests that change it take a copy."""
    return make_trained_shop(tmp_path_factory.mktemp("trained") / "shop")


@pytest.fixture(scope="session")
def ranked_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the same shop with a small ranker in its active bundle; tests that change it take a copy."""
    return make_ranked_shop(tmp_path_factory.mktemp("ranked") / "shop")


@pytest.fixture(scope="session")
def table_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs over a small table, see :func:`tests.tables.make_table_runs`; tests that change them take a copy."""
    directory = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
        return make_table_runs(directory)
