"""The storefront's pages as HTML: well formed, escaped, from this server alone, and working without scripts."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import resources
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from aisle.errors import ConfigError
from aisle.schema import Item, User
from aisle.serve.routes.storefront import NUM_VISITORS
from aisle.serve.shelf import CategoryCount
from aisle.serve.storefront.cart import read_cart, with_quantity, write_cart
from aisle.serve.storefront.pictures import picture_of
from aisle.serve.storefront.rendering import is_shown_from, money_text
from tests.serve.conftest import service_of

#: Bytes of aisle.js as a browser loads it, compressed.
MAX_SCRIPT_BYTES = 6 * 1024
PAGES = ("/", "/products", "/products?category=Kitchen", "/products?search=tea", "/products/tea", "/cart", "/visitors")


class Outline(HTMLParser):
    """Every tag with its attributes, and whether all that was opened is closed again."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_well_formed_and_names_no_other_server(shop: TestClient, path: str) -> None:
    answer = shop.get(path)
    assert answer.status_code == 200
    outline = Outline(answer.text)
    assert outline.open == []
    assert outline.values("lang") == ["en"]
    ids = outline.values("id")
    assert len(ids) == len(set(ids))
    labels = set(outline.values("for"))
    fields = [attributes for tag, attributes in outline.tags if tag == "input" and attributes.get("type") != "hidden"]
    assert {attributes["id"] for attributes in fields} <= labels
    for address in [*outline.values("src"), *outline.values("href"), *outline.values("action")]:
        assert address.startswith(("/", "#")) and not address.startswith("//"), address
        if "{" not in address and not address.startswith("#") and "order" not in address:
            assert shop.get(address).status_code == 200, address
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "img-src 'self';" in policy and "http" not in policy
    assert "unsafe" not in policy and "style=" not in answer.text


def test_the_pages_show_the_placements(shop: TestClient) -> None:
    shown = {path: set(Outline(shop.get(path).text).values("data-aisle-placement")) for path in PAGES}
    assert shown["/"] == {"for-you", "buy-it-again", "trending"}
    assert shown["/products/tea"] == {"bought-together", "similar-items"}


def test_products_are_found_by_words_and_category_and_paged(client: TestClient) -> None:
    items = [{"item_id": f"cup-{n}", "title": f"Cup {n}", "category": ["Kitchen", "Cups"]} for n in range(50)]
    client.post("/v1/items", json={"items": [*items, {"item_id": "pot", "title": "Pot", "category": ["Kitchen"]}]})
    first, second = client.get("/products?category=Cups").text, client.get("/products?category=Cups&page=2").text
    assert "50 products" in first and "Cup 35" in first and "Cup 36" not in first
    assert 'href="/products?category=Cups&amp;page=2"' in first
    assert "Cup 36" in second and "Cup 49" in second and "Cup 35" not in second
    assert "Cups <span>50</span>" in client.get("/products?category=Kitchen").text
    assert "1 product<" in client.get("/products?search=CUP%2049").text
    assert "Nothing matches" in client.get("/products?search=kettle").text


def test_a_product_without_stock_cannot_be_bought_and_a_missing_one_is_said_so(shop: TestClient) -> None:
    gone = shop.get("/products/gone").text
    assert "Sold out" in gone and "Add to cart" not in gone
    assert "Add to cart" in shop.get("/products/tea").text
    assert shop.get("/products/nothing").status_code == 404


def test_the_cart_works_without_scripts(shop: TestClient) -> None:
    for _ in range(2):
        shop.post("/cart", data={"item_id": "tea"})
    shop.post("/cart", data={"item_id": "pot"})
    cart = shop.get("/cart").text
    assert "€29.00" in cart  # 2 x 4.50 + 20.00
    assert '<span class="count">3</span>' in cart
    assert "€65.00" in shop.post("/cart", data={"item_id": "tea", "quantity": "10"}).text
    assert "Green tea" not in shop.post("/cart", data={"item_id": "tea", "quantity": "0"}).text
    assert "Thank you" in shop.post("/cart/order").text
    assert "Your cart is empty" in shop.get("/cart").text


