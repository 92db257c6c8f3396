"""Input sources: where a player's input comes from, one file each, and the events that windows hand them.

``open_source("keyboard")`` finds ``input/source_keyboard.py``, or an entry point of the group
``dreamloop.sources``. A source takes events that the window pushes (``handle``), or fetches its own when it
is polled, and writes what happened into the tick. A source whose device is missing is silent, and says once
why. Knows no device, no window library, no schema.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dreamloop.input.control import Phrase
from dreamloop.input.errors import DreamloopError, MissingPartError, unknown

if TYPE_CHECKING:
    from dreamloop.input.schema import ActionSchema

EVENT_KINDS = ("down", "up", "motion", "wheel", "pointer", "axis", "added", "removed", "focus_lost", "phrase")


class SourceError(DreamloopError):
    """An input source that does not exist or cannot be set up as asked."""


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """One thing that a device did. ``x`` and ``y`` are what ``kind`` says:

    ===============  ========================================================================================
    `down`, `up`     ``part`` went down or up: ``key:w``, ``char:w``, ``mouse:left``, ``pad:a``
    `motion`         the mouse moved by x, y pixels, right and down
    `wheel`          the wheel turned by x, y notches, right and up
    `pointer`        the pointer is at x, y in 0..1 of the frame, right and down
    `axis`           ``part`` (``pad:left_x``) stands at x, -1..1
    `added`          a device of ``part`` (``pad``) was plugged in; x is its index
    `removed`        a device of ``part`` was unplugged; x is its instance
    `focus_lost`     the window no longer gets the player's keys
    `phrase`         the words in ``part`` were said; x is a number said with them, 0 if none
    ===============  ========================================================================================
    """

    kind: str
    part: str = ""
    x: float = 0.0
    y: float = 0.0
    time_s: float = 0.0  # clock time at which it happened


@dataclass(slots=True)
class Tick:
    """What sources write down while a tick is polled. Sources use the methods, the poller the fields."""

    held: set[str] = field(default_factory=set)
    tapped: set[str] = field(default_factory=set)
    presses: list[str] = field(default_factory=list)  # what was tapped, in order, as often as it was
    motion_px: tuple[float, float] = (0.0, 0.0)
    wheel: tuple[float, float] = (0.0, 0.0)
    pointer: tuple[float, float] | None = None
    axes: dict[str, float] = field(default_factory=dict)
    intents: dict[str, float] = field(default_factory=dict)
    said: list[tuple[str, float | None, Phrase | None]] = field(default_factory=list)
    event_s: float | None = None

    def hold(self, parts: Iterable[str]) -> None:
        """These parts are down now."""
        self.held.update(parts)

    def tap(self, parts: Iterable[str]) -> None:
        """These parts went down since the last tick, whether or not they are still down."""
        order = list(parts) if isinstance(parts, list | tuple) else sorted(parts)
        self.tapped.update(order)
        self.presses += order

    def move(self, right_px: float, down_px: float) -> None:
        """Add mouse motion."""
        self.motion_px = (self.motion_px[0] + right_px, self.motion_px[1] + down_px)

    def roll(self, right: float, up: float) -> None:
        """Add notches of the wheel."""
        self.wheel = (self.wheel[0] + right, self.wheel[1] + up)

    def point(self, right: float, down: float) -> None:
        """Say where the pointer is, in 0..1 of the frame."""
        self.pointer = (right, down)

    def deflect(self, part: str, value: float) -> None:
        """Say where an analogue part stands, -1..1; of two sources, the one that pushes harder counts."""
        if abs(value) >= abs(self.axes.get(part, 0.0)):
            self.axes[part] = value

    def ask(self, control: str, value: float) -> None:
        """Ask for a control by its name, in its own unit."""
        self.intents[control] = value

    def say(self, words: str, number: float | None = None, phrase: Phrase | None = None) -> None:
        """Someone said this, with a number perhaps, and it means ``phrase`` if that is known already. Counts once."""
        self.said.append((words, number, phrase))

    def stamp(self, time_s: float | None) -> None:
        """Note when something happened; the earliest time of the tick is kept."""
        if time_s is not None and (self.event_s is None or time_s < self.event_s):
            self.event_s = time_s


class Source(Protocol):
    """Where input comes from. Inherit it and override what the device needs; everything else does nothing."""

    name: str

    def handle(self, event: DeviceEvent) -> None:
        """Take an event that the window pushes; events of other devices are ignored."""
        return None

    def use(self, schema: "ActionSchema") -> None:
        """Take another schema: the player's own, or one that was changed while playing."""
        return None

    def poll(self, tick: Tick, now_s: float) -> None:
        """Write everything since the last poll into ``tick``. Called once a tick; must not wait."""
        return None

    def release_all(self) -> None:
        """Let go of everything that is held. Taps and motion that were not polled yet still count."""
        return None

    def news(self) -> list[str]:
        """Return lines for the player that were not returned before: a device gone, a phrase heard."""
        return []

    def close(self) -> None:
        """Give the device back. Called once, perhaps without any poll."""
        return None


