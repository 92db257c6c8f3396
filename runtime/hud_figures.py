"""Gathers the figures of a session for the head-up display. Knows what a session has, not how it is drawn."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dreamloop.model.stage import dynamics_of
from dreamloop.model.world_model import Frame
from dreamloop.runtime.hud import HudData, clock_label
from dreamloop.runtime.stamps import Quantiles

if TYPE_CHECKING:
    from dreamloop.runtime.session import Session

MOST_CONTROLS = 18  # entries of the action vector that are shown; of a longer one, those that are not idle
ROWS = {
    "input to frame": "input_to_frame_s",
    "speech to frame": "speech_to_frame_s",
    "model": "model_s",
    "window": "show_s",
    "loop": "overhead_s",
}


def hud_data(session: "Session") -> HudData:
    """Return what the display shows now."""
    ring, pacer = session.ring, session.pacer
    durations: dict[str, Quantiles] = {}
    for label, name in ROWS.items():
        spread = ring.quantiles(name)
        if spread is not None:
            durations[label] = spread
    return HudData(
        title=session.world.title,
        state=session.commands.state,
        frames_per_s=ring.frames_per_s(),
        rate_hz=session.world.rate_hz,
        speed=ring.speed() if ring.settled else 1.0,
        world_s=ring.frames * pacer.dt_s,
        wall_s=ring.wall_s,
        stamps=ring.last,
        durations=durations,
        frame_times_s=ring.frame_times_s(160),
        miss_rate=ring.miss_rate,
        memory_bytes=resident_bytes(),
        model=session.model.model.stats(),
        controls=_controls(session),
        heard=session.heard[-2:],
        recalled=_recalled(session),
        notes=_notes(session),
    )


def resident_bytes() -> int:
    """Memory of this process that is in RAM, bytes; 0 where that cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _controls(session: "Session") -> list[tuple[str, float]]:
    schema, action = session.schema.schema, session.schema.action
    rows = [(name, float(value)) for name, value in zip(schema.columns, action, strict=True)]
    if len(rows) <= MOST_CONTROLS:
        return rows
    idle = schema.neutral.tolist()
    return [row for row, rest in zip(rows, idle, strict=True) if row[1] != rest][:MOST_CONTROLS]


def _recalled(session: "Session") -> list[tuple[str, Frame]]:
    """Return the pages that the model is reading, for models that say which."""
    read = getattr(dynamics_of(session.model.model), "pages_read", None)
    if read is None:
        return []
    return [(_ago(page.age_ticks * session.pacer.dt_s), page.frame) for page in read(0)[1]]


def _ago(seconds: float) -> str:
    return f"{seconds:.1f} s ago" if seconds < 60 else f"{clock_label(seconds)} ago"


def _notes(session: "Session") -> list[str]:
    notes = []
    recorder = session.recorder
    written = getattr(recorder, "nbytes", 0)
    if session.options.record is not None:
        notes.append(f"recording {session.options.record.name}, {written / 1e6:.1f} MB")
    if recorder.note:
        notes.append(recorder.note)
    rewind = session.rewind
    if rewind.reach:
        back_s = rewind.reach * session.pacer.dt_s
        notes.append(f"way back {back_s:.0f} s, {(rewind.nbytes + rewind.picture_nbytes) / 1e6:.0f} MB")
    return notes