@pytest.mark.parametrize(
    "address", [f"/products?search={'x' * 201}", "/products?page=0", "/products?page=ten", f"/products/{'x' * 300}"]
)
def test_an_address_that_cannot_be_is_answered_by_a_page(shop: TestClient, address: str) -> None:
    answer = shop.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    outline = Outline(answer.text)
    assert outline.open == [] and "There is no such page" in answer.text
    assert outline.values("maxlength") == ["200"], "the search field takes no more"


@pytest.mark.parametrize(
    "form", [{}, {"item_id": ""}, {"item_id": "tea", "quantity": "-1"}, {"item_id": "tea", "quantity": "x"}]
)
def test_a_wrong_form_changes_nothing(shop: TestClient, form: dict[str, str]) -> None:
    assert shop.post("/cart", data=form).status_code == 422
    assert "Your cart is empty" in shop.get("/cart").text


def test_a_cart_survives_its_cookie_and_nonsense_is_an_empty_one() -> None:
    cart = with_quantity(with_quantity({}, "täe/1;", 2), "pot", 500)
    assert cart == {"täe/1;": 2, "pot": 99}
    assert read_cart(write_cart(cart)) == cart
    assert with_quantity(cart, "pot", 0) == {"täe/1;": 2}
    for nonsense in (None, "", "%", "bnVsbA==", "W10=", write_cart({"a": -1}), write_cart({"a": True})):
        assert read_cart(nonsense) == {}
    assert write_cart({f"item-{n}": 1 for n in range(1000)}) is None


def test_a_visitor_is_chosen_and_named_to_the_script(shop: TestClient) -> None:
    assert "data-user" not in shop.get("/").text
    assert "u9" in shop.get("/visitors").text
    home = shop.post("/visitors", data={"visitor": 'ü"<1>'}).text
    assert 'data-user="ü&#34;&lt;1&gt;"' in home
    assert "data-user" not in shop.post("/visitors", data={"visitor": ""}).text


def test_the_visitors_who_came_last_are_offered(client: TestClient) -> None:
    service_of(client).store.put_users([User(user_id=f"user-{number}") for number in range(100)])
    offered = [value for value in Outline(client.get("/visitors").text).values("value") if value]
    assert offered == [f"user-{number}" for number in range(99, 99 - NUM_VISITORS, -1)]


def test_titles_and_ids_never_become_markup(client: TestClient) -> None:
    evil = '<script>alert(1)</script>"/../x?'
    client.post("/v1/items", json={"items": [{"item_id": evil, "title": evil, "category": [evil], "brand": evil}]})
    products = client.get("/products").text
    for text in (products, client.get(Outline(products).values("href")[-4]).text, client.get("/").text):
        assert "<script>alert" not in text
    links = [address for address in Outline(products).values("href") if address.startswith("/products/")]
    assert len(links) == 1
    assert client.get(links[0]).status_code == 200
    script = client.get("/aisle.js").text + client.get("/storefront/storefront.js").text
    assert "innerHTML" not in script and "outerHTML" not in script and "insertAdjacentHTML" not in script


