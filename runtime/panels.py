"""Help, menu, progress, notices: the overlays that are not the head-up display. Pictures only, no window."""

from collections.abc import Sequence
from dataclasses import dataclass

from dreamloop.runtime.help import HelpRow
from dreamloop.runtime.paint import (
    AMBER,
    BLUE,
    EDGE,
    FAINT,
    INK,
    MUTED,
    Canvas,
    Colour,
    Picture,
    fit,
    text_width,
)


@dataclass(frozen=True, slots=True)
class Type:
    """Sizes that go together; ``unit`` 1.0 means 13 px letters."""

    unit: float

    @property
    def size(self) -> int:
        return max(round(13 * self.unit), 9)

    @property
    def small(self) -> int:
        return max(round(11.5 * self.unit), 8)

    @property
    def big(self) -> int:
        return round(19 * self.unit)

    @property
    def line(self) -> int:
        return round(self.size * 1.75)

    @property
    def pad(self) -> int:
        return round(18 * self.unit)


def draw_help(
    title: str, rows: Sequence[HelpRow], keys: Sequence[tuple[str, str]], hint: str, unit: float, width_px: int
) -> Picture:
    """Draw the control table and the window's own keys, at most ``width_px`` wide.

    Args:
        title: the world's name.
        rows: the world's controls.
        keys: (key, what it does) of the window.
        hint: a line at the bottom.
        unit: scale, 1.0 means 13 px letters.
        width_px: widest that the panel may be; columns that do not fit are left out, speech last.
    """
    return _Help(title, rows, keys, hint, Type(unit), width_px).draw()


