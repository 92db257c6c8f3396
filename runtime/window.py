"""The window: shows frames and overlays, catches the mouse, reads the devices. pygame lives here and next door.

It knows nothing about models or worlds: it is given frames of any size, layers to put over them, and a function
that takes device events. Must be used from the main thread, where SDL wants it.
"""

import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pygame
from numpy.typing import NDArray
from pygame._sdl2 import controller
from pygame._sdl2.video import Renderer, Texture
from pygame.event import Event

from dreamloop.input.errors import MissingPartError
from dreamloop.input.parts import KEY_BY_SCANCODE
from dreamloop.input.source import DeviceEvent
from dreamloop.model.world_model import Frame
from dreamloop.runtime import sdl
from dreamloop.runtime.clock import Clock
from dreamloop.runtime.headless import Anchor, Taker, ignore
from dreamloop.runtime.keys import CommandKeys
from dreamloop.runtime.paint import AMBER, BLUE, Canvas, Picture
from dreamloop.runtime.window_events import View, char_part, key_part, translate

Scaling = Literal["sharp", "smooth"]
BACKDROP = (9, 11, 17, 255)
MARGIN_PX = 14  # between an overlay and the edge of the window, at unit 1
DEPTHS = ("hud", "badge", "help", "notice", "progress", "menu")  # layers from below to above
MENU_KEYS = {  # what a gamepad's buttons are in a menu
    "pad:dpad_up": "up",
    "pad:dpad_down": "down",
    "pad:a": "return",
    "pad:b": "escape",
    "pad:start": "escape",
}
ATTEMPTS = 5  # at opening the display
STALE_S = 0.05  # a window that has not been drawn for this long is drawn by itself when something changed
SCREEN_SHARE = 0.72  # of the screen, that a new window takes at most


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """How to open the window."""

    fullscreen: bool = False
    scaling: Scaling = "sharp"  # whole pixels, or as large as it fits with soft edges
    scale: int = 0  # window pixels per frame pixel; 0 picks what suits the screen
    frames: int | None = None  # close after so many frames; None: when it is closed


@dataclass(frozen=True, slots=True)
class Layer:
    """A picture that lies over the frame."""

    texture: Texture
    anchor: Anchor


