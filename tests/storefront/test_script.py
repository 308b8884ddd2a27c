"""aisle.js in another shop's pages: another origin, the public key, and a network that fails."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.e2e.conftest import Server

ADMIN, WRITE = "an-admin-key", "a-public-key"
WAIT_SECONDS = 60
#: The page asks for this many items; they lie below a long text, so that nobody sees them at first.
NUM_CARDS = 3
PAGE = """<!doctype html><html lang="en"><title>Another shop</title>
<script src="{aisle}/aisle.js" data-key="{key}"{attributes} defer></script>
<style>li, li a {{ display: block; height: 100px }}</style>
<p style="height: 3000px">A long text.</p>
<ul data-aisle-placement="{placement}" data-aisle-items="item-0003" data-aisle-limit="3">
  <template><li><a href="/other#{{item_id}}"><b data-aisle-text="title"></b> <i data-aisle-text="price"></i></a>
    <img src="{{image_url}}" alt="{{title}}" width="10" height="10"></li></template>
</ul>
<p style="height: 3000px">The end.</p>
"""

Open = Callable[..., Page]


class OtherShop:
    """A web server of its own origin, whose pages are set by tests; all it knows of Aisle is the script's address."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {"/other": "<!doctype html><title>Elsewhere</title>"}
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = shop.pages.get(self.path)
                self.send_response(200 if page else 404)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write((page or "").encode())

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def other_shop() -> Iterator[OtherShop]:
    shop = OtherShop()
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def aisle(shop_copy: Path, other_shop: OtherShop) -> Iterator[Server]:
    settings = shop_copy / "aisle.yaml"
    keys = f"admin_key: {ADMIN}, write_key: {WRITE}, allowed_origins: ['{other_shop.origin}']"
    server = f"server: {{{keys}, browser_placements: [similar-items]}}\n"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("server:")]
    settings.write_text("\n".join([*lines, server]))
    running = Server(shop_copy)
    yield running
    running.stop()


@pytest.fixture
def context(chromium: Browser, other_shop: OtherShop) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=other_shop.origin, viewport={"width": 800, "height": 600})
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def open_page(context: BrowserContext, other_shop: OtherShop, aisle: Server) -> Open:
    """Opens a page of the other shop for a user; it has the script and one shelf."""

    def open_page(user: str, *, placement: str = "similar-items", item: str = "", path: str = "/") -> Page:
        attributes = f' data-user="{user}"' + (f' data-item="{item}"' if item else "")
        other_shop.pages[path] = PAGE.format(aisle=aisle.url, key=WRITE, attributes=attributes, placement=placement)
        page = context.new_page()
        page.goto(path)
        expect(page.locator("[data-aisle-state]")).to_have_count(1)
        return page

    return open_page


def call(aisle: Server, method: str, path: str, body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {ADMIN}", "content-type": "application/json"}
    with closing(aisle.connect()) as connection:
        connection.request(method, path, json.dumps(body), headers)
        response: http.client.HTTPResponse = connection.getresponse()
        text = response.read()
        assert response.status < 300, text
        return json.loads(text)


def events_of(aisle: Server, user: str, at_least: int = 0, kind: str = "") -> list[dict[str, Any]]:
    """A user's events, the oldest first, once there are so many."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        events = call(aisle, "GET", f"/v1/users/{user}/events?limit=200")["events"]
        found = [event for event in reversed(events) if kind in ("", event["type"])]
        if len(found) >= at_least:
            return found
        assert time.monotonic() < deadline, f"{len(found)} events of {user}, expected {at_least}: {found}"
        time.sleep(0.05)


def num_waiting(page: Page) -> int:
    """Events in the page's queue."""
    return int(page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('aisle:event:')).length"))


def emptied(page: Page) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while num_waiting(page):
        assert time.monotonic() < deadline, "the queue was never acknowledged"
        page.wait_for_timeout(50)


def test_a_template_is_filled_with_text_and_safe_addresses(open_page: Open, context: BrowserContext) -> None:
    title = "<img src=x onerror=document.title='broken'>"
    item = {"title": title, "image_url": "javascript:alert(1)", "price": 1234.5, "currency": "EUR"}

    def answer_oddly(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        answer["items"][0] |= {"item_id": "a/b?c", "item": item}
        answer["items"][1] |= {"item": {"image_url": "https://images.example/a.jpg?b=c", "price": 3}}
        answer["items"][2] |= {"item_id": "bare", "item": {}}
        route.fulfill(response=response, json=answer)

    context.route("**/v1/recommendations*", answer_oddly)
    page = open_page("reader")
    odd, priced, bare = page.locator("ul > li").all()
    assert [odd.locator("b").inner_text(), odd.locator("i").inner_text()] == [title, "€1,234.50"]
    assert odd.locator("a").get_attribute("href") == "/other#a%2Fb%3Fc"
    assert [odd.locator("img").get_attribute(name) for name in ("src", "alt")] == ["", title]
    assert priced.locator("img").get_attribute("src") == "https://images.example/a.jpg?b=c"
    assert priced.locator("i").inner_text() == "3.00"
    assert [bare.locator(name).inner_text() for name in ("b", "i")] == ["bare", ""]
    assert page.title() == "Another shop"


def test_the_public_key_gets_no_other_placement_and_no_explanation(open_page: Open) -> None:
    page = open_page("curious", placement="trending")
    assert page.locator("[data-aisle-placement]").get_attribute("data-aisle-state") == "failed"
    ask = "(request) => aisle.recommend(request).then(() => 'answered', (error) => error.message)"
    allowed = {"placement": "similar-items", "items": ["item-0003"]}
    assert page.evaluate(ask, allowed) == "answered"
    assert "browser_placements" in page.evaluate(ask, {**allowed, "explain": True})


def test_impressions_count_what_was_visible_for_a_second_and_once(open_page: Open, aisle: Server) -> None:
    page = open_page("watcher")
    page.wait_for_timeout(1300)
    assert events_of(aisle, "watcher") == [], "nothing was in view"
    page.evaluate("document.querySelector('ul').scrollIntoView()")
    page.wait_for_timeout(300)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1300)
    assert events_of(aisle, "watcher") == [], "nothing was in view for long enough"
    page.evaluate("document.querySelector('ul').scrollIntoView()")
    seen = events_of(aisle, "watcher", NUM_CARDS, "impression")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)
    page.evaluate("document.querySelector('ul').scrollIntoView()")
    page.wait_for_timeout(1600)
    assert len(events_of(aisle, "watcher")) == NUM_CARDS, "what was seen is not counted again"
    assert {event["position"] for event in seen} == set(range(NUM_CARDS))
    assert len({(event["request_id"], event["placement"]) for event in seen}) == 1


