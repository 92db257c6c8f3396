"""The branches of a session as a tree of text: what was played, where it was gone back to, what was marked.

Reads a recording's marks; knows nothing about windows or models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamloop.model.recording import Mark, Recording


def tree(recording: Recording) -> list[str]:
    """Draw the branches of a session, with what the player marked.

    Every line is a stretch of ticks; one that was reached by going back hangs below the stretch that it left.
    """
    stretches = _stretches(recording)
    lines: list[str] = []

    def draw(number: int, indent: str, last: bool) -> None:
        stretch = stretches[number]
        lines.append(f"{indent}{'└─' if last else '├─'} {stretch.label(recording)}")
        below = indent + ("   " if last else "│  ")
        lines.extend(f"{below}{'│' if stretch.children else ' '}  {note}" for note in stretch.notes)
        for child in stretch.children:
            draw(child, below, child == stretch.children[-1])

    roots = [i for i, stretch in enumerate(stretches) if stretch.parent is None]
    for root in roots:
        draw(root, "  ", root == roots[-1])
    return lines


@dataclass(slots=True)
class _Stretch:
    """Ticks that follow from each other, and how they came about."""

    start: int
    stop: int
    how: str
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def label(self, recording: Recording) -> str:
        """Say what it is in one line."""
        rate_hz = as_number(recording.header.get("rate_hz")) or 1.0
        ticks = f"ticks {self.start} to {self.stop - 1}" if self.stop > self.start else "no ticks"
        return f"{self.how}: {ticks} ({(self.stop - self.start) / rate_hz:.1f} s)"


def _stretches(recording: Recording) -> list[_Stretch]:
    header = recording.header
    scene = f"scene {header['scene']}" if header.get("scene") else "start"
    seed = f", seed {header['seed']}" if "seed" in header else ""
    stretches = [_Stretch(0, len(recording), f"{scene}{seed}")]
    for mark in recording.marks:
        if mark.kind in ("reset", "branch", "load"):
            stretches[-1].stop = mark.at
            stretches.append(_after(mark, len(recording)))
            to = mark.values.get("to")
            owner = _owner(stretches[:-1], to) if mark.kind == "branch" else None
            if owner is not None:
                stretches[-1].parent = owner
                stretches[owner].children.append(len(stretches) - 1)
        elif mark.kind not in ("pause", "resume", "state"):
            stretches[-1].notes.append(_note(mark))
    return stretches


def _after(mark: Mark, end: int) -> _Stretch:
    values = mark.values
    if mark.kind == "branch":
        how = f"{values.get('by', 'rewind')} to tick {values.get('to')}"
    elif mark.kind == "reset":
        how = f"start over in {values.get('scene') or 'the same place'}, seed {values.get('seed')}"
    else:
        how = f"loaded game {values.get('name', '')}".rstrip()
    return _Stretch(mark.at, end, how)


def _owner(stretches: Sequence[_Stretch], tick: Any) -> int | None:
    """Return the stretch that holds ``tick``; the first one holds -1, the state after the start."""
    if not isinstance(tick, int):
        return None
    for i, stretch in enumerate(stretches):
        if stretch.start <= tick < stretch.stop or (tick < 0 and i == 0):
            return i
    return None


def _note(mark: Mark) -> str:
    said = ", ".join(f"{name} {short_text(value)}" for name, value in mark.values.items() if value not in ("", None))
    return f"* {mark.kind} before tick {mark.at}" + (f": {said}" if said else "")


def as_number(value: Any) -> float:
    """Return ``value`` when it is a number, else 0."""
    return float(value) if isinstance(value, int | float) else 0.0


def short_text(value: Any) -> str:
    """Return ``value`` in at most 80 characters; bytes by their number."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
