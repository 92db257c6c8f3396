"""The echo model: draws the action it was given. No weights, no learning: the null twin of a world model.

Each control is a labelled bar, movement rolls a ball, a pointer is a cross, and the seed makes the faint
noise behind them. The bottom rows of pixels carry tick and action as bytes, so that a test
(:func:`read_back`) can say exactly which action a frame shows. Knows nothing about windows or devices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dreamloop.input.schema import ActionSchema
from dreamloop.model.world_model import (
    Action,
    Card,
    Frame,
    ModelError,
    ModelState,
    OpenOptions,
    Scene,
    check_actions,
)

# Which way a control of this name pushes the ball: right, down.
PUSH: Mapping[str, tuple[float, float]] = {
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "forward": (0.0, -1.0),
    "up": (0.0, -1.0),
    "back": (0.0, 1.0),
    "down": (0.0, 1.0),
    "turn": (1.0, 0.0),
    "look": (0.0, -1.0),
}
FRICTION = 0.94  # share of its speed that the ball keeps each tick
FORCE = 0.0012  # speed that a full control adds each tick, in arena sizes
INK = (232, 236, 240)  # the noise adds up to 13: no channel may pass 255
MUTED = (86, 96, 118)
BAR_UP = (86, 204, 242)
BAR_DOWN = (242, 153, 74)
BALL = (111, 207, 151)
BALL_LIT = (242, 201, 76)
# Rows of 3 bits, top to bottom, five rows a glyph.
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789. -"
SHAPES = """
25755 65656 34443 65556 74647 74644 34553 55755 72227 11152 55655 44447 57755 65555 25552 65644 25563 65655
34216 72222 55557 55552 55775 55255 55222 71247 75557 26227 61247 61216 55711 74616 34752 71222 25252 25716
00002 00000 00700
"""
GLYPHS = dict(zip(LETTERS, SHAPES.split(), strict=True))


@dataclass(frozen=True, slots=True)
class Player:
    """Everything that decides the next frames of one player."""

    seed: int
    tick: int
    action: Action  # (a,), the one that is showing
    ball: tuple[float, float] = (0.5, 0.5)  # 0..1 of the arena: right, down
    speed: tuple[float, float] = (0.0, 0.0)  # arena sizes a tick


class EchoModel:
    """A :class:`~dreamloop.model.world_model.WorldModel` without weights."""

    def __init__(self, card: Card, players: int) -> None:
        self.card = card
        self.players = players
        self._schema = ActionSchema.from_dict(card.schema)
        least = mark_rows(self._schema.size, card.width_px) + 8
        if least > card.height_px or card.width_px < 32:
            raise ModelError(
                f"the echo model needs at least 32 x {least} pixels for {self._schema.size} controls, "
                f"the card asks for {card.width_px} x {card.height_px}"
            )
        self._still = _panel(self._schema.columns, card.width_px, card.height_px)
        blank = np.zeros(self._schema.size, np.float32)
        self._players = [Player(seed=0, tick=0, action=blank) for _ in range(players)]

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start over; a scene only says which action is showing first."""
        action = np.zeros(self._schema.size, np.float32)
        if scene is not None and len(scene.actions):
            action = np.asarray(scene.actions[-1], np.float32).copy()
        self._players[player] = Player(seed=seed, tick=0, action=action)
        return self._draw(self._players[player])

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Take one tick with ``actions`` (n, a); return (n, h, w, 3)."""
        check_actions(actions, self.players, self._schema.size)
        self._players = [self._move(player, action) for player, action in zip(self._players, actions, strict=True)]
        return np.stack([self._draw(player) for player in self._players])

    def save(self, player: int) -> ModelState:
        """Return seed, tick, ball and action of ``player``."""
        now = self._players[player]
        values = {
            "seed": now.seed,
            "action": now.action.copy(),
            "ball": np.array([*now.ball, *now.speed], np.float64),
        }
        return ModelState(arch="echo", weights_hash=self.card.weights_hash, tick=now.tick, values=values)

    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state``; the frame that was showing is drawn again."""
        if state.arch != "echo" or state.weights_hash != self.card.weights_hash:
            raise ModelError(f"a state saved by model '{state.arch}' cannot be loaded into the echo model")
        action = np.asarray(state.values["action"], np.float32)
        if action.shape != (self._schema.size,):
            raise ModelError(f"the state holds {action.size} controls, this world has {self._schema.size}")
        x, y, dx, dy = (float(value) for value in state.values["ball"])
        self._players[player] = Player(int(state.values["seed"]), state.tick, action.copy(), (x, y), (dx, dy))
        return self._draw(self._players[player])

    def stats(self) -> Mapping[str, float]:
        """The echo model keeps nothing worth a figure but the bytes of its picture."""
        return {"memory_bytes": float(self._still.nbytes)}

    def _move(self, player: Player, action: Action) -> Player:
        push = np.zeros(2)
        for value, name in zip(action, self._schema.columns, strict=True):
            push += float(value) * np.array(PUSH.get(name, (0.0, 0.0)))
        spot, speed = [], []
        for where, pace, force in zip(player.ball, player.speed, push, strict=True):
            pace = pace * FRICTION + FORCE * float(force)
            where += pace
            if not 0.0 <= where <= 1.0:  # bounce off the wall
                where, pace = min(max(where, 0.0), 1.0), -pace
            spot.append(where)
            speed.append(pace)
        return replace(
            player,
            tick=player.tick + 1,
            action=action.astype(np.float32, copy=True),
            ball=(spot[0], spot[1]),
            speed=(speed[0], speed[1]),
        )

    def _draw(self, player: Player) -> Frame:
        frame = self._still.copy()
        height, width, _ = frame.shape
        noise = np.random.Generator(np.random.Philox(key=player.seed % 2**64, counter=player.tick))
        frame += (
            noise.integers(0, 14, (height // 2 + 1, width // 2 + 1, 1), np.uint8)
            .repeat(2, 0)
            .repeat(2, 1)[:height, :width]
        )
        self._draw_bars(frame, player.action)
        self._draw_ball(frame, player)
        _text(frame, str(player.tick), width - 4 * len(str(player.tick)) - 2, 3, INK)
        _write_mark(frame, player.tick, player.action)
        return frame

    def _draw_bars(self, frame: Frame, action: Action) -> None:
        left, right, pitch = _rows(len(action), frame.shape[1], frame.shape[0])
        middle, half = (left + right) // 2, (right - left) // 2
        for row, value in enumerate(action):
            top = 3 + row * pitch
            length = round(float(np.clip(value, -1.0, 1.0)) * half)
            start, stop = sorted((middle, middle + length))
            frame[top : top + max(pitch - 2, 1), start : stop + 1] = BAR_UP if value >= 0 else BAR_DOWN
            frame[top : top + max(pitch - 2, 1), middle] = INK

    def _draw_ball(self, frame: Frame, player: Player) -> None:
        height, width, _ = frame.shape
        values = dict(zip(self._schema.columns, player.action.tolist(), strict=True))
        radius = max(min(width, height) // 24, 2)
        left, top = width // 2 + radius, radius + 2
        span_x, span_y = width - left - radius - 1, height - top - radius - 5
        x, y = left + round(player.ball[0] * span_x), top + round(player.ball[1] * span_y)
        lit = any(values.get(name, 0.0) > 0.5 for name in ("jump", "attack", "use", "pointer.left", "pointer.click"))
        down, right = np.ogrid[:height, :width]
        frame[(right - x) ** 2 + (down - y) ** 2 <= radius**2] = BALL_LIT if lit else BALL
        if "pointer.x" in values and "pointer.y" in values:
            column, row = round(values["pointer.x"] * (width - 1)), round(values["pointer.y"] * (height - 1))
            frame[row, max(column - 4, 0) : column + 5] = INK
            frame[max(row - 4, 0) : row + 5, column] = INK


def build(card: Card, weights: object, options: OpenOptions) -> EchoModel:
    """Build the echo model; it has no weights, so ``weights`` must be None."""
    if weights is not None:
        raise ModelError(f"the echo model has no weights, got {weights}")
    return EchoModel(card, options.players)


def mark_rows(size: int, width_px: int) -> int:
    """Rows of pixels that tick and action take at the bottom of a frame."""
    return -(-(8 + 4 * size) // (3 * width_px))


def read_back(frame: Frame, size: int) -> tuple[int, Action]:
    """Return the tick and the action (a,) that ``frame`` shows, exactly."""
    rows = mark_rows(size, frame.shape[1])
    raw = np.ascontiguousarray(frame[frame.shape[0] - rows :]).tobytes()
    return int.from_bytes(raw[:8], "little"), np.frombuffer(raw[8 : 8 + 4 * size], "<f4").astype(np.float32)


def _write_mark(frame: Frame, tick: int, action: Action) -> None:
    rows = mark_rows(len(action), frame.shape[1])
    raw = tick.to_bytes(8, "little") + action.astype("<f4").tobytes()
    flat = frame[frame.shape[0] - rows :].reshape(-1)
    flat[: len(raw)] = np.frombuffer(raw, np.uint8)


def _rows(size: int, width_px: int, height_px: int) -> tuple[int, int, int]:
    """Left and right end of the bars and the height of a row, pixels."""
    pitch = max(min((height_px - 12) // max(size, 1), 11), 1)
    left = 36 if pitch >= 7 and width_px >= 96 else 2
    return left, width_px // 2 - 2, pitch


def _panel(columns: tuple[str, ...], width_px: int, height_px: int) -> NDArray[np.uint8]:
    """What never changes: the background and the labels, (h, w, 3)."""
    shade = np.linspace(18, 34, height_px)[:, None, None] * np.array([0.75, 0.85, 1.25])
    frame = np.broadcast_to(shade, (height_px, width_px, 3)).astype(np.uint8).copy()
    left, right, pitch = _rows(len(columns), width_px, height_px)
    for row, name in enumerate(columns):
        top = 3 + row * pitch
        frame[top + max(pitch - 2, 1) // 2, left : right + 1] = MUTED
        if left > 2:
            short = name if len(name) <= 8 else f"{name[0]}.{name.rpartition('.')[2]}"[:8]
            _text(frame, short, 2, top + (pitch - 7) // 2, INK)
    return frame


def _text(frame: Frame, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    for index, letter in enumerate(text.lower()):
        for row, bits in enumerate(GLYPHS.get(letter, "00000")):
            for column in range(3):
                across = x + 4 * index + column
                if int(bits) >> (2 - column) & 1 and 0 <= across < frame.shape[1] and y + row < frame.shape[0]:
                    frame[y + row, across] = colour