class NullSource(Source):
    """The silent twin of a source whose device is missing."""

    def __init__(self, name: str, why: str = "") -> None:
        self.name = name
        self._news = [why] if why else []

    def news(self) -> list[str]:
        told, self._news = self._news, []
        return told


@dataclass(slots=True)
class Parts:
    """Parts of one device that go down and up: what is held, and what was tapped since it was last taken."""

    held: set[str] = field(default_factory=set)
    tapped: set[str] = field(default_factory=set)
    order: list[str] = field(default_factory=list)  # what was pressed, in order, as often as it was
    event_s: float | None = None  # earliest event since it was last taken

    def press(self, part: str, time_s: float) -> None:
        """Note that ``part`` went down; a part that is down already (key repeat) is not tapped again."""
        if part not in self.held:
            self.held.add(part)
            self.tapped.add(part)
            self.order.append(part)
            self.stamp(time_s)

    def release(self, part: str, time_s: float) -> None:
        """Note that ``part`` went up."""
        if part in self.held:
            self.held.discard(part)
            self.stamp(time_s)

    def stamp(self, time_s: float) -> None:
        """Note when something happened, the earliest is kept."""
        if self.event_s is None or time_s < self.event_s:
            self.event_s = time_s

    def take(self, tick: Tick) -> None:
        """Write the parts into ``tick`` and start a new one."""
        tick.hold(self.held)
        tick.tap([*self.order, *sorted(self.tapped - set(self.order))])
        tick.stamp(self.event_s)
        self.tapped, self.order = set(), []
        self.event_s = None


def list_sources() -> list[str]:
    """Return the sources on disk (``source_<name>.py``) and in the entry point ``dreamloop.sources``."""
    here = [path.stem.removeprefix("source_") for path in Path(__file__).parent.glob("source_*.py")]
    return sorted({*here, *(point.name for point in entry_points(group="dreamloop.sources"))})


def open_source(name: str, **options: Any) -> Source:
    """Open a source. A plug is one module with ``build(**options) -> Source``.

    A missing device or library gives a silent source whose ``news`` tells the mend once.

    Raises:
        SourceError: no such source, or an option that it does not take.
    """
    points = [point for point in entry_points(group="dreamloop.sources") if point.name == name]
    if not points and name not in list_sources():
        raise SourceError(unknown("input source", name, list_sources()))
    plug = points[0].load() if points else importlib.import_module(f"dreamloop.input.source_{name}")
    return build_source(name, plug, options)


def build_source(name: str, plug: Any, options: Mapping[str, Any]) -> Source:
    """Build a source from its plug, or its silent twin when a part is missing."""
    try:
        source: Source = plug.build(**options)
    except MissingPartError as error:
        return NullSource(name, str(error))
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise SourceError(f"input source '{name}': {str(error).split('() ')[-1]}") from None
    return source
