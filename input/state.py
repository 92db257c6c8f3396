"""What the player did during one tick, as plain data. Knows nothing about devices, schemas or models.

A *part* is the name of one thing on a device: ``key:w``, ``mouse:left``, ``pad:a``. Keys are named by
position (the US name of the physical key), so WASD stays WASD on every layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class InputState:
    """One tick of player input. Motion is summed over the tick and taps are latched: nothing is lost."""

    tick: int = 0  # number of the tick this input belongs to, from 0
    dt_s: float = 0.0  # length of the tick in world time, seconds
    held: frozenset[str] = frozenset()  # parts that are down when the tick is sampled
    tapped: frozenset[str] = frozenset()  # parts that went down during the tick, even if up again by now
    motion_px: tuple[float, float] = (0.0, 0.0)  # relative mouse motion summed over the tick: right, down
    wheel: tuple[float, float] = (0.0, 0.0)  # wheel notches summed over the tick: right, up
    pointer: tuple[float, float] | None = None  # absolute pointer in 0..1 of the frame: right, down
    axes: Mapping[str, float] = field(default_factory=dict)  # analogue parts, -1..1: {"pad:left_x": 0.5}
    intents: Mapping[str, float] = field(default_factory=dict)  # control name -> value asked for by voice or script
    phrases: tuple[str, ...] = ()  # phrases recognised during the tick, in order
    event_s: float | None = None  # clock time of the tick's first device event, None when there was none
    sampled_s: float = 0.0  # clock time at which this state was read

    @property
    def active(self) -> frozenset[str]:
        """Parts that count as pressed in this tick: held now, or tapped since the last tick."""
        return self.held | self.tapped

    def to_dict(self) -> dict[str, Any]:
        """Return the state as msgpack-able values; empty fields are left out to keep recordings small."""
        full: dict[str, Any] = {
            "tick": self.tick,
            "dt_s": self.dt_s,
            "held": sorted(self.held),
            "tapped": sorted(self.tapped),
            "motion_px": list(self.motion_px) if any(self.motion_px) else None,
            "wheel": list(self.wheel) if any(self.wheel) else None,
            "pointer": None if self.pointer is None else list(self.pointer),
            "axes": dict(self.axes),
            "intents": dict(self.intents),
            "phrases": list(self.phrases),
            "event_s": self.event_s,
            "sampled_s": self.sampled_s,
        }
        return {name: value for name, value in full.items() if value not in (None, [], {})}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "InputState":
        """Rebuild the state of :meth:`to_dict`; unknown names are ignored, so newer files can be read."""
        pointer = values.get("pointer")
        return cls(
            tick=int(values.get("tick", 0)),
            dt_s=float(values.get("dt_s", 0.0)),
            held=frozenset(values.get("held", ())),
            tapped=frozenset(values.get("tapped", ())),
            motion_px=_pair(values.get("motion_px")) or (0.0, 0.0),
            wheel=_pair(values.get("wheel")) or (0.0, 0.0),
            pointer=_pair(pointer),
            axes=dict(values.get("axes", {})),
            intents=dict(values.get("intents", {})),
            phrases=tuple(values.get("phrases", ())),
            event_s=values.get("event_s"),
            sampled_s=float(values.get("sampled_s", 0.0)),
        )


def _pair(values: Any) -> tuple[float, float] | None:
    return None if values is None else (float(values[0]), float(values[1]))
