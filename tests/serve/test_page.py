"""The first page: its files, its banner, and that it calls nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from aisle.pipeline.request import PLACEMENTS


class Outline(HTMLParser):
    """Every tag with its attributes, and whether all that was opened is closed again."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def outline(client: TestClient) -> Outline:
    parsed = Outline()
    parsed.feed(client.get("/").text)
    return parsed


def test_the_page_is_well_formed_and_shows_every_placement(outline: Outline) -> None:
    assert outline.open == []
    shown = {attributes["data-placement"] for _, attributes in outline.tags if "data-placement" in attributes}
    assert shown == set(PLACEMENTS)
    assert [attributes["lang"] for tag, attributes in outline.tags if tag == "html"] == ["en"]


def test_every_field_has_a_label_and_ids_are_unique(outline: Outline) -> None:
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes.get("for") for tag, attributes in outline.tags if tag == "label"}
    assert {attributes["id"] for tag, attributes in outline.tags if tag == "input"} <= labelled


def test_every_file_it_names_is_here_and_nothing_is_elsewhere(client: TestClient, outline: Outline) -> None:
    for tag, attributes in outline.tags:
        address = attributes.get("src") or (attributes.get("href") if tag in ("link", "a") else None)
        if address and not address.startswith(("#", "data:")):
            assert address.startswith("/"), address
            assert client.get(address).status_code == 200
    for name in ("page.css", "page.js"):
        assert not re.search(r"https?://|//[a-z]+\.", client.get(f"/page/{name}").text)
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "http" not in policy


def test_the_script_uses_only_ids_of_the_page(client: TestClient, outline: Outline) -> None:
    ids = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    used = set(re.findall(r'byId\("([^"]+)"\)', client.get("/page/page.js").text))
    assert used and used <= ids


def test_titles_never_become_markup(client: TestClient) -> None:
    script = client.get("/page/page.js").text
    assert "innerHTML" not in script and "outerHTML" not in script and "insertAdjacentHTML" not in script


def test_the_banner_shows_for_simulated_data_alone(start: Callable[..., TestClient]) -> None:
    assert 'data-simulated="false"' in start().get("/").text
    assert 'data-simulated="true"' in start("simulated: true").get("/").text


def test_there_are_no_other_files(client: TestClient) -> None:
    for path in ("/page/index.html", "/page/../app.py", "/page/%2e%2e%2fapp.py", "/page/"):
        assert client.get(path).status_code == 404
