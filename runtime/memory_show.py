"""What a saved game remembers: how much, how old, where; a map of the poses and the pages as small pictures.

Reads the arrays of a saved game (model/savegame.py) and asks no model, so it works without weights.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamloop.input.errors import DreamloopError
from dreamloop.model.savegame import read_savegame
from dreamloop.model.world_model import Frame
from dreamloop.runtime.paint import AMBER, BLUE, EDGE, GLASS, GREEN, INK, MUTED, Canvas, Colour

SIDE_PX, PAD_PX, TEXT_PX = 480, 16, 13
THUMBNAILS = 40  # at most so many pages are drawn, evenly spread over time
ACROSS = 5
NO_POSE = np.zeros((0, 4))


class MemoryShowError(DreamloopError):
    """A saved game that remembers nothing to show."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The memory of one saved game. Pages are sorted by age, the oldest first."""

    tick: int  # of the model, when the game was saved
    slots: NDArray[np.int64]  # (n,) where each page lies
    ticks: NDArray[np.int64]  # (n,) when each page was taken
    poses: NDArray[np.float64]  # (n, 4)
    frames: tuple[Frame, ...]
    pose: NDArray[np.float64]  # (4,) of the player

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures."""
        return sum(frame.nbytes for frame in self.frames)

    @property
    def ages(self) -> NDArray[np.int64]:
        """Ticks since each page was taken."""
        return np.asarray(self.tick - self.ticks)


def read_remembered(path: Path) -> Remembered:
    """Return what the saved game at ``path`` remembers.

    Raises:
        RecordingError: no saved game, or a damaged one.
        MemoryShowError: one of a model without pages.
    """
    state, _ = read_savegame(path)
    values = state.values
    if "memory/ticks" not in values or "memory/poses" not in values:
        raise MemoryShowError(f"{path} was saved by '{state.arch}', which keeps no remembered frames")
    known: Any = {int(name.removeprefix("page/")): v for name, v in values.items() if name.startswith("page/")}
    ticks, poses = np.asarray(values["memory/ticks"]), np.asarray(values["memory/poses"])
    slots = np.array(sorted((s for s in known if s < len(ticks) and ticks[s] >= 0), key=lambda s: ticks[s]), np.int64)
    if not len(slots):
        raise MemoryShowError(f"{path} remembers nothing yet: no frame was kept before it was saved")
    frames = tuple(known[int(slot)] for slot in slots)
    now = int(values.get("way", ticks[slots].max()))
    return Remembered(now, slots, ticks[slots], poses[slots], frames, np.asarray(values.get("pose", np.zeros(4))))


def told(memory: Remembered, rate_hz: float) -> list[tuple[str, str]]:
    """Return what there is to say of it, as rows of name and text."""
    ages = memory.ages / rate_hz
    low, high = memory.poses[:, :2].min(0), memory.poses[:, :2].max(0)
    x, y, yaw, pitch = memory.pose
    return [
        ("pages", f"{len(memory.frames)}"),
        ("bytes", f"{memory.nbytes:,} ({memory.nbytes / 1e6:.1f} MB)"),
        ("age", f"newest {ages.min():.1f} s, median {np.median(ages):.1f} s, oldest {ages.max():.1f} s"),
        ("area", f"{high[0] - low[0]:.0f} x {high[1] - low[1]:.0f} map units"),
        ("player", f"at {x:.0f}, {y:.0f}, heading {yaw % 360:.0f} degrees, {pitch:+.0f} up"),
    ]


def draw(memory: Remembered, rate_hz: float) -> Image.Image:
    """Draw the map of all poses beside small pictures of the pages."""
    picked = np.unique(np.linspace(0, len(memory.frames) - 1, min(len(memory.frames), THUMBNAILS)).astype(int))
    h, w, _ = memory.frames[0].shape
    wide = 112
    tall = round(wide * h / w)
    rows = -(-len(picked) // ACROSS)
    cell = tall + TEXT_PX + 10
    width = SIDE_PX + 3 * PAD_PX + ACROSS * (wide + 8)
    height = max(SIDE_PX, rows * cell) + 2 * PAD_PX
    canvas = Canvas(width, height)
    canvas.box(0, 0, width, height, (*GLASS[:3], 255))
    _map(canvas, memory, set(picked.tolist()))
    for place, page in enumerate(picked):
        x = SIDE_PX + 2 * PAD_PX + place % ACROSS * (wide + 8)
        y = PAD_PX + place // ACROSS * cell
        canvas.image(x, y, wide, tall, memory.frames[page])
        text = f"{memory.slots[page]}: {memory.ages[page] / rate_hz:.1f} s ago"
        canvas.text(x, y + tall + 1, text, TEXT_PX - 1, MUTED)
    return Image.fromarray(canvas.picture()).convert("RGB")


def _map(canvas: Canvas, memory: Remembered, drawn: set[int]) -> None:
    """A dot and a line of sight for every page, from old (blue) to new (green); the player is amber."""
    canvas.panel(PAD_PX, PAD_PX, SIDE_PX, SIDE_PX, radius=8)
    everything = np.concatenate([memory.poses[:, :2], memory.pose[None, :2]])
    low, high = everything.min(0), everything.max(0)
    span = float(max((high - low).max(), 64.0))
    middle = (low + high) / 2

    def spot(pose: NDArray[np.float64]) -> tuple[int, int]:
        x, y = (pose[:2] - middle) / span * 0.86 * SIDE_PX
        return round(PAD_PX + SIDE_PX / 2 + x), round(PAD_PX + SIDE_PX / 2 - y)

    count = max(len(memory.poses) - 1, 1)
    for i, pose in enumerate(memory.poses):
        _arrow(canvas, spot(pose), float(pose[2]), _between(BLUE, GREEN, i / count), 3 if i in drawn else 2)
    _arrow(canvas, spot(memory.pose), float(memory.pose[2]), AMBER, 5)
    canvas.text(PAD_PX + 10, PAD_PX + 8, "seen from above; north is up", TEXT_PX - 1, MUTED)
    left, bottom = PAD_PX + 10, PAD_PX + SIDE_PX - 26
    units = 10.0 ** np.floor(np.log10(span / 2))
    canvas.box(left, bottom + 16, round(units / span * 0.86 * SIDE_PX), 2, EDGE)
    canvas.text(left, bottom, f"{units:.0f} map units", TEXT_PX - 1, INK)


def _arrow(canvas: Canvas, at: tuple[int, int], yaw_deg: float, colour: Colour, radius: int) -> None:
    x, y = at
    canvas.box(x - radius, y - radius, 2 * radius, 2 * radius, colour)
    way = np.radians(yaw_deg)
    for far in range(radius, 4 * radius):
        canvas.box(round(x + far * np.cos(way)), round(y - far * np.sin(way)), 1, 1, colour)


def _between(one: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (round(a + (z - a) * share) for a, z in zip(one[:3], other[:3], strict=True))
    return r, g, b, 255
