"""The names of everything a player can press, move or turn. Plain tables; knows no library and no schema.

A part is ``<device>:<name>``. The devices of the house:

==========  ==============================================================================================
``key:``    a key by *position*, named as SDL names its scancode, lower case: ``key:w`` is the second
            key of the top letter row on every layout (it prints Z on a French keyboard)
``char:``   a key by the *character* printed on it in the player's layout: ``char:w``, ``char:/``, ``char:é``
``mouse:``  ``left middle right x1 x2``, and ``wheel_up wheel_down wheel_left wheel_right``: a notch is a tap
``pad:``    buttons and sticks of any gamepad in SDL's controller mapping; ``pad:left_x`` is -1..1,
            right and down are positive, triggers are 0..1; ``pad:-left_y`` is the upper half of the
            left stick used as a button
==========  ==============================================================================================

A source from outside brings its own device name (``midi:``, ``osc:``); a schema reaches it with ``parts`` and
``axes``.
"""

import re

KEY_BY_SCANCODE: dict[int, str] = {
    **{4 + i: letter for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")},
    **{30 + i: digit for i, digit in enumerate("1234567890")},
    **dict(enumerate(["return", "escape", "backspace", "tab", "space"], start=40)),
    **dict(enumerate(["-", "=", "[", "]", "\\", "nonus #", ";", "'", "`", ",", ".", "/", "capslock"], start=45)),
    **{57 + i: f"f{i}" for i in range(1, 13)},
    **dict(enumerate(["printscreen", "scrolllock", "pause", "insert", "home", "pageup"], start=70)),
    **dict(enumerate(["delete", "end", "pagedown", "right", "left", "down", "up", "numlock"], start=76)),
    **dict(enumerate(["keypad /", "keypad *", "keypad -", "keypad +", "keypad enter"], start=84)),
    **{89 + i: f"keypad {digit}" for i, digit in enumerate("1234567890")},
    99: "keypad .",
    100: "nonus backslash",
    101: "application",
    102: "power",
    103: "keypad =",
    **{91 + i: f"f{i}" for i in range(13, 25)},
    **dict(enumerate(["left ctrl", "left shift", "left alt", "left gui"], start=224)),
    **dict(enumerate(["right ctrl", "right shift", "right alt", "right gui"], start=228)),
}
"""SDL scancode (USB usage number) -> key name, as in ``key:<name>``."""

KEY_NAMES = frozenset(KEY_BY_SCANCODE.values())

MOUSE_BY_NUMBER: dict[int, str] = {1: "left", 2: "middle", 3: "right", 8: "x1", 9: "x2"}
"""Button number as pygame counts it (4 to 7 are the wheel) -> name, as in ``mouse:<name>``."""
WHEEL_NAMES = ("wheel_up", "wheel_down", "wheel_left", "wheel_right")
"""A notch of the wheel counts as a tap of these, as ``mouse:wheel_up``."""
MOUSE_NAMES = frozenset(MOUSE_BY_NUMBER.values()) | frozenset(WHEEL_NAMES)

PAD_BUTTONS: tuple[str, ...] = (
    *(
        "a",
        "b",
        "x",
        "y",
        "back",
        "guide",
        "start",
        "left_stick",
        "right_stick",
        "left_shoulder",
        "right_shoulder",
    ),
    *("dpad_up", "dpad_down", "dpad_left", "dpad_right", "misc1", "paddle1", "paddle2", "paddle3", "paddle4"),
    "touchpad",
)
"""Names in the order of SDL_GameControllerButton."""
PAD_AXES: tuple[str, ...] = ("left_x", "left_y", "right_x", "right_y", "left_trigger", "right_trigger")
"""Names in the order of SDL_GameControllerAxis."""
PAD_NAMES = frozenset(PAD_BUTTONS) | frozenset(PAD_AXES)

HALF_THRESHOLD = 0.5  # how far an axis must go for its half to count as a pressed button
HALF_RELEASE = 0.4  # and how far back to count as let go: the gap keeps a trembling stick from drumming

PART = re.compile(r"[a-z][a-z0-9_]*:.+")


def half(part: str, sign: float) -> str:
    """Return the name of one half of an axis as a button.

    >>> half("pad:left_y", -1)
    'pad:-left_y'
    """
    device, _, name = part.partition(":")
    return f"{device}:{'-' if sign < 0 else '+'}{name}"


def split_half(part: str) -> tuple[str, float] | None:
    """Return the axis and the sign of a half, or None when the part is not written as one.

    >>> split_half("pad:-left_y"), split_half("pad:a"), split_half("key:-")
    (('pad:left_y', -1.0), None, None)
    """
    device, _, name = part.partition(":")
    if device in ("key", "char") or len(name) < 2 or name[0] not in "+-":
        return None
    return f"{device}:{name[1:]}", -1.0 if name[0] == "-" else 1.0


def pad_part(name: str) -> str:
    """Return the part of a gamepad name as a schema writes it; a bare trigger means its pulled half.

    >>> pad_part("a"), pad_part("-left_y"), pad_part("right_trigger")
    ('pad:a', 'pad:-left_y', 'pad:+right_trigger')
    """
    return half(f"pad:{name}", 1) if name in PAD_AXES else f"pad:{name}"