def test_half_an_item_below_the_edge_is_not_seen(open_page: Open, aisle: Server) -> None:
    page = open_page("peeper")
    # The window's lower edge cuts the first card (100 pixels high) 40 pixels below its upper edge.
    page.evaluate("scrollBy(0, document.querySelector('li').getBoundingClientRect().top - innerHeight + 40)")
    page.wait_for_timeout(1500)
    page.evaluate("aisle.show(document.querySelector('ul'))")  # nor is one that comes there
    page.wait_for_timeout(1500)
    assert events_of(aisle, "peeper") == []
    page.evaluate("scrollBy(0, 20)")
    assert len(events_of(aisle, "peeper", 1, "impression")) == 1


def test_what_happens_offline_survives_a_reload_and_arrives_once(
    open_page: Open, context: BrowserContext, aisle: Server
) -> None:
    # The browser's pretended lack of a network does not hold back beacons.
    context.add_init_script("navigator.sendBeacon = () => false")
    page = open_page("offline")
    context.set_offline(True)
    page.evaluate("aisle.addToCart('item-0001', { quantity: 2 })")
    page.wait_for_timeout(500)
    context.route(f"{aisle.url}/v1/**", lambda route: route.abort())
    context.set_offline(False)
    page.reload()  # the other shop's page comes from its own server, Aisle's is still away
    page.evaluate("aisle.purchase([{ item_id: 'item-0001', quantity: 2 }, { item_id: 'item-0002' }], 'order-1')")
    page.wait_for_timeout(500)
    assert (num_waiting(page), events_of(aisle, "offline")) == (3, [])
    context.unroute(f"{aisle.url}/v1/**")
    page.evaluate("dispatchEvent(new Event('online'))")
    emptied(page)
    events = events_of(aisle, "offline")
    assert [(event["type"], event["item_id"]) for event in events] == [
        ("add_to_cart", "item-0001"),
        ("purchase", "item-0001"),
        ("purchase", "item-0002"),
    ]
    assert [event.get("order_id") for event in events] == [None, "order-1", "order-1"]
    assert len({event["session_id"] for event in events}) == 1


def test_without_a_sign_of_the_network_it_tries_again_by_itself(open_page: Open, aisle: Server) -> None:
    page = open_page("patient")
    failures: list[str] = []

    def fail_twice(route: Route) -> None:
        failures.append(route.request.url)
        if len(failures) <= 2:
            route.fulfill(status=503, body="{}")
        else:
            route.continue_()

    page.context.route(f"{aisle.url}/v1/events*", fail_twice)
    page.evaluate("aisle.view('item-0001')")
    emptied(page)
    assert len(failures) == 3
    assert len(events_of(aisle, "patient")) == 1


def test_an_answer_that_is_lost_doubles_nothing(open_page: Open, aisle: Server) -> None:
    page = open_page("twice")
    arrived: list[int] = []

    def lose_the_first_answer(route: Route) -> None:
        arrived.append(route.fetch().status)
        if len(arrived) == 1:
            route.abort()
        else:
            route.continue_()

    page.context.route(f"{aisle.url}/v1/events*", lose_the_first_answer)
    page.evaluate("aisle.view('item-0001')")
    emptied(page)
    assert arrived[:2] == [202, 202], "the server has taken the event twice"
    assert len(events_of(aisle, "twice")) == 1


