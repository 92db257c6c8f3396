"""Draws text, panels, bars and curves into a small picture with transparency, for the overlays of the window.

Pillow does the drawing and brings the typeface, so an overlay looks the same on every machine and needs no display.
Knows nothing about what it writes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]  # (h, w, 4), RGBA
Colour = tuple[int, int, int, int]
Align = Literal["left", "right", "centre"]

# Drawing replaces what is below, so the lighter shades are glass with white mixed in.
GLASS: Colour = (13, 17, 26, 214)
EDGE: Colour = (46, 52, 64, 224)
INK: Colour = (236, 240, 246, 255)
MUTED: Colour = (148, 158, 176, 255)
FAINT: Colour = (34, 39, 50, 224)
BLUE: Colour = (86, 190, 242, 255)
GREEN: Colour = (111, 207, 151, 255)
AMBER: Colour = (242, 178, 74, 255)
RED: Colour = (240, 105, 96, 255)
KEYCAP: Colour = (48, 55, 70, 236)
KEYCAP_EDGE: Colour = (92, 102, 122, 240)

_WIDE_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf", "Helvetica.ttc")


@lru_cache(maxsize=64)
def _font(size_px: int, wide: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The built-in typeface; for letters that it lacks, the first system one that is there."""
    for name in _WIDE_FONTS if wide else ():
        try:
            return ImageFont.truetype(name, size_px)
        except OSError:
            continue
    return ImageFont.load_default(size_px)


@lru_cache(maxsize=2048)
def _stamp(text: str, size_px: int) -> Image.Image:
    """A text as a mask, kept: labels do not change from one drawing to the next."""
    font = _font(size_px, not text.isascii())
    left, _, right, _ = font.getbbox(text)
    mask = Image.new("L", (max(int(right - min(left, 0)) + 1, 1), size_px + size_px // 2), 0)
    ImageDraw.Draw(mask).text((0, 0), text, 255, font=font)
    return mask


def text_width(text: str, size_px: int) -> int:
    """Width of a line of text, pixels."""
    return int(_font(size_px, not text.isascii()).getlength(text) + 0.5)


def fit(text: str, size_px: int, width_px: int) -> str:
    """Cut ``text`` so that it fits into ``width_px``, with dots where something was cut off."""
    if text_width(text, size_px) <= width_px:
        return text
    while text and text_width(text + "...", size_px) > width_px:
        text = text[:-1]
    return text.rstrip() + "..."


def wrap(text: str, size_px: int, width_px: int, most: int = 2) -> list[str]:
    """Break ``text`` between words into at most ``most`` lines that fit; what is left over is cut off with dots."""
    lines: list[str] = []
    rest = text.split()
    while rest and len(lines) < most - 1:
        count = 1
        while count < len(rest) and text_width(" ".join(rest[: count + 1]), size_px) <= width_px:
            count += 1
        lines.append(fit(" ".join(rest[:count]), size_px, width_px))
        rest = rest[count:]
    return [*lines, fit(" ".join(rest), size_px, width_px)] if rest else lines


class Canvas:
    """A picture under way. Positions are pixels from its top left corner."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self.width_px, self.height_px = max(width_px, 1), max(height_px, 1)
        self._image = Image.new("RGBA", (self.width_px, self.height_px), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def panel(self, x: int, y: int, width: int, height: int, radius: int = 10, fill: Colour = GLASS) -> None:
        """A sheet of dark glass with rounded corners."""
        box = (x, y, x + width - 1, y + height - 1)
        self._draw.rounded_rectangle(box, radius, fill=fill, outline=EDGE, width=1)

    def box(self, x: int, y: int, width: int, height: int, fill: Colour) -> None:
        """A filled rectangle; nothing when it has no area."""
        if width > 0 and height > 0:
            self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=fill)

    def ring(self, x: int, y: int, radius: int, width: int, colour: Colour) -> None:
        """A circle around (x, y), ``width`` pixels thick inwards."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)

    def text(self, x: int, y: int, text: str, size_px: int, colour: Colour = INK, align: Align = "left") -> None:
        """A line of text; ``x`` is its left end, right end or middle."""
        if not text:
            return
        if align != "left":
            width = text_width(text, size_px)
            x -= width if align == "right" else width // 2
        self._image.paste(colour, (x, y), _stamp(text, size_px))

    def keycap(self, x: int, y: int, text: str, size_px: int) -> int:
        """A key with ``text`` on it; return the x of its right edge."""
        pad = max(size_px // 2, 4)
        width = max(text_width(text, size_px) + 2 * pad, size_px + pad)
        box = (x, y - size_px // 4, x + width, y + size_px + size_px // 3)
        self._draw.rounded_rectangle(box, max(size_px // 3, 3), fill=KEYCAP, outline=KEYCAP_EDGE, width=1)
        self.text(x + width // 2, y, text, size_px, align="centre")
        return x + width

    def meter(self, x: int, y: int, width: int, height: int, value: float, centred: bool) -> None:
        """A bar for ``value`` in -1..1 (``centred``) or 0..1."""
        self.box(x, y, width, height, FAINT)
        value = min(max(value, -1.0 if centred else 0.0), 1.0)
        if centred:
            middle, length = x + width // 2, round(value * width / 2)
            colour = BLUE if value >= 0 else AMBER
            self.box(min(middle, middle + length), y, abs(length), height, colour)
            self.box(middle, y - 1, 1, height + 2, MUTED)
        else:
            self.box(x, y, round(value * width), height, BLUE)

    def curve(self, x: int, y: int, width: int, height: int, values: Sequence[float], limit: float, top: float) -> None:
        """Bars for the newest ``width // 2`` values, newest right; those above ``limit`` are amber."""
        self.box(x, y, width, height, FAINT)
        shown = list(values)[-(width // 2) :]
        for index, value in enumerate(shown):
            length = max(round(min(value / top, 1.0) * height), 1)
            left = x + width - 2 * (len(shown) - index)
            self.box(left, y + height - length, 2, length, AMBER if value > limit else GREEN)
        line = y + height - round(min(limit / top, 1.0) * height)
        self.box(x, line, width, 1, MUTED)

    def image(self, x: int, y: int, width: int, height: int, frame: NDArray[np.uint8]) -> None:
        """A frame (h, w, 3), scaled to ``width`` by ``height``; its pixels stay pixels."""
        scaled = Image.fromarray(np.ascontiguousarray(frame)).resize((width, height), Image.Resampling.NEAREST)
        self._image.paste(scaled, (x, y))

    def picture(self) -> Picture:
        """The finished picture."""
        return np.asarray(self._image, np.uint8).copy()
