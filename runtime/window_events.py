"""Turns pygame's events into the house's device events: one table, one entry per event. Knows no window of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pygame
from pygame.event import Event

from dreamloop.input.parts import KEY_BY_SCANCODE, MOUSE_BY_NUMBER, PAD_AXES, PAD_BUTTONS
from dreamloop.input.source import DeviceEvent

AXIS_FULL = 32767  # full deflection of a stick, as SDL counts


@dataclass(frozen=True, slots=True)
class View:
    """What an event must be read with: where the frame is in the window, and whether the mouse is grabbed."""

    left_px: int = 0
    top_px: int = 0
    width_px: int = 1
    height_px: int = 1
    grabbed: bool = False
    moves: bool = False  # relative motion counts (only while grabbed, in worlds that want it)


def key_part(event: Event) -> str | None:
    """The key by its position: ``key:w``; None for one without a name."""
    name = KEY_BY_SCANCODE.get(event.scancode)
    return None if name is None else f"key:{name}"


def char_part(event: Event) -> str | None:
    """The key by the character printed on it in the player's layout: ``char:w``; None for F1, Shift and so on."""
    printed = chr(event.key) if 32 < event.key < 0x110000 else ""
    return f"char:{printed}" if printed.isprintable() and printed else None


def _key(kind: str) -> Callable[[Event, View, float], list[DeviceEvent]]:
    def read(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
        parts = (key_part(event), char_part(event))
        return [DeviceEvent(kind, part, time_s=time_s) for part in parts if part]

    return read


def _button(kind: str) -> Callable[[Event, View, float], list[DeviceEvent]]:
    def read(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
        name = MOUSE_BY_NUMBER.get(event.button)  # 4 to 7 are the wheel, which comes as an event of its own
        return [DeviceEvent(kind, f"mouse:{name}", time_s=time_s)] if name else []

    return read


def _motion(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
    if view.grabbed:
        return [DeviceEvent("motion", x=event.rel[0], y=event.rel[1], time_s=time_s)] if view.moves else []
    x = (event.pos[0] - view.left_px) / max(view.width_px - 1, 1)
    y = (event.pos[1] - view.top_px) / max(view.height_px - 1, 1)
    return [DeviceEvent("pointer", x=min(max(x, 0.0), 1.0), y=min(max(y, 0.0), 1.0), time_s=time_s)]


def _wheel(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
    turned = -1.0 if getattr(event, "flipped", False) else 1.0
    x, y = getattr(event, "precise_x", event.x), getattr(event, "precise_y", event.y)
    return [DeviceEvent("wheel", x=turned * x, y=turned * y, time_s=time_s)]


def _pad_button(kind: str) -> Callable[[Event, View, float], list[DeviceEvent]]:
    def read(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
        if not 0 <= event.button < len(PAD_BUTTONS):
            return []
        return [DeviceEvent(kind, f"pad:{PAD_BUTTONS[event.button]}", time_s=time_s)]

    return read


def _pad_axis(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
    if not 0 <= event.axis < len(PAD_AXES):
        return []
    value = max(min(event.value / AXIS_FULL, 1.0), -1.0)
    return [DeviceEvent("axis", f"pad:{PAD_AXES[event.axis]}", x=value, time_s=time_s)]


def _pad_added(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
    return [DeviceEvent("added", "pad", x=event.device_index, time_s=time_s)]


def _pad_removed(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
    return [DeviceEvent("removed", "pad", x=event.instance_id, time_s=time_s)]


def _focus_lost(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
    return [DeviceEvent("focus_lost", time_s=time_s)]


TABLE: Mapping[int, Callable[[Event, View, float], list[DeviceEvent]]] = {
    pygame.KEYDOWN: _key("down"),
    pygame.KEYUP: _key("up"),
    pygame.MOUSEBUTTONDOWN: _button("down"),
    pygame.MOUSEBUTTONUP: _button("up"),
    pygame.MOUSEMOTION: _motion,
    pygame.MOUSEWHEEL: _wheel,
    pygame.CONTROLLERBUTTONDOWN: _pad_button("down"),
    pygame.CONTROLLERBUTTONUP: _pad_button("up"),
    pygame.CONTROLLERAXISMOTION: _pad_axis,
    pygame.CONTROLLERDEVICEADDED: _pad_added,
    pygame.CONTROLLERDEVICEREMOVED: _pad_removed,
    pygame.WINDOWFOCUSLOST: _focus_lost,
}


def translate(event: Event, view: View, time_s: float) -> list[DeviceEvent]:
    """Return the device events that ``event`` means, stamped with ``time_s``; none for events of other kinds."""
    read = TABLE.get(event.type)
    return read(event, view, time_s) if read else []
