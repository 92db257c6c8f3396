"""Run by test_sources.py in a process of its own: plugs a virtual controller into SDL and plays on it.

Exit code 0: everything arrived; 77: this SDL cannot do it, and the reason is printed.
"""

import ctypes
import glob
import sys
from pathlib import Path

import pygame

from dreamloop.input.parts import PAD_AXES, PAD_BUTTONS
from dreamloop.input.poll import Poller
from dreamloop.input.source import DeviceEvent, open_source

GAMECONTROLLER = 1  # SDL_JOYSTICK_TYPE_GAMECONTROLLER
LEFT_X, RIGHT_TRIGGER, BUTTON_A = 0, 5, 0


def sdl() -> ctypes.CDLL:
    """Return the SDL2 that pygame itself has loaded."""
    with open("/proc/self/maps") as maps:
        loaded = {line.split()[-1] for line in maps if "libSDL2-2" in line}
    folder = Path(pygame.__file__).parent.parent
    found = sorted(loaded) or glob.glob(str(folder / "pygame_ce.libs" / "libSDL2-2*"))
    if not found:
        skip("pygame's SDL2 was not found")
    return ctypes.CDLL(found[0])


def skip(reason: str) -> None:
    sys.stdout.write(reason)
    sys.exit(77)


def events() -> list[DeviceEvent]:
    """Return pygame's controller events as the window's table translates them."""
    found = []
    for event in pygame.event.get():
        if event.type == pygame.CONTROLLERDEVICEADDED:
            found.append(DeviceEvent("added", "pad", event.device_index))
        elif event.type == pygame.CONTROLLERDEVICEREMOVED:
            found.append(DeviceEvent("removed", "pad", event.instance_id))
        elif event.type == pygame.CONTROLLERAXISMOTION:
            found.append(DeviceEvent("axis", f"pad:{PAD_AXES[event.axis]}", event.value / 32767))
        elif event.type in (pygame.CONTROLLERBUTTONDOWN, pygame.CONTROLLERBUTTONUP):
            kind = "down" if event.type == pygame.CONTROLLERBUTTONDOWN else "up"
            found.append(DeviceEvent(kind, f"pad:{PAD_BUTTONS[event.button]}"))
    return found


def main() -> None:
    pygame.display.init()
    pygame.joystick.init()
    from pygame._sdl2 import controller

    controller.init()
    library = sdl()
    if not hasattr(library, "SDL_JoystickAttachVirtual"):
        skip("this SDL2 has no virtual joysticks")
    poller = Poller([open_source("gamepad")])

    def tick() -> object:
        pygame.event.pump()
        for event in events():
            poller.feed(event)
        return poller.poll(0, 0.1, 0.0)

    tick()
    index = library.SDL_JoystickAttachVirtual(GAMECONTROLLER, 6, 15, 0)
    if index < 0:
        skip("SDL refused a virtual joystick")
    tick()
    assert any("plugged in" in line for line in poller.news()), "the pad was not opened"
    library.SDL_JoystickOpen.restype = ctypes.c_void_p
    pad = ctypes.c_void_p(library.SDL_JoystickOpen(index))
    library.SDL_JoystickSetVirtualButton(pad, BUTTON_A, 1)
    library.SDL_JoystickSetVirtualAxis(pad, LEFT_X, ctypes.c_int16(-32768))
    state = tick()
    assert "pad:a" in state.held, state  # type: ignore[attr-defined]
    assert state.axes["pad:left_x"] == -1.0, state  # type: ignore[attr-defined]
    assert "pad:-left_x" in state.held, state  # type: ignore[attr-defined]
    library.SDL_JoystickSetVirtualButton(pad, BUTTON_A, 0)
    pygame.event.pump()
    library.SDL_JoystickSetVirtualButton(pad, BUTTON_A, 1)
    library.SDL_JoystickSetVirtualAxis(pad, LEFT_X, ctypes.c_int16(0))
    state = tick()
    assert "pad:a" in state.tapped, state  # type: ignore[attr-defined]
    library.SDL_JoystickDetachVirtual(index)
    state = tick()
    assert not state.held, state  # type: ignore[attr-defined]
    assert any("unplugged" in line for line in poller.news()), "the pad was not closed"


if __name__ == "__main__":
    main()
