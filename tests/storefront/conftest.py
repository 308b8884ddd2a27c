"""Real browsers on real servers: a headless Chromium, and the storefront of a small trained shop."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.e2e.conftest import Server
from tests.shops import NO_HASTE

#: The one address that a test asks for though nothing is there.
MISSING = "/products/no-such-item"
CHROMIUM = Path("/usr/bin/chromium")
#: Sums up what moved on a page without anybody having touched it, and keeps the sum across reads.
_COUNT_SHIFTS = """
window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module's tests; each test has contexts of its own."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs the browser {CHROMIUM}; on Debian: apt-get install -y chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shop_copy(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained shop whose stages never fall back for want of time."""
    directory = tmp_path_factory.mktemp("storefront") / "shop"
    shutil.copytree(trained_shop, directory)
    settings = directory / "aisle.yaml"
    settings.write_text(settings.read_text() + NO_HASTE)
    return directory


@pytest.fixture(scope="module")
def storefront(shop_copy: Path) -> Iterator[Server]:
    server = Server(shop_copy)
    yield server
    server.stop()


@pytest.fixture
def visit(chromium: Browser, storefront: Server) -> Iterator[Visit]:
    """Opens a page of the storefront as a new visitor; in the end no script has failed and no call left the server."""
    strangers: list[str] = []
    faults: list[str] = []

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != urlsplit(storefront.url).netloc:
            strangers.append(request.url)

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(MISSING):
            faults.append(message.text)

    def open_page(path: str = "/", width: int = 1280, scheme: str = "light") -> Page:
        context = chromium.new_context(
            base_url=storefront.url,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        context.set_default_timeout(20_000)
        context.add_init_script(_COUNT_SHIFTS)
        context.on("request", note)
        context.on("weberror", lambda error: faults.append(str(error.error)))
        page = context.new_page()
        page.on("console", complain)
        page.goto(path)
        settled(page)
        return page

    yield open_page
    for context in chromium.contexts:
        context.close()
    assert strangers == []
    assert faults == []


def settled(page: Page) -> Page:
    """The page once every shelf has its answer."""
    page.wait_for_load_state("load")
    expect(page.locator("[data-aisle-placement]:not([data-aisle-state])")).to_have_count(0, timeout=20_000)
    return page


def shown(page: Page, placement: str) -> list[str]:
    """The ids of the items on a shelf, in their order."""
    links = page.locator(f"[data-aisle-placement='{placement}'] .card a")
    addresses = links.evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    return [str(address).removeprefix("/products/") for address in addresses]