class PygameWindow:
    """A :class:`~dreamloop.runtime.headless.GameWindow` on a real screen.

    Raises:
        MissingPartError: there is no display.
    """

    def __init__(
        self, title: str, frame_px: tuple[int, int], clock: Clock, options: WindowOptions | None = None
    ) -> None:
        options = options or WindowOptions()
        _open_display(clock)
        self.is_open = True
        self.commands: deque[str] = deque()
        self.keys = CommandKeys()
        self.on_event: Callable[[DeviceEvent], None] = ignore
        self.wants_motion = False
        self.taker: Taker | None = None
        self._clock = clock
        self._frames_left = options.frames
        self._scaling: Scaling = options.scaling
        self._frame_px = frame_px
        self._window = pygame.Window(title, _window_size(frame_px, options.scale), resizable=True)
        self._window.minimum_size = frame_px
        self._window.set_icon(_icon())
        self._renderer = Renderer(self._window, vsync=False)
        self._layers: dict[str, Layer] = {}
        self._grabbed = False
        self._swallow = False  # the click that caught the mouse is not the game's
        self._dirty = True
        self._drawn_s = clock.now_s()
        self._fullscreen = False
        self._frame_texture()
        if options.fullscreen:
            self._toggle_fullscreen()
        with suppress(pygame.error):  # a machine without any joystick support still has keys
            controller.init()

    # -- what the session asks for ---------------------------------------------------------------------------------

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the window."""
        width, height = self._window.size
        return width, height

    @property
    def unit(self) -> float:
        """Scale of the overlays, from the window's size."""
        width, height = self.size_px
        return min(max(min(height / 620, width / 620), 0.8), 2.4)

    @property
    def grabbed(self) -> bool:
        """Whether the mouse is caught in the window."""
        return self._grabbed

    def show(self, frame: Frame) -> None:
        """Upload ``frame`` (h, w, 3) and present it with the layers over it."""
        if not self.is_open:
            return
        if (frame.shape[1], frame.shape[0]) != self._frame_px:
            self._frame_px = (frame.shape[1], frame.shape[0])
            self._frame_texture()
        self._pixels[..., :3] = frame[..., ::-1]
        self._texture.update(self._surface)
        self._present()
        if self._frames_left is not None:
            self._frames_left -= 1
            self.is_open = self._frames_left > 0

    def set_layer(self, name: str, picture: Picture | None, anchor: Anchor = "centre") -> None:
        """Lay ``picture`` (h, w, 4) over the frame, or take the layer away."""
        if not self.is_open:
            return
        self._dirty = True
        self._layers.pop(name, None)
        if picture is not None:
            height, width = picture.shape[:2]
            surface = pygame.image.frombuffer(picture.tobytes(), (width, height), "RGBA")
            texture = Texture.from_surface(self._renderer, surface)
            texture.blend_mode = pygame.BLENDMODE_BLEND
            self._layers[name] = Layer(texture, anchor)

    def screenshot(self, path: Path) -> None:
        """Save what is showing, overlays and all."""
        self._draw()
        pygame.image.save(self._renderer.to_surface(), path)
        self._renderer.present()

    def release_mouse(self) -> None:
        """Let the mouse go."""
        if self._grabbed:
            self._grabbed = False
            _relative_mouse(False)

    def close(self) -> None:
        """Close the window and give the mouse back."""
        self.is_open = False
        if pygame.display.get_init():
            self.release_mouse()
            self._layers.clear()
            self._window.destroy()
            with suppress(pygame.error):
                controller.quit()
            pygame.display.quit()

    # -- devices ---------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Take every waiting event, stamped with the time of now; draw again what went stale."""
        if not self.is_open:
            return
        now_s = self._clock.now_s()
        for event in pygame.event.get():
            self._take(event, now_s)
        if self._dirty and now_s - self._drawn_s > STALE_S:
            self._present()

    def _take(self, event: Event, now_s: float) -> None:
        if event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
            self.is_open = False
            self._window.hide()  # a slow model may still be busy: the person need not watch it
        elif event.type in (pygame.WINDOWEXPOSED, pygame.WINDOWSIZECHANGED):
            self._dirty = True
        elif not self._take_own(event):
            for device_event in translate(event, self._view(), now_s):
                if not self._take_pad(device_event):
                    self.on_event(device_event)

    def _take_own(self, event: Event) -> bool:
        """Act on what is the window's own affair; True when the game must not see it."""
        if event.type in (pygame.KEYDOWN, pygame.KEYUP):
            return self._take_key(event)
        if event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            return self._take_click(event)
        if event.type == pygame.WINDOWFOCUSLOST:
            self.release_mouse()
        return False

    def _take_key(self, event: Event) -> bool:
        """Act on a key of the window's own; True when the game must not see it."""
        part, down = key_part(event) or "", event.type == pygame.KEYDOWN
        command = self.keys.find(part, char_part(event) or "", bool(event.mod & pygame.KMOD_ALT))
        if command is not None and command.name in ("fullscreen", "scaling"):
            if down:
                self._toggle_fullscreen() if command.name == "fullscreen" else self._toggle_scaling()
            return True
        if self.taker is not None and down:
            self.taker(KEY_BY_SCANCODE.get(event.scancode, ""), None)
            return True
        if command is None:
            return False
        if down and command.name == "menu" and self._grabbed:
            self.release_mouse()
            self.commands.append("mouse_released")
        elif down or command.held:
            self.commands.append(command.name if down else f"{command.name}_end")
        return down  # a key that went down before a menu opened must still come up for the game

    def _take_pad(self, event: DeviceEvent) -> bool:
        """Act on a gamepad's button that is the window's own; True when the game must not see it."""
        if event.kind != "down" or not event.part.startswith("pad:"):
            return False
        if self.taker is not None:
            self.taker(MENU_KEYS.get(event.part, ""), None)
            return True
        command = self.keys.find(event.part)
        if command is not None:
            self.commands.append(command.name)
        return command is not None

    def _take_click(self, event: Event) -> bool:
        """Catch the mouse, or hand a click to a menu; True when the game must not see it."""
        down = event.type == pygame.MOUSEBUTTONDOWN
        if self.taker is not None:
            if down and event.button == pygame.BUTTON_LEFT:
                self.taker("click", (event.pos[0], event.pos[1]))
            return down
        if not down:
            swallowed, self._swallow = self._swallow, False
            return swallowed
        if self.wants_motion and not self._grabbed and event.button == pygame.BUTTON_LEFT:
            self._grabbed = self._swallow = True
            _relative_mouse(True)
            self.commands.append("mouse_grabbed")
            return True
        return False

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _frame_texture(self) -> None:
        """Make the texture and the buffer behind it, for the frame's size and the way of scaling."""
        width, height = self._frame_px
        quality = 1 if self._scaling == "smooth" else 0
        self._texture = Texture(self._renderer, (width, height), depth=32, streaming=True, scale_quality=quality)
        self._pixels: NDArray[np.uint8] = np.zeros((height, width, 4), np.uint8)
        self._pixels[..., 3] = 255
        self._surface = pygame.image.frombuffer(self._pixels.data, (width, height), "BGRA")  # shares the buffer
        self._texture.update(self._surface)
        self._dirty = True

    def _view(self) -> View:
        """Where the frame is in the window: centred, in whole pixels or as large as it fits."""
        (width, height), (columns, rows) = self.size_px, self._frame_px
        scale = min(width / columns, height / rows)
        if self._scaling == "sharp" and scale >= 1:
            scale = int(scale)
        shown = max(round(columns * scale), 1), max(round(rows * scale), 1)
        left, top = (width - shown[0]) // 2, (height - shown[1]) // 2
        return View(left, top, shown[0], shown[1], self._grabbed, self.wants_motion)

    def _draw(self) -> None:
        view = self._view()
        self._renderer.draw_color = BACKDROP
        self._renderer.clear()
        self._texture.draw(dstrect=pygame.Rect(view.left_px, view.top_px, view.width_px, view.height_px))
        for name in sorted(self._layers, key=_depth):
            layer = self._layers[name]
            layer.texture.draw(dstrect=self._place(layer))

    def _present(self) -> None:
        self._draw()
        self._renderer.present()
        self._dirty = False
        self._drawn_s = self._clock.now_s()

    def _place(self, layer: Layer) -> pygame.Rect:
        """Where a layer lies; one that is larger than the window is shrunk."""
        (width, height), margin = self.size_px, round(MARGIN_PX * self.unit)
        w, h = layer.texture.width, layer.texture.height
        shrink = min((width - margin) / w, (height - margin) / h, 1.0)
        w, h = round(w * shrink), round(h * shrink)
        across = {"top-left": margin, "top-right": width - margin - w, "right": width - margin - w}.get(
            layer.anchor, (width - w) // 2
        )
        down = {
            "centre": (height - h) // 2,
            "right": (height - h) // 2,
            "bottom": height - margin - h,
        }.get(layer.anchor, margin)
        return pygame.Rect(min(across, width - w), min(down, height - h), w, h)

    def _toggle_fullscreen(self) -> None:
        self._fullscreen = not self._fullscreen
        if self._fullscreen:
            self._window.set_fullscreen(True)
        else:
            self._window.set_windowed()
        self._dirty = True

    def _toggle_scaling(self) -> None:
        self._scaling = "smooth" if self._scaling == "sharp" else "sharp"
        kept = self._pixels.copy()
        self._frame_texture()
        self._pixels[...] = kept
        self._texture.update(self._surface)


