"""A category for a product that has only a title: the first group of keywords of which one stands in the title.

The rule was written by reading titles, not fitted to any sales. Order matters: what a thing is for comes before what it
is made of, and a season comes first. A keyword matches whole words; one that ends in ``*`` matches a word's beginning.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: What a title gets that no keyword matches.
OTHER = ("Other",)

#: (general category, specific category, keywords), tried from top to bottom.
RULES: tuple[tuple[str, str, str], ...] = (
    ("Seasonal", "Christmas", "christmas xmas advent santa reindeer snowman snowflake* nativity rudolph"),
    ("Seasonal", "Easter", "easter bunny chick hen rabbit"),
    ("Bags", "Lunch bags", "lunch"),
    ("Bags", "Luggage and purses", "purse purses wallet luggage handbag passport suitcase* backpack rucksack"),
    ("Bags", "Shopping bags", "bag bags shopper"),
    ("Jewellery", "Necklaces", "necklace* pendant choker"),
    ("Jewellery", "Earrings", "earring* earings"),
    (
        "Jewellery",
        "Bracelets and rings",
        "bracelet* bangle ring rings brooch anklet diamante bling jewel* charm*",
    ),
    ("Accessories", "Hair", "hair hairband hairclip* hairslide* tiara headband"),
    ("Accessories", "Clothing", "scarf hat gloves slippers socks umbrella* poncho shawl apron aprons parasol raincoat"),
    ("Candles and lighting", "T-light holders", "t-light t-lights tlight* tealight*"),
    ("Candles and lighting", "Candles", "candle* candelabra lantern* incense"),
    ("Candles and lighting", "Lamps and lights", "light lights lamp* lampshade* chandelier torch"),
    ("Party", "Bunting and garlands", "bunting garland* streamer* pinata* balloon*"),
    ("Party", "Napkins and cups", "napkin* doilies doily confetti party straws"),
    ("Baking", "Cake", "cake cakes cakestand* baking cupcake* cookie* icing"),
    ("Stationery", "Wrap and ribbon", "wrap ribbon* tape giftwrap tags tag tissue tissues"),
    ("Stationery", "Cards", "card cards postcard* envelope* valentine*"),
    (
        "Stationery",
        "Writing",
        "notebook* pen pens pencil pencils sketchbook* journal memo calendar diary eraser*",
    ),
    (
        "Stationery",
        "Stickers and stamps",
        "sticker* stamp* scrapbook* stationery sharpener* crayon* chalk chalks ruler",
    ),
    ("Kitchen", "Mugs, cups and tea", "mug mugs cup cups teacup* teapot* tea coffee saucer* cosy beaker* coaster*"),
    ("Kitchen", "Plates and bowls", "bowl* plate plates dish dishes ramekin* platter cutlery tray trays jug jugs"),
    ("Kitchen", "Glass and bottles", "bottle bottles glass tumbler* goblet* wine carafe decanter corkscrew"),
    ("Kitchen", "Jars and tins", "tin tins jar jars pantry biscuit bread snack cannister* canister* container*"),
    ("Kitchen", "Cooking", "kitchen pan pans spoon* fork* recipe scale* timer towel* mould* measuring oven egg eggs"),
    ("Toys and children", "Soft toys and dolls", "doll* teddy toy toys soft felt feltcraft puppet* rattle"),
    ("Toys and children", "Games", "game games playing jigsaw puzzle* dominoes skipping snakes naughts ludo bingo"),
    (
        "Toys and children",
        "Children's things",
        "children* childs child baby girl* boy* kids spaceboy circus bib",
    ),
    ("Craft", "Sewing and knitting", "sewing knitting crochet craft crafts patch* button* needle* fabric knit"),
    ("Garden", "Garden", "garden* plant* watering flowerpot* planter* bird birdhouse* picnic hammock trowel seed*"),
    ("Garden", "Flowers", "flower flowers rose roses wreath* posy bouquet artificial"),
    ("Home", "Clocks and mirrors", "clock clocks mirror mirrors"),
    ("Home", "Frames and wall art", "frame frames photo picture* art canvas block print chalkboard blackboard"),
    ("Home", "Signs", "sign signs letter* alphabet plaque* slate"),
    ("Home", "Textiles", "cushion* rug quilt throw blanket curtain* doormat* mat tablecloth* runner bedspread"),
    ("Home", "Hooks and handles", "hook hooks hanger* knob knobs handle key keys coat doorstop* door"),
    ("Home", "Storage and furniture", "drawer* box boxes cabinet* chest basket* shelf shelves stool chair table* rack"),
    ("Home", "Storage and furniture", "storage stand holder bin crate* bucket* hamper* trunk furniture"),
    ("Bath and beauty", "Bath", "bath* soap* lip lavender scent* bathroom hot warmer* hottie plasters mask wash"),
    (
        "Decoration",
        "Hanging decorations",
        "hanging decoration* decorative heart hearts star stars bell* bauble*",
    ),
    ("Decoration", "Figures", "angel* fairy butterfly* ornament* figurine* buddha cat dog owl* elephant* magnet*"),
)


def category_of(title: str | None) -> list[str]:
    """The category of a title, from general to specific; ``["Other"]`` where no keyword matches.

    >>> category_of("RED RETROSPOT CHARLOTTE BAG")
    ['Bags', 'Shopping bags']
    """
    words = re.findall(r"[a-z][a-z-]*", (title or "").lower())
    compiled = _compiled()
    best = min((rank for word in words if (rank := _rank(word, compiled)) is not None), default=None)
    return list(OTHER) if best is None else list(RULES[best][:2])


def _rank(word: str, compiled: tuple[dict[str, int], tuple[tuple[str, int], ...]]) -> int | None:
    whole, beginnings = compiled
    ranks = [rank for beginning, rank in beginnings if word.startswith(beginning)]
    if word in whole:
        ranks.append(whole[word])
    return min(ranks, default=None)


@lru_cache(maxsize=1)
def _compiled() -> tuple[dict[str, int], tuple[tuple[str, int], ...]]:
    whole: dict[str, int] = {}
    beginnings: list[tuple[str, int]] = []
    for rank, (_, _, keywords) in enumerate(RULES):
        for keyword in keywords.split():
            if keyword.endswith("*"):
                beginnings.append((keyword[:-1], rank))
            else:
                whole.setdefault(keyword, rank)
    return whole, tuple(beginnings)
