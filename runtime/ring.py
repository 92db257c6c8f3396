"""What a recorder has in hand: entries on their way to a file, and the ring of the last minutes.

Bounded in ticks and in bytes; whole pictures are kept encoded. Knows nothing about threads or disks.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamloop.model.recording_writer import RecordingWriter
from dreamloop.model.savegame import pack_state
from dreamloop.model.tick_codec import TickData
from dreamloop.model.world_model import Frame, ModelState
from dreamloop.runtime.held_bytes import HeldBytes

SETTINGS = ("steps",)  # marks whose values are facts of the header from then on


@dataclass(slots=True)
class TickItem:
    """One tick on its way to the file."""

    number: int  # how many ticks of the session come before it
    data: TickData
    frame: Frame | None
    picture: bytes = b""


@dataclass(frozen=True, slots=True)
class MarkItem:
    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StateItem:
    """A snapshot of the model behind the last tick, for a ring that can be dreamed again."""

    state: ModelState


@dataclass(frozen=True, slots=True)
class KeepItem:
    """The wish to write the ring to a file."""

    path: Path
    done: Callable[[str], None]


Item = TickItem | MarkItem | StateItem | KeepItem


@dataclass(slots=True)
class Ring:
    """The last ticks with their pictures, bounded in ticks and in bytes."""

    max_ticks: int
    max_bytes: int
    items: deque[tuple[Item, int]] = field(default_factory=deque)
    ticks: int = 0
    settings: dict[str, Any] = field(default_factory=dict)  # facts of the header that forgotten marks have changed
    _item_bytes: int = 0
    _states: HeldBytes = field(default_factory=HeldBytes)

    @property
    def nbytes(self) -> int:
        """Bytes that the items take; what several states share counts once."""
        return self._item_bytes + self._states.nbytes

    def add(self, item: Item, nbytes: int = 0) -> None:
        """Add the newest item, of ``nbytes`` beside the state that it may hold, and forget the oldest ones."""
        self.items.append((item, nbytes))
        self._item_bytes += nbytes
        self.ticks += isinstance(item, TickItem)
        if isinstance(item, StateItem):
            self._states.take(item.state)
        while self.items and (self.ticks > self.max_ticks or self.nbytes > self.max_bytes):
            self._forget()

    def header(self) -> dict[str, Any]:
        """Return the facts of the header that were other where the ring is written from than at the start."""
        items = [item for item, _ in self.items]
        before = items[: len(items) - len(list(self.from_snapshot()))]
        changed = [item.values for item in before if isinstance(item, MarkItem) and item.kind in SETTINGS]
        return {name: value for values in (self.settings, *changed) for name, value in values.items()}

    def from_snapshot(self) -> Iterator[Item]:
        """Yield the items from the oldest snapshot on; all of them when there is none, or when nothing is forgotten."""
        items = [item for item, _ in self.items]
        starts = [i for i, item in enumerate(items) if isinstance(item, StateItem)]
        yield from items[starts[0] if starts and self.first else 0 :]

    @property
    def first(self) -> int:
        """Number of the oldest tick that is left, 0 when there is none."""
        return next((item.number for item, _ in self.items if isinstance(item, TickItem)), 0)

    def write(self, writer: RecordingWriter) -> None:
        """Write the ring to an open recording: ticks and marks as they were, snapshots as "state" marks.

        A snapshot may be twenty megabytes, so it is written only where nothing else in the file leads to what follows.
        """
        first = next((item.number for item in self.from_snapshot() if isinstance(item, TickItem)), 0)
        led_to = self.first == 0  # what is showing can be dreamed from what was written so far
        dreamable: set[int] = {-1} if led_to else set()  # ticks that can be gone back to
        for item in self.from_snapshot():
            if isinstance(item, TickItem):
                write_tick(writer, item.data, item.picture)
                if led_to:
                    dreamable.add(item.number)
            elif isinstance(item, MarkItem):
                writer.mark(item.kind, **counted_from(item.values, first))
                if item.kind == "branch":
                    led_to = item.values.get("to") in dreamable
                elif item.kind in ("reset", "load", "state"):
                    led_to = True
            elif isinstance(item, StateItem) and not led_to:
                writer.mark("state", state=pack_state(item.state))
                led_to = True

    def _forget(self) -> None:
        """Let the oldest item go."""
        item, nbytes = self.items.popleft()
        self._item_bytes -= nbytes
        self.ticks -= isinstance(item, TickItem)
        if isinstance(item, StateItem):
            self._states.drop(item.state)
        if isinstance(item, MarkItem) and item.kind in SETTINGS:
            self.settings |= item.values


def counted_from(values: Mapping[str, Any], first: int) -> dict[str, Any]:
    """Count the ticks that a mark names from tick ``first`` on; None for one that lies before it."""
    moved = {name: values[name] - first for name in ("to", "first") if isinstance(values.get(name), int)}
    return {**values, **{name: tick if tick >= 0 else None for name, tick in moved.items()}}


def write_tick(writer: RecordingWriter, data: TickData, picture: bytes) -> None:
    """Write one tick whose picture is encoded already."""
    writer.tick(data.state, data.action, None, data.frame_hash, data.timings, data.extra, picture=picture)