class _Help:
    def __init__(
        self,
        title: str,
        rows: Sequence[HelpRow],
        keys: Sequence[tuple[str, str]],
        hint: str,
        type_: Type,
        width_px: int,
    ) -> None:
        self._title, self._rows, self._keys, self._hint, self._type = title, rows, keys, hint, type_
        self._gap = round(22 * type_.unit)
        limit = max(width_px, 120) - 2 * type_.pad
        self._columns = self._choose(limit)
        self._inner = min(max(sum(self._widths()) + self._gap * (len(self._columns) - 1), limit // 2), limit)

    def _cells(self, name: str) -> list[str]:
        """A column's texts, without its heading."""
        if name == "keys":
            return ["  ".join(row.keys[:2]) for row in self._rows]
        if name == "mouse":
            return [", ".join(row.mouse[:2]) for row in self._rows]
        if name == "gamepad":
            return [", ".join(row.pad[:2]) for row in self._rows]
        if name == "say":
            return [f'"{row.said[0]}"' if row.said else "" for row in self._rows]
        return [row.help for row in self._rows]

    def _width(self, name: str) -> int:
        if name == "keys":
            return max([self._keys_width(row) for row in self._rows] + [text_width("keys", self._type.small)])
        texts = [*self._cells(name), name if name != "does" else ""]
        return max(text_width(text, self._type.size) for text in texts)

    def _keys_width(self, row: HelpRow) -> int:
        size = self._type.size
        return sum(max(text_width(key, size) + size, 2 * size) + size // 2 for key in row.keys[:2])

    def _choose(self, limit: int) -> list[str]:
        """The columns that fit: what is empty goes first, then gamepad, then speech, then the mouse."""
        columns = [name for name in ("does", "keys", "mouse", "gamepad", "say") if any(self._cells(name))]
        for name in ("gamepad", "say", "mouse"):
            self._columns = columns
            if sum(self._widths()) + self._gap * (len(columns) - 1) > limit and name in columns:
                columns = [column for column in columns if column != name]
        return columns

    def _widths(self) -> list[int]:
        return [self._width(name) for name in self._columns]

    def draw(self) -> Picture:
        type_ = self._type
        key_columns = max(self._inner // round(190 * type_.unit), 1)
        key_lines = -(-len(self._keys) // key_columns)
        height = 2 * type_.pad + round(type_.big * 1.6) + (len(self._rows) + 1 + key_lines + 1) * type_.line
        height += round(type_.line * 0.9)
        self._canvas = Canvas(self._inner + 2 * type_.pad, height)
        self._canvas.panel(0, 0, self._inner + 2 * type_.pad, height, radius=type_.pad)
        y = type_.pad
        self._canvas.text(type_.pad, y, self._title, type_.big)
        y = self._draw_table(y + round(type_.big * 1.6))
        y += round(type_.line * 0.35)
        self._canvas.box(type_.pad, y, self._inner, 1, EDGE)
        y = self._draw_keys(y + round(type_.line * 0.55), key_columns)
        hint = fit(self._hint, type_.size, self._inner)
        self._canvas.text(type_.pad + self._inner // 2, y + type_.line // 4, hint, type_.size, BLUE, "centre")
        return self._canvas.picture()

    def _draw_table(self, y: int) -> int:
        type_, widths = self._type, self._widths()
        spare = self._inner - sum(widths) - self._gap * (len(widths) - 1)
        gap = self._gap + max(spare, 0) // max(len(widths) - 1, 1)
        x = type_.pad
        for name, width in zip(self._columns, widths, strict=True):
            self._canvas.text(x, y, name if name != "does" else "", type_.small, MUTED)
            for index, row in enumerate(self._rows):
                top = y + (index + 1) * type_.line - type_.line // 5
                if name == "keys":
                    self._draw_keycaps(x, top, row.keys[:2])
                else:
                    text = fit(self._cells(name)[index], type_.size, width + gap // 2)
                    colour = INK if name == "does" else MUTED
                    self._canvas.text(x, top, text, type_.size, colour)
            x += width + gap
        return y + (len(self._rows) + 1) * type_.line - type_.line // 5

    def _draw_keycaps(self, x: int, y: int, keys: Sequence[str]) -> None:
        for key in keys:
            x = self._canvas.keycap(x, y, key, self._type.size) + self._type.size // 2

    def _draw_keys(self, y: int, columns: int) -> int:
        type_ = self._type
        lines = -(-len(self._keys) // columns)
        step = self._inner // columns
        caps = max((text_width(key, type_.size) + 2 * type_.size for key, _ in self._keys), default=0)
        for index, (key, does) in enumerate(self._keys):
            x, top = type_.pad + index // lines * step, y + index % lines * type_.line
            self._canvas.keycap(x, top, key, type_.size)
            self._canvas.text(x + caps, top, fit(does, type_.size, step - caps), type_.size, MUTED)
        return y + lines * type_.line


def draw_menu(title: str, items: Sequence[str], chosen: int, unit: float) -> Picture:
    """Draw a list to choose from, the line under the cursor lit."""
    type_ = Type(unit)
    width = max(round(250 * unit), text_width(title, type_.big) + 2 * type_.pad)
    row = round(type_.line * 1.25)
    height = 2 * type_.pad + round(type_.big * 1.8) + len(items) * row
    canvas = Canvas(width, height)
    canvas.panel(0, 0, width, height, radius=type_.pad)
    canvas.text(width // 2, type_.pad, title, type_.big, align="centre")
    for index, item in enumerate(items):
        y = menu_top(index, unit)
        lit = index == chosen
        if lit:
            canvas.box(type_.pad // 2, y, width - type_.pad, row, FAINT)
            canvas.box(type_.pad // 2, y, max(round(3 * unit), 2), row, BLUE)
        colour = INK if lit else MUTED
        canvas.text(width // 2, y + (row - type_.size) // 2 - 1, item, type_.size, colour, "centre")
    return canvas.picture()


def menu_top(index: int, unit: float) -> int:
    """Distance of line ``index`` of a menu from the menu's top, pixels."""
    type_ = Type(unit)
    return type_.pad + round(type_.big * 1.8) + index * round(type_.line * 1.25)


def menu_line(y: int, lines: int, unit: float) -> int | None:
    """The line of a menu at ``y`` pixels from its top; None above and below them."""
    row = (y - menu_top(0, unit)) // round(Type(unit).line * 1.25)
    return row if 0 <= row < lines else None


def draw_progress(title: str, text: str, share: float | None, phase: float, unit: float) -> Picture:
    """Draw a loading screen: what is being done, and how much of it is.

    Args:
        title: name of the world.
        text: what is being done now.
        share: 0..1 done; None when nobody can tell, then a light runs along the bar.
        phase: seconds since the beginning, for the light.
        unit: scale.
    """
    type_ = Type(unit)
    width, bar = round(340 * unit), max(round(5 * unit), 3)
    height = round(type_.big * 1.7) + type_.line + bar + 2 * type_.pad
    canvas = Canvas(width, height)
    canvas.panel(0, 0, width, height, radius=type_.pad)
    canvas.text(width // 2, type_.pad, title, type_.big, align="centre")
    y = type_.pad + round(type_.big * 1.7)
    left, inner = type_.pad, width - 2 * type_.pad
    canvas.text(width // 2, y, fit(text, type_.size, inner), type_.size, MUTED, "centre")
    y += type_.line
    canvas.box(left, y, inner, bar, FAINT)
    if share is not None:
        canvas.box(left, y, round(min(max(share, 0.0), 1.0) * inner), bar, BLUE)
    else:
        run = inner // 4
        start = round((phase * 0.7 % 1.0) * (inner + run)) - run
        canvas.box(left + max(start, 0), y, min(start + run, inner) - max(start, 0), bar, BLUE)
    return canvas.picture()


def draw_notice(lines: Sequence[str], unit: float, width_px: int, colour: Colour = INK) -> Picture:
    """Draw a few lines on a small sheet: what was just done, what is missing."""
    type_ = Type(unit)
    pad = type_.pad * 2 // 3
    shown = [fit(line, type_.size, width_px - 2 * pad) for line in lines]
    width = max(text_width(line, type_.size) for line in shown) + 2 * pad
    step = round(type_.size * 1.5)
    height = len(shown) * step + 2 * pad - type_.size // 2
    canvas = Canvas(width, height)
    canvas.panel(0, 0, width, height, radius=pad)
    for index, line in enumerate(shown):
        canvas.text(width // 2, pad + index * step, line, type_.size, colour, "centre")
    return canvas.picture()


def draw_badge(text: str, unit: float) -> Picture:
    """Draw a warning that stays while it is true, such as "0.8x real time"."""
    return draw_notice([text], unit * 0.9, 10_000, AMBER)
