"""The storefront's looks: it fits, holds still, is light and dark, and can be used by keyboard and screen reader."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.storefront.conftest import MISSING, Visit, settled

PAGES = ("/products", "/products?category=Kitchen", "/products?search=blue", "/products/item-0003", "/visitors")
MAX_LAYOUT_SHIFT = 0.02


def _every_page(page: Page) -> list[str]:
    """Addresses of all kinds of pages; there is something in the cart by then."""
    page.goto("/products/item-0003")
    settled(page)
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("heading", name="Your cart", exact=True)).to_be_visible()
    return ["/cart", "/", *PAGES, MISSING, "/cart?ordered=true"]


def _luminance(colour: str) -> float:
    """Of a colour as a browser computes it, ``rgb(1, 2, 3)``; from 0 (black) to 255."""
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (390, "light"), (1280, "dark")])
def test_every_page_fits_holds_still_and_follows_the_scheme(visit: Visit, width: int, scheme: str) -> None:
    page = visit("/", width, scheme)
    for path in _every_page(page):
        page.goto(path)
        settled(page)
        client, scroll = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
        assert scroll <= client == width, path
        page.wait_for_timeout(100)  # a frame or two, in which something could still move
        assert page.evaluate("window.layoutShift") < MAX_LAYOUT_SHIFT, path
        ground, ink = (
            _luminance(page.evaluate(f"getComputedStyle(document.body).{name}"))
            for name in ("backgroundColor", "color")
        )
        assert (ground > 200 and ink < 60) if scheme == "light" else (ground < 60 and ink > 200), path


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(visit: Visit, width: int, scheme: str) -> None:
    page = visit("/", width, scheme)
    for path in _every_page(page):
        page.goto(path)
        settled(page)
        found = Axe().run(page).response["violations"]
        grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert grave == [], path
    page.goto("/")
    settled(page).locator("[data-why]").first.click()
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_a_shift_and_a_fault_would_be_noticed(visit: Visit) -> None:
    page = visit("/products")
    assert page.evaluate("window.layoutShift") < MAX_LAYOUT_SHIFT
    page.evaluate("document.querySelector('main').style.marginTop = '300px'")
    page.wait_for_timeout(200)
    assert page.evaluate("window.layoutShift") > MAX_LAYOUT_SHIFT
    page.evaluate("document.querySelector('.card img').removeAttribute('alt')")
    assert [one["id"] for one in Axe().run(page).response["violations"]] == ["image-alt"]


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus bears a name."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(
            "() => { const one = document.activeElement; "
            "return (one.getAttribute('aria-label') || one.innerText || one.placeholder || '').trim() }"
        ).startswith(name):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"Tab never came to {name!r}")


def test_a_purchase_by_keyboard_alone(visit: Visit) -> None:
    page = visit("/")
    _tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.reload()
    _tab_to(settled(page), "Search products")
    page.keyboard.type("amber")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("“amber”")
    _tab_to(page, "Amber")
    page.keyboard.press("Enter")
    _tab_to(settled(page), "Add to cart")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your cart", exact=True)).to_be_visible()
    _tab_to(page, "Buy now")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def test_why_opens_and_closes_by_keyboard_and_gives_the_focus_back(visit: Visit) -> None:
    page = visit("/")
    _tab_to(page, "Why am I seeing")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="Why am I seeing this?")
    expect(panel).to_be_visible()
    assert page.locator("#why-item").inner_text() in label
    assert page.locator("#why-reason").inner_text() != "" and page.locator("#why-source").inner_text() != ""
    assert float(page.locator("#why-score").inner_text()) > 0
    assert page.locator("#why-sources tbody tr").count() >= 1
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == label
