"""What SDL and pygame are told before they start, through the environment. Imports neither."""

import os
import sys


def prepare() -> None:
    """Tell pygame to be silent, desktops what the window is called, and SDL not to look for what is not there."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    for name in ("SDL_VIDEO_X11_WMCLASS", "SDL_VIDEO_WAYLAND_WMCLASS"):
        os.environ[name] = "dreamloop"  # pygame puts the script's name there
    only_x11 = "DISPLAY" in os.environ and "WAYLAND_DISPLAY" not in os.environ
    if sys.platform.startswith("linux") and only_x11:
        os.environ.setdefault("SDL_VIDEODRIVER", "x11")  # looking for Wayland first, SDL would complain on stderr


def may_have_display() -> bool:
    """Whether it is worth asking SDL for a display; on Linux without one, asking makes SDL complain on stderr."""
    driver = os.environ.get("SDL_VIDEODRIVER")
    if driver in ("dummy", "offscreen"):
        return False
    named = driver or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(named) or not sys.platform.startswith("linux")
