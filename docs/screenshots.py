"""Takes the pictures in ``docs/images`` from a simulated shop: ``python docs/screenshots.py [WORKSPACE]``.

Needs the extra ``dev`` and Debian's Chromium. Without a workspace one is made as ``aisle demo --dataset simulated``
makes it, in a directory that is deleted afterwards; that takes some minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
CHROMIUM = "/usr/bin/chromium"
_AISLE = (sys.executable, "-m", "aisle")


@contextmanager
def _workspace(given: list[str]) -> Iterator[Path]:
    if given:
        yield Path(given[0])
        return
    with tempfile.TemporaryDirectory(prefix="aisle-screenshots-") as folder:
        directory = Path(folder) / "shop"
        subprocess.run([*_AISLE, "-C", str(directory), "demo", "--dataset", "simulated", "--no-serve"], check=True)
        yield directory


@contextmanager
def _server(directory: Path) -> Iterator[str]:
    command = [*_AISLE, "-C", str(directory), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        try:
            yield greeting.split(" on ", 1)[1].split()[0]
        finally:
            process.terminate()


def _open(browser: Browser, url: str, width: int, scheme: str) -> Page:
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    return context.new_page()


def _take(page: Page, name: str) -> None:
    """A picture of what is in view, once every shelf has its answer and every picture is there."""
    expect(page.locator("[data-aisle-placement]:not([data-aisle-state])")).to_have_count(0, timeout=20_000)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"{name}.png")
    print(IMAGES / f"{name}.png")


def _walk(browser: Browser, url: str) -> None:
    """As one visitor on a large light screen, and as one on a small dark one."""
    for width, scheme in ((1280, "light"), (390, "dark")):
        page = _open(browser, url, width, scheme)
        page.goto("/products?category=Kitchen")
        page.locator(".card a").first.click()
        if width == 1280:
            _take(page, f"product-{width}-{scheme}")
        page.get_by_role("button", name="Add to cart").click()
        page.get_by_role("button", name="Buy now").click()
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        page.goto("/")
        _take(page, f"home-{width}-{scheme}")
    page = _open(browser, url, 1280, "dark")
    page.goto("/")
    page.locator("[data-why]").first.click()
    _take(page, "why-1280-dark")


def main() -> None:
    """Take all pictures anew."""
    IMAGES.mkdir(exist_ok=True)
    with _workspace(sys.argv[1:]) as directory, _server(directory) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        _walk(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
