"""A visitor's way through the storefront: what is clicked and bought changes what is shown next."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Server
from tests.storefront.conftest import Visit, settled, shown

WAIT_SECONDS = 60


def _report(server: Server, placement: str) -> dict[str, float]:
    status, answer, _ = server.call("GET", "/v1/report")
    assert status == 200
    return dict(answer["placements"].get(placement, {}))


def _grows(server: Server, placement: str, measure: str, before: float) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while _report(server, placement).get(measure, 0) <= before:
        assert time.monotonic() < deadline, f"{measure} of {placement} stayed at {before}"
        time.sleep(0.1)


def _events(server: Server, user_id: str) -> list[dict[str, Any]]:
    status, answer, _ = server.call("GET", f"/v1/users/{user_id}/events?limit=100")
    assert status == 200
    return [event for event in reversed(answer["events"]) if event["type"] != "impression"]


def _choose(page: Page, visitor: str) -> None:
    page.goto("/visitors")
    page.get_by_label("A visitor by id").fill(visitor)
    page.get_by_role("button", name="Choose").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    settled(page)


def test_what_was_bought_changes_the_next_page(visit: Visit) -> None:
    page = visit("/")
    before = shown(page, "for-you")
    assert len(before) == 6
    assert shown(page, "buy-it-again") == []
    page.goto("/products/item-0003")
    goes_with_it = shown(settled(page), "bought-together")
    assert "item-0003" not in goes_with_it
    page.get_by_role("button", name="Add to cart").click()
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    after = shown(settled(page), "for-you")
    assert after != before
    assert (set(after) - set(before)) & set(goes_with_it), "what goes with the purchase is on the next page"
    page.goto("/")
    assert shown(settled(page), "for-you") == after, "the next page knows it as well"


def _mean_place(page: Page, category: str) -> float:
    """Where the items of a category stand in the whole of what is for this visitor, on average."""
    ask = "() => aisle.recommend({ placement: 'for-you', limit: 200, fields: ['category'] })"
    places = [place for place, entry in enumerate(page.evaluate(ask)["items"]) if category in entry["item"]["category"]]
    assert len(places) >= 3
    return sum(places) / len(places)


def test_what_a_new_visitor_looks_at_changes_the_next_page(visit: Visit) -> None:
    page = visit("/")
    before, place_before = shown(page, "for-you"), _mean_place(page, "Lighting")
    page.goto("/products?category=Lighting")
    links = page.locator(".card a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    for address in links[:3]:
        page.goto(str(address))
        settled(page)
    page.goto("/")
    assert shown(settled(page), "for-you") != before
    assert _mean_place(page, "Lighting") < place_before, "more of what was looked at, further up"


def test_the_whole_cart_is_asked_for(visit: Visit) -> None:
    page = visit("/products/item-0003")
    alone = shown(page, "bought-together")
    page.get_by_role("button", name="Add to cart").click()
    page.goto(f"/products/{alone[0]}")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.locator(".lines li")).to_have_count(2)
    together = shown(settled(page), "bought-together")
    assert together and not {"item-0003", alone[0]} & set(together)
    page.get_by_role("button", name="Remove").first.click()
    expect(page.locator(".lines li")).to_have_count(1)


def test_every_step_is_an_event_of_the_chosen_visitor_that_names_its_answer(visit: Visit, storefront: Server) -> None:
    page = visit("/")
    _choose(page, "visitor-of-steps")
    clicked, bought = (_report(storefront, "for-you").get(name, 0) for name in ("clicked", "bought"))
    card = page.locator("[data-aisle-placement='for-you'] .card a").nth(2)
    item_id = str(card.get_attribute("href")).removeprefix("/products/")
    card.click()
    expect(page.get_by_role("button", name="Add to cart")).to_be_visible()
    page.get_by_role("button", name="Add to cart").click()
    page.get_by_label("Quantity").fill("3")
    page.get_by_role("button", name="Change").click()
    expect(page.locator(".count")).to_have_text("3")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    settled(page)
    events = _events(storefront, "visitor-of-steps")
    assert [event["type"] for event in events] == ["view", "add_to_cart", "purchase"]
    assert {event["item_id"] for event in events} == {item_id}
    assert {(event["placement"], event["position"]) for event in events} == {("for-you", 2)}
    assert len({event["request_id"] for event in events}) == len({event["session_id"] for event in events}) == 1
    assert (events[2]["quantity"], events[2]["price"] > 0, "order_id" in events[2]) == (3, True, True)
    _grows(storefront, "for-you", "clicked", clicked)
    _grows(storefront, "for-you", "bought", bought)


def test_cards_in_view_are_seen(visit: Visit, storefront: Server) -> None:
    before = _report(storefront, "for-you").get("seen", 0)
    page = visit("/")
    _grows(storefront, "for-you", "seen", before + 5)  # all six, which are in view at 1280 pixels
    page.close()


def test_a_known_visitor_sees_their_own_shop_and_a_new_one_begins_anew(visit: Visit, storefront: Server) -> None:
    page = visit("/")
    of_nobody = shown(page, "for-you")
    events = [
        {"type": "purchase", "user_id": "loyal", "item_id": "item-0007", "event_id": f"loyal-{n}"} for n in range(3)
    ]
    assert storefront.call("POST", "/v1/events", {"events": events})[0] == 202
    session = page.evaluate("JSON.parse(localStorage.getItem('aisle:session')).id")
    _choose(page, "loyal")
    assert "item-0007" in shown(page, "buy-it-again")
    assert shown(page, "for-you") != of_nobody
    page.goto("/visitors")
    page.get_by_role("button", name="A new visitor").click()
    expect(page.get_by_role("heading", name="Good to see you")).to_be_visible()
    settled(page)
    assert shown(page, "buy-it-again") == []
    assert page.evaluate("JSON.parse(localStorage.getItem('aisle:session')).id") != session
