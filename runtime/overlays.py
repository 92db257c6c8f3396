"""Decides what lies over the frame, and when: figures, help, menu, notices, progress, "0.8x real time".

Everything is drawn between two ticks, never between an input and its frame. Knows the window as a place for layers,
and nothing about models.
"""

from collections.abc import Callable, Sequence

from dreamloop.runtime.clock import Clock
from dreamloop.runtime.headless import GameWindow
from dreamloop.runtime.help import HelpRow
from dreamloop.runtime.hud import SLOW, HudData, draw_hud, draw_recalled, speed_label
from dreamloop.runtime.keys import COMMANDS
from dreamloop.runtime.panels import draw_badge, draw_help, draw_menu, draw_notice, draw_progress, menu_line

HUD_EVERY_S = 0.2
PROGRESS_EVERY_S = 0.06
NOTICE_S = 2.6
PROMPT_LETTERS = 60
HELP_S = 4.0  # how long the help shows at the beginning
MENU: tuple[tuple[str, str], ...] = (
    ("Go on", ""),
    ("Start over", "reset"),
    ("Next scene", "next_scene"),
    ("Save", "save"),
    ("Load", "load"),
    ("Controls", "help"),
    ("Quit", "quit"),
)


class Overlays:
    """The layers of one session.

    Args:
        window: where they lie.
        clock: when they come and go.
        title: the world's name.
    """

    def __init__(self, window: GameWindow, clock: Clock, title: str) -> None:
        self._window, self._clock, self._title = window, clock, title
        self.rows: Sequence[HelpRow] = ()
        self.hud = False
        self._hud_s = 0.0
        self._unit = 0.0
        self._width_px = 0
        self._help_until_s: float | None = None  # None: hidden; infinity: until it is switched off
        self._notice_until_s = 0.0
        self._badge = ""
        self._chosen = 0
        self._written, self._prompting = "", False  # what stands in the prompt, and whether it is open
        self._progress: tuple[str, float | None] | None = None
        self._progress_s = 0.0
        self._began_s = clock.now_s()

    # -- what the session asks for ---------------------------------------------------------------------------------

    def notice(self, *lines: str, seconds: float = NOTICE_S) -> None:
        """Say something for a moment."""
        picture = draw_notice(lines, self._window.unit, self._window.size_px[0] - 40)
        self._window.set_layer("notice", picture, "centre" if self._prompting else "bottom")
        self._notice_until_s = self._clock.now_s() + seconds

    def toggle_hud(self) -> None:
        """Show or hide the figures; the controls make room for them."""
        self.hud = not self.hud or self._help_until_s is not None  # figures that the controls hide are asked for
        self._hud_s = 0.0
        if self.hud:
            self.hide_help()
        else:
            self._hide_figures()

    def _hide_figures(self) -> None:
        self._window.set_layer("hud", None)
        self._window.set_layer("recalled", None)

    def show_help(self, seconds: float = float("inf")) -> None:
        """Show the controls, for a time or until they are switched off; meanwhile the figures are hidden."""
        self._hide_figures()
        self._help_until_s = self._clock.now_s() + seconds
        self._draw_help()

    def toggle_help(self) -> None:
        """Show or hide the controls."""
        if self._help_until_s is None:
            self.show_help()
        else:
            self.hide_help()

    def hide_help(self) -> None:
        """Take the controls away."""
        self._help_until_s = None
        self._window.set_layer("help", None)

    def open_menu(self, choose: Callable[[str], None]) -> None:
        """Show the menu; ``choose`` gets the name of the command that was picked, "" for none."""
        self._chosen, self._prompting = 0, False
        self.hide_help()

        def take(key: str, spot: tuple[int, int] | None) -> None:
            if key in ("up", "down"):
                self._chosen = (self._chosen + (1 if key == "down" else -1)) % len(MENU)
                self._draw_menu()
                return
            if spot is not None:
                line = self._menu_line(spot)
                self._chosen = 0 if line is None else line
            names = {"return": self._chosen, "keypad enter": self._chosen, "click": self._chosen}
            names |= {"space": self._chosen, "escape": 0, "q": len(MENU) - 1}
            if key in names:
                self._window.taker = None
                self._window.set_layer("menu", None)
                choose(MENU[names[key]][1])

        self._window.taker = take
        self._draw_menu()

    def open_prompt(self, say: Callable[[str], None]) -> None:
        """Let the player write a phrase; ``say`` gets it, "" when there was a change of mind. The world goes on."""
        self._written, self._prompting = "", True
        self.hide_help()
        self._notice_until_s = 0.0
        self._window.set_layer("notice", None)

        def take(key: str, spot: tuple[int, int] | None) -> None:
            if key in ("return", "keypad enter", "escape", "click"):
                self._window.taker, self._prompting = None, False
                self._window.set_layer("prompt", None)
                say("" if key == "escape" else self._written.strip())
                return
            if key == "backspace":
                self._written = self._written[:-1]
            elif key == "space" or (len(key) == 1 and key.isprintable()):
                self._written = (self._written + (" " if key == "space" else key))[:PROMPT_LETTERS]
            self._draw_prompt()

        self._window.taker = take
        self._draw_prompt()

    def progress(self, text: str, share: float | None = None) -> None:
        """Show that something long is under way; ``""`` takes it away."""
        self._progress = (text, share) if text else None
        self._progress_s = 0.0
        if not text:
            self._window.set_layer("progress", None)

    def refresh(self, data: Callable[[], HudData]) -> None:
        """Bring everything up to date; ``data`` is asked for only when the figures show. Cheap when nothing is due."""
        now_s = self._clock.now_s()
        if self._notice_until_s and now_s >= self._notice_until_s:
            self._notice_until_s = 0.0
            self._window.set_layer("notice", None)
        if self._help_until_s is not None and now_s >= self._help_until_s:
            self.hide_help()
        if (self._window.unit, self._window.size_px[0]) != (self._unit, self._width_px):
            self._unit, self._width_px = self._window.unit, self._window.size_px[0]
            self._redraw()
        if self.hud and self._help_until_s is None and now_s - self._hud_s >= HUD_EVERY_S:
            self._hud_s = now_s
            shown = data()
            self._window.set_layer("hud", draw_hud(shown, self._unit), "top-left")
            recalled = draw_recalled(shown.recalled, self._unit) if shown.recalled else None
            self._window.set_layer("recalled", recalled, "right")

    def animate(self) -> None:
        """Move the progress bar on; called while something long is under way."""
        now_s = self._clock.now_s()
        if self._progress is not None and now_s - self._progress_s >= PROGRESS_EVERY_S:
            self._progress_s = now_s
            text, share = self._progress
            picture = draw_progress(self._title, text, share, now_s - self._began_s, self._window.unit)
            self._window.set_layer("progress", picture, "centre")

    def badge(self, state: str, speed: float) -> None:
        """Show that the world is paused, goes back, or is slower than it should be; nothing when all is well."""
        text = state or (speed_label(speed) if speed < SLOW else "")
        if text != self._badge:
            self._badge = text
            picture = draw_badge(text, self._window.unit) if text else None
            self._window.set_layer("badge", picture, "top-right")

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        """The window has another size: everything that is drawn once is drawn again."""
        if self._help_until_s is not None:
            self._draw_help()
        if self._window.taker is not None:
            (self._draw_prompt if self._prompting else self._draw_menu)()
        if self._badge:
            self._window.set_layer("badge", draw_badge(self._badge, self._unit), "top-right")
        self._hud_s = 0.0

    def _draw_help(self) -> None:
        keys = [(self._window.keys.label(command), command.help) for command in COMMANDS]
        hint = "click into the window to look around, Esc lets the mouse go"
        hint = hint if self._window.wants_motion else "F2 shows and hides this"
        width = self._window.size_px[0] - 30
        picture = draw_help(self._title, self.rows, keys, hint, self._window.unit, width)
        self._window.set_layer("help", picture, "centre")

    def _draw_prompt(self) -> None:
        picture = draw_notice([f"/ {self._written}_"], self._window.unit, self._window.size_px[0] - 40)
        self._window.set_layer("prompt", picture, "bottom")

    def _draw_menu(self) -> None:
        names = [name for name, _ in MENU]
        picture = draw_menu(self._title, names, self._chosen, self._window.unit)
        self._menu_px = picture.shape[1], picture.shape[0]
        self._window.set_layer("menu", picture, "centre")

    def _menu_line(self, spot: tuple[int, int]) -> int | None:
        """The line of the menu, which lies in the middle of the window, that was clicked on."""
        width, height = self._window.size_px
        x, y = spot[0] - (width - self._menu_px[0]) // 2, spot[1] - (height - self._menu_px[1]) // 2
        return menu_line(y, len(MENU), self._window.unit) if 0 <= x < self._menu_px[0] else None