def _relative_mouse(caught: bool) -> None:
    """Catch the mouse, so that it moves without end, or let it go."""
    with warnings.catch_warnings():  # pygame wants a display surface first; SDL and the Renderer do not
        warnings.simplefilter("ignore", DeprecationWarning)
        pygame.mouse.set_relative_mode(caught)


def _depth(name: str) -> int:
    """How far up a layer lies; the menu covers everything."""
    return DEPTHS.index(name) if name in DEPTHS else len(DEPTHS)


def _open_display(clock: Clock) -> None:
    """Start SDL's video. A virtual screen starts anew when its last window closes, and is away for a moment."""
    sdl.prepare()
    for attempt in range(ATTEMPTS):
        try:
            pygame.display.init()
            return
        except pygame.error as error:
            if attempt == ATTEMPTS - 1 or not sdl.may_have_display():
                raise MissingPartError(
                    f"there is no display ({error}); run it on a desktop, or with --headless --frames N"
                ) from error
            clock.sleep(0.1)


def _icon() -> pygame.Surface:
    """A loop with a picture in it."""
    canvas = Canvas(64, 64)
    canvas.panel(2, 2, 60, 60, radius=16, fill=(18, 24, 38, 255))
    canvas.ring(32, 32, 20, 6, BLUE)
    canvas.ring(32, 32, 8, 8, AMBER)
    return pygame.image.frombuffer(canvas.picture().tobytes(), (64, 64), "RGBA")


def _window_size(frame_px: tuple[int, int], scale: int) -> tuple[int, int]:
    """A whole multiple of the frame that leaves room on the screen."""
    if scale <= 0:
        desktops = pygame.display.get_desktop_sizes() or [(1280, 800)]
        width, height = desktops[0]
        scale = int(min(width * SCREEN_SHARE / frame_px[0], height * SCREEN_SHARE / frame_px[1]))
    return frame_px[0] * max(scale, 1), frame_px[1] * max(scale, 1)