def test_a_picture_is_drawn_or_comes_from_an_origin_that_the_settings_name(start: Callable[..., TestClient]) -> None:
    client = start('storefront: {image_origins: ["https://images.example"]}')
    urls = {
        "ours": "https://images.example/a.jpg",
        "theirs": "https://other.example/a.jpg",
        "odd": "javascript:alert(1)",
    }
    client.post("/v1/items", json={"items": [{"item_id": name, "image_url": url} for name, url in urls.items()]})
    moved = client.get("/pictures/ours", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (307, urls["ours"])
    for name in ("theirs", "odd", "unknown"):
        drawn = client.get(f"/pictures/{name}", follow_redirects=False)
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    assert "img-src 'self' https://images.example;" in client.get("/").headers["content-security-policy"]
    assert not is_shown_from("https://images.example.evil/a.jpg", ["https://images.example"])
    assert not is_shown_from("https://[", ["https://images.example"])


def test_an_origin_of_pictures_cannot_add_to_the_policy(start: Callable[..., TestClient]) -> None:
    for origin in ("https://a.example; script-src *", "*", "https://*", "data:"):
        with pytest.raises(ConfigError, match="image_origins"):
            start(f"storefront: {{image_origins: ['{origin}']}}")


def test_drawn_pictures_are_svg_alike_within_a_kind() -> None:
    def shapes(title: str, category: list[str]) -> list[str | None]:
        root = ElementTree.fromstring(picture_of(Item(item_id="x", title=title, category=category)))
        return [element.get("d") for element in root.iter()]

    assert shapes("Blue Teapot", []) == shapes("Red Teapot", [])
    assert picture_of(Item(item_id="x", title="Blue Teapot")) != picture_of(Item(item_id="x", title="Red Teapot"))
    assert shapes("<&>", ["<&>"]) and "<&>" not in picture_of(Item(item_id="x", title="<&>", category=["<&>"]))
    assert len({tuple(shapes(f"{word} thing", [word])) for word in ("cup", "lamp", "kite", "soap", "pen", "ink")}) > 1


def test_money() -> None:
    assert money_text(1234.5, "EUR") == "€1,234.50"
    assert money_text(1234.5, "JPY") == "¥1,234" and money_text(3, None) == "3.00"
    assert money_text(3, "CHF") == "CHF\N{NO-BREAK SPACE}3.00"


def test_the_banner_shows_for_simulated_data_alone(start: Callable[..., TestClient]) -> None:
    assert "Simulated shop" not in start().get("/").text
    assert "Simulated shop" in start("simulated: true").get("/").text


def test_there_are_no_other_files(client: TestClient) -> None:
    for path in (
        "/storefront/aisle.js",
        "/storefront/../app.py",
        "/storefront/%2e%2e%2fcart.py",
        "/storefront/",
        "/page/page.js",
    ):
        assert client.get(path).status_code == 404


def test_the_script_is_small() -> None:
    script = resources.files("aisle.serve").joinpath("storefront", "static", "aisle.js").read_bytes()
    assert len(gzip.compress(script)) < MAX_SCRIPT_BYTES


def test_answers_repeat_the_fields_that_were_asked_for(shop: TestClient) -> None:
    def ask(**fields: object) -> dict[str, object]:
        answer = shop.post("/v1/recommendations", json={"placement": "popular", "limit": 1, **fields})
        assert answer.status_code == 200
        return dict(answer.json()["items"][0])

    assert "item" not in ask()
    assert ask(fields=["title", "price", "brand"])["item"] == {"title": "Green tea", "price": 4.5}
    for fields in (["attributes"], ["description"], "title"):
        assert shop.post("/v1/recommendations", json={"placement": "popular", "fields": fields}).status_code == 422


def test_the_shelf_follows_every_change(shop: TestClient) -> None:
    shelf = service_of(shop).shelf
    assert [item.item_id for item in shelf.page().items] == ["tea", "pot", "cup", "gone"]
    assert shelf.categories() == [CategoryCount("Kitchen", 3), CategoryCount("Drinks", 1)]
    assert shelf.categories("Drinks") == [CategoryCount("Tea", 1)]
    shop.put("/v1/items/tea", json={"title": "Black tea", "category": ["Kitchen"], "created_at": "2024-01-02"})
    shop.put("/v1/items/cup", json={"title": "Cup", "created_at": "2024-01-01"})
    shop.delete("/v1/items/pot")
    assert [item.item_id for item in shelf.page(category="Kitchen").items] == ["tea", "gone"]
    assert shelf.page(search="tea green").total == 0 and shelf.page(search="TEA black").total == 1
    assert shelf.page(item_ids=["gone", "pot", "tea", "gone", "none"]).items[0].item_id == "gone"
    assert shelf.page(item_ids=["gone", "pot", "tea"], category="Kitchen", search="tea").total == 1
    assert shelf.categories() == [CategoryCount("Kitchen", 2)]
    assert [item.item_id for item in shelf.newest(9)] == ["tea", "cup"]
    assert shelf.item("pot") is None


@pytest.mark.timing
def test_a_hundred_thousand_items_are_searched_at_once(client: TestClient) -> None:
    service = service_of(client)
    items = [Item(item_id=f"i{n}", title=f"Cup number {n}", category=[f"c{n % 50}"]) for n in range(100_000)]
    service.store.put_items(items)
    assert service.shelf.page(limit=1).total == len(items)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert service.shelf.page(search="cup 99999").total == 1
        assert service.shelf.page(category="c7", offset=1900, limit=36).total == 2000
        service.shelf.newest(12), service.shelf.categories()
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.1
    assert re.search(r"100,000 products", client.get("/products?page=2000").text)