def test_leaving_sends_a_beacon_and_the_next_page_doubles_nothing(open_page: Open, aisle: Server) -> None:
    page = open_page("leaver")
    page.evaluate(
        "() => { const send = navigator.sendBeacon.bind(navigator); "
        "navigator.sendBeacon = (...call) => { localStorage.beacon = call[0]; return send(...call); } }"
    )
    page.evaluate("aisle.addToCart('item-0001'); location.href = '/other'")
    page.wait_for_url("**/other")
    assert [event["type"] for event in events_of(aisle, "leaver", 1)] == ["add_to_cart"]
    assert page.evaluate("localStorage.beacon") == f"{aisle.url}/v1/events?key={WRITE}"
    assert num_waiting(page) == 1, "kept until it is acknowledged"
    page.goto("/")
    emptied(page)
    assert len(events_of(aisle, "leaver")) == 1


def test_a_session_lasts_for_half_an_hour_of_rest_and_for_one_user(open_page: Open, aisle: Server) -> None:
    page = open_page("sitting", item="item-0001")
    page.reload()
    first, second = events_of(aisle, "sitting", 2, "view")
    assert first["session_id"] == second["session_id"]
    rest = (
        "(minutes) => { const one = JSON.parse(localStorage['aisle:session']); one.last -= minutes * 60000; "
        "localStorage['aisle:session'] = JSON.stringify(one) }"
    )
    for minutes, goes_on in ((29, True), (31, False)):
        before = events_of(aisle, "sitting")[-1]["session_id"]
        count = len(events_of(aisle, "sitting"))
        page.evaluate(rest, minutes)
        page.evaluate("aisle.view('item-0002')")
        assert (events_of(aisle, "sitting", count + 1)[-1]["session_id"] == before) is goes_on
    last = events_of(aisle, "sitting")[-1]["session_id"]
    page.evaluate("aisle.identify('somebody-else'); aisle.view('item-0002')")
    assert events_of(aisle, "somebody-else", 1)[0]["session_id"] != last


def test_a_click_on_a_recommendation_is_told_with_what_comes_of_it(open_page: Open, aisle: Server) -> None:
    page = open_page("clicker")
    page.locator("ul a").nth(1).click()
    page.wait_for_url("**/other*")
    item = page.url.partition("#")[2]
    page = open_page("clicker", item=item, path="/product")
    page.evaluate("(item) => aisle.purchase([{ item_id: item }, { item_id: 'item-0001' }])", item)
    emptied(page)
    view, bought, other = [event for event in events_of(aisle, "clicker", 3) if event["type"] != "impression"]
    for event in (view, bought):
        assert (event["item_id"], event["placement"], event["position"]) == (item, "similar-items", 1)
    assert view["request_id"] == bought["request_id"]
    assert "request_id" not in other


def test_an_old_event_tells_its_own_time_and_a_fresh_one_does_not(open_page: Open, aisle: Server) -> None:
    page = open_page("late")
    sent: list[list[dict[str, Any]]] = []
    page.on("request", lambda request: sent.append(json.loads(request.post_data or "{}").get("events", [])))
    page.context.set_offline(True)
    page.evaluate("aisle.view('item-0001')")
    page.evaluate(
        "() => { const name = Object.keys(localStorage).find((one) => one.startsWith('aisle:event:')); "
        "const kept = JSON.parse(localStorage[name]); kept.at -= 3600000; localStorage[name] = JSON.stringify(kept) }"
    )
    page.wait_for_timeout(400)
    sent.clear()
    page.context.set_offline(False)
    emptied(page)
    page.evaluate("aisle.view('item-0002')")
    emptied(page)
    old, fresh = (
        [event for events in sent for event in events if event["item_id"] == item][-1]
        for item in ("item-0001", "item-0002")
    )
    assert 3590 < time.time() - old["timestamp"] / 1000 < 3700
    assert "timestamp" not in fresh


def test_blocked_storage_breaks_nothing(open_page: Open, context: BrowserContext, aisle: Server) -> None:
    context.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } })")
    page = open_page("private")
    assert page.locator("ul > li").count() == NUM_CARDS
    page.evaluate("aisle.addToCart('item-0001')")
    assert len(events_of(aisle, "private", 1, "add_to_cart")) == 1


def test_the_storefront_behind_keys_opens_with_the_admin_key(context: BrowserContext, aisle: Server) -> None:
    page = context.new_page()
    page.goto(f"{aisle.url}/products/item-0003")
    page.get_by_label("Admin key").fill("not the key")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Admin key").fill(ADMIN)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Good to see you")).to_be_visible()
    expect(page.locator("[data-aisle-placement='for-you'] .card")).to_have_count(6)
    page.goto(f"{aisle.url}/products/item-0003")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("heading", name="Your cart", exact=True)).to_be_visible()
    emptied(page)
    assert ADMIN not in page.evaluate("document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
