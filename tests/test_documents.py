"""Documents and docstrings: examples run and give what they say, links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
EXAMPLES = [path for path in sorted(SOURCE.rglob("*.py")) if ">>>" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_examples_in_docstrings_give_what_they_say(path: Path) -> None:
    name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.fixture
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_lead_somewhere(build: ModuleType) -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(documents) >= 8
    assert build.broken_links(documents) == []


def test_a_broken_link_is_found(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A Heading, here\n")
    document = tmp_path / "here.md"
    document.write_text(
        "[a](there.md) [b](there.md#a-heading-here) [c](https://example.org) [d](gone.md) [e](there.md#gone)\n"
        "```\n[f](code.md)\n```\n"
    )
    assert build.broken_links([document]) == ["here.md: gone.md", "here.md: there.md#gone"]


def test_the_reference_has_every_command(build: ModuleType) -> None:
    text = build.cli_reference()
    for heading in ("## aisle\n", "## aisle data get\n", "## aisle models activate\n"):
        assert heading in text
    assert "Examples:" in text
