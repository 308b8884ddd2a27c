"""Things that go wrong around a shop: what is promised goes on, and what was damaged mends without a hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import directory, serve
from tests.shops import NO_HASTE

__all__ = ["directory", "serve", "trained_copy"]


@pytest.fixture
def trained_copy(trained_shop: Path, tmp_path: Path) -> Path:
    """A trained shop of one's own, with time enough on any machine: what falls back does so for the fault."""
    copy = shutil.copytree(trained_shop, tmp_path / "trained-shop")
    (copy / "aisle.yaml").write_text(NO_HASTE)
    return copy
