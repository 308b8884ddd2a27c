"""Drawn pictures for items without one: a shape chosen by what the item is, in a colour that its title names."""

from __future__ import annotations

import re
import zlib

from aisle.schema import Item

#: Colours that titles name, as hues (degrees) and saturations (percent).
_COLOURS = {
    "amber": (38, 75), "beige": (36, 30), "black": (240, 6), "blue": (214, 55), "brown": (24, 40), "coral": (12, 70),
    "cream": (42, 45), "dark": (250, 12), "emerald": (152, 50), "fawn": (32, 38), "gold": (44, 65), "green": (140, 35),
    "grey": (215, 8), "gray": (215, 8), "honey": (40, 70), "ivory": (46, 35), "jade": (160, 40), "khaki": (60, 25),
    "lilac": (275, 40), "orange": (26, 75), "pink": (340, 60), "purple": (280, 40), "red": (356, 60),
    "silver": (210, 10), "turquoise": (178, 50), "violet": (265, 45), "white": (40, 10), "yellow": (48, 75),
}  # fmt: skip

#: Still lifes on a table whose edge is at y = 236; `c` is the body's colour, `d` a darker one, `l` a lighter one.
_SHAPES = (
    # a bowl
    '<path class="d" d="M88 158h144a72 72 0 0 1-44 66v12h-56v-12a72 72 0 0 1-44-66z"/>'
    '<ellipse class="l" cx="160" cy="158" rx="72" ry="14"/>',
    # a vase with a branch
    '<path class="s" d="M160 132c4-34 22-50 44-62M161 112c-12-22-26-30-40-36"/>'
    '<circle class="l" cx="206" cy="66" r="13"/>'
    '<circle class="l" cx="120" cy="72" r="10"/>'
    '<path class="c" d="M142 124h36v22c34 18 34 66 6 90h-48c-28-24-28-72 6-90z"/>'
    '<path class="d" d="M136 124h48v12h-48z"/>',
    # a bottle
    '<path class="c" d="M144 82h32v40c24 14 28 30 28 46v56a12 12 0 0 1-12 12h-64a12 12 0 0 1-12-12v-56'
    'c0-16 4-32 28-46z"/>'
    '<path class="d" d="M140 66h40v20h-40z"/><path class="l" d="M116 172h88v34h-88z"/>',
    # a wrapped box
    '<path class="c" d="M92 128h136v108H92z"/><path class="d" d="M84 108h152v28H84z"/>'
    '<path class="l" d="M148 108h24v128h-24z"/>'
    '<path class="s" d="M160 106c-40-4-40-40-16-36 14 2 16 36 16 36s2-34 16-36c24-4 24 32-16 36"/>',
    # books
    '<path class="d" d="M84 196h152v40H84z"/><path class="c" d="M98 158h124v38H98z"/>'
    '<path class="l" d="M90 126h112v32H90z"/>'
    '<path class="s" d="M102 216h40M114 178h36M106 142h28"/>',
    # a lamp
    '<path class="l" d="M126 74h68l34 78H92z"/><path class="s" d="M160 152v72"/>'
    '<path class="d" d="M120 222h80v14h-80z"/>',
    # a cup
    '<path class="s" d="M206 152c36-6 38 48-6 48"/>'
    '<path class="c" d="M104 136h104v56a44 44 0 0 1-44 44h-16a44 44 0 0 1-44-44z"/>'
    '<ellipse class="l" cx="156" cy="136" rx="52" ry="11"/>'
    '<path class="s" d="M142 108c-10-14 10-20 0-36M168 108c-10-14 10-20 0-36"/>',
    # a basket
    '<path class="s" d="M104 160c0-96 112-96 112 0"/><path class="c" d="M84 158h152l-18 78H102z"/>'
    '<path class="d" d="M80 150h160v20H80z"/>'
    '<path class="s" d="M128 182l6 42M160 182v42M192 182l-6 42"/>',
    # a ball and a block
    '<path class="d" d="M168 150h72v86h-72z"/><circle class="c" cx="130" cy="178" r="58"/>'
    '<path class="s" d="M88 138c30 24 54 60 60 94"/>',
    # a plant
    '<path class="l" d="M160 168c-60-8-66-60-64-84 40 2 66 34 64 84zM160 168c-8-50 18-92 62-100 8 46-16 92-62 100z"/>'
    '<path class="s" d="M160 184V120"/><path class="c" d="M112 172h96l-14 64h-68z"/>'
    '<path class="d" d="M106 164h108v20H106z"/>',
)  # fmt: skip

_WORD = re.compile(r"[^\W\d_]{2,}")


def picture_of(item: Item) -> str:
    """An SVG of 320 by 320 units. Nothing of the item's text gets into it, so there is nothing to escape.

    Items of one kind (the last word of the title, or the most special category) share a shape.
    """
    words = [word.lower() for word in _WORD.findall(item.title or "")]
    kind = item.category[-1].lower() if item.category else (words or [item.item_id])[-1]
    named = next((_COLOURS[word] for word in words if word in _COLOURS), None)
    hue, saturation = named or (_draw(" ".join(words) or item.item_id, 360), 38)
    ground = _draw(item.category[0] if item.category else kind, 360)
    colours = (
        f".c{{fill:hsl({hue} {saturation}% 56%)}}.d{{fill:hsl({hue} {saturation}% 40%)}}"
        f".l{{fill:hsl({hue} {saturation}% 76%)}}"
        f".s{{fill:none;stroke:hsl({hue} {saturation}% 34%);stroke-width:7;stroke-linecap:round}}"
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 320"><style>'
        f"{colours}</style>"
        f'<path fill="hsl({ground} 30% 90%)" d="M0 0h320v320H0z"/>'
        f'<path fill="hsl({ground} 26% 83%)" d="M0 226h320v94H0z"/>'
        f'<ellipse cx="160" cy="238" rx="96" ry="10" fill="hsl({ground} 24% 72%)"/>'
        f"{_SHAPES[_draw(kind, len(_SHAPES))]}</svg>"
    )


def _draw(text: str, count: int) -> int:
    """A number below ``count`` that a text always gets."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % count
