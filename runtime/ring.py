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
    nbytes: int = 0
    items: deque[tuple[Item, int]] = field(default_factory=deque)
    ticks: int = 0
    settings: dict[str, Any] = field(default_factory=dict)  # facts of the header that forgotten marks have changed

    def add(self, item: Item, nbytes: int) -> None:
        """Add the newest item and forget the oldest ones."""
        self.items.append((item, nbytes))
        self.nbytes += nbytes
        self.ticks += isinstance(item, TickItem)
        while self.items and (self.ticks > self.max_ticks or self.nbytes > self.max_bytes):
            old, size = self.items.popleft()
            self.nbytes -= size
            self.ticks -= isinstance(old, TickItem)
            if isinstance(old, MarkItem) and old.kind in SETTINGS:
                self.settings |= old.values

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
        """Write the ring to an open recording: ticks and marks as they were, snapshots as "state" marks."""
        first = next((item.number for item in self.from_snapshot() if isinstance(item, TickItem)), 0)
        for item in self.from_snapshot():
            if isinstance(item, TickItem):
                write_tick(writer, item.data, item.picture)
            elif isinstance(item, MarkItem):
                writer.mark(item.kind, **counted_from(item.values, first))
            elif isinstance(item, StateItem):
                writer.mark("state", state=pack_state(item.state))


def counted_from(values: Mapping[str, Any], first: int) -> dict[str, Any]:
    """Count the ticks that a mark names from tick ``first`` on; None for one that lies before it."""
    moved = {name: values[name] - first for name in ("to", "first") if isinstance(values.get(name), int)}
    return {**values, **{name: tick if tick >= 0 else None for name, tick in moved.items()}}


def write_tick(writer: RecordingWriter, data: TickData, picture: bytes) -> None:
    """Write one tick whose picture is encoded already."""
    writer.tick(data.state, data.action, None, data.frame_hash, data.timings, data.extra, picture=picture)
