"""One player of the mosaic model: cells that remember, the latest actions, where the pointer was and where it pressed.

The same code prepares what the net sees in play and in training. Colours come and go as numbers of a palette, and
the pointer is lifted off the picture (see mosaic_sprite.py): all that is remembered lies beneath it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import from_cells, shift, signs, to_cells
from dreamloop.model.mosaic_contexts import Setting
from dreamloop.model.mosaic_hand import Hand, is_begun
from dreamloop.model.mosaic_ideas import NEAR, Moment
from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_layers import Facts, Layers
from dreamloop.model.mosaic_memory import CellMemory
from dreamloop.model.mosaic_net import AROUND, CARRIED, INKS, MosaicConfig, Seen
from dreamloop.model.mosaic_pile import CAST, IN_FRONT, MOST, NEW_ONE, TOLD, UNKNOWN, Dreamed, Idea, stays
from dreamloop.model.mosaic_rewriting import seen_anew, turning
from dreamloop.model.mosaic_rolls import as_one, rolled_back
from dreamloop.model.mosaic_setting import cast_contexts, deed_of, places_of, setting_of
from dreamloop.model.mosaic_sprite import CLEAR, SIDE, Sprite, on_the_way, seen_next, uncover
from dreamloop.model.mosaic_strokes import CERTAIN, DID_NOT, DREW, LIKELY, PRESSED, Way, drew, shown_by
from dreamloop.model.mosaic_telling import Telling

Look = tuple[NDArray[Any], ...]  # the fields of Seen or of Moment, of one player
Part = tuple[slice, slice]  # rows and columns of the picture
WHOLE = (slice(0, None), slice(0, None))
_KEPT = ("inks", "marks", "pressed", "deeds")


class Palette:
    """Turns RGB pictures into numbers of colours and back.

    Unused entries repeat the first one. A colour that is not there takes an unused entry while the palette ``grows``,
    as it does in training; else it becomes the nearest one.
    """

    def __init__(self, colours: NDArray[np.uint8], grows: bool = False) -> None:
        self.colours, self.grows = np.array(colours), grows
        self.used = 1 + int((self.colours[1:] != self.colours[0]).any(-1).sum())
        self._number = np.full(1 << 24, 255, np.uint8)
        self._number[_codes(self.colours[: self.used])] = np.arange(self.used, dtype=np.uint8)

    def numbers(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the numbers (...) of frames (..., 3)."""
        codes = _codes(frames)
        numbers = self._number[codes]
        if (numbers == 255).any():
            for code in np.unique(codes[numbers == 255]):
                self._number[code] = self._learn(np.array([code >> 16, code >> 8 & 255, code & 255]))
            numbers = self._number[codes]
        return np.asarray(numbers)

    def _learn(self, colour: NDArray[np.int64]) -> int:
        if self.grows and self.used < len(self.colours):
            self.colours[self.used] = colour
            self.used += 1
            return self.used - 1
        return int(np.abs(self.colours[: self.used].astype(int) - colour).sum(-1).argmin())


def _codes(frames: NDArray[np.uint8]) -> NDArray[np.int32]:
    wide = frames.astype(np.int32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


class MosaicPlayer:
    """What is known just before a picture is drawn; told of it afterwards.

    Args:
        sprite: of the pointer; without one, the pointer is part of the picture.
        known: what is known of layers from earlier play.
        counts: let rules be counted from what is shown, if what is known counts them.
    """

    def __init__(
        self, config: MosaicConfig, sprite: Sprite | None = None, known: Known | None = None, *, counts: bool = True
    ) -> None:
        self.config = config
        self.sprite = sprite or Sprite(np.full((SIDE, SIDE), CLEAR, np.uint8))
        self.memory = CellMemory(config.grid, config.cell**2, config.slots, config.colours)
        known = known or Known.nothing(config.grid, config.cell**2, config.colours)
        self.counts = counts and known.counts_rules
        self.layers = Layers(config.grid, config.cell**2, config.colours, known, config.leap, config.floor)
        self.hand = Hand(config)
        self.inks = np.full(2, config.colours, np.int64)  # colours: drawn last; pressed on before in that layer
        self.marks = np.zeros(4, np.int64)  # of a press: place of that before, what came of it and of this one; layer
        self.pressed = np.full((MOST + 2, 3), config.colours, np.int64)  # last in each layer: place, colour, what came
        self.deeds = np.zeros(MOST + 2, np.int64)  # a number for what was done last in each layer
        self.covered = np.zeros(config.grid, np.bool_)  # cells of the true picture watched last that the pointer hid

    def act(self, action: NDArray[np.float32]) -> None:
        """Take the action (a,) of the tick that is about to be drawn."""
        config, stays_down = self.config, self.hand.act(action)
        place = self.places[0]
        if not self.hand.held(action):
            self.layers.let_go()
        elif config.pointer >= 0 and not stays_down:
            row, column = (place // config.cell)[::-1].tolist()
            layer = int(self.layers.owner[row, column])
            past, self.inks[1], before = self.pressed[layer]
            self.marks[:] = past, before, PRESSED, layer
            most = int(np.bincount(self.memory.now[row, column]).argmax())  # a swatch has a frame
            self.pressed[layer] = places_of(self.layers)[row, column], most, DID_NOT
            self.layers.press(row, column)
            least = LIKELY if self.inks[0] == config.colours else CERTAIN  # what it drew in last is worth something
            brush = self.layers.known.by_stroke.brush(self._shown_by(layer), least)
            if brush != config.colours:  # what was pressed before is no better than what is shown
                self.inks[:] = brush

    @property
    def actions(self) -> NDArray[np.float32]:
        """The latest actions (t, a), oldest first."""
        return self.hand.actions

    @property
    def places(self) -> NDArray[np.int64]:
        """Where the pointer is, was a tick ago, and was when its button went down (3, 2), in pixels."""
        return self.hand.places

    def show(self, cells: NDArray[np.uint8], dreamed: Dreamed | None = None) -> NDArray[np.bool_]:
        """Take the picture that was drawn, as cells of numbers, and return which cells changed.

        ``dreamed``: what was believed, if it is no true picture.
        """
        way, drawn = self._way(), None
        if self.counts:
            self._learn(cells, way)
        if way is not None:
            drawn = drew(way, cells, self.config.colours)
            self.marks[2] = self.marks[2] if drawn is None else DREW if drawn else DID_NOT
        before = self.memory.now
        changed = self.memory.show(cells)
        self.hand.show(changed, before)
        pointed = self.places[0] // self.config.cell
        deed = deed_of(self.config, self.layers, self.actions[-2:], pointed, changed)
        if changed.any():
            moved, step = self.moved // self.config.cell, self.shift // self.config.cell
            self.layers.show(cells, moved, step, self.memory.tick, dreamed)
        if deed:
            self.deeds[self.layers.front] = deed
        if drawn:
            self.inks[0] = self._colour_at(self.places[0])
            self.pressed[self.marks[3], 2] = DREW
        return changed

    def _setting(self, idea: Idea | None) -> Setting | None:
        pointed = self.places[0] // self.config.cell
        return setting_of(self.config, self.layers, self.memory.now, idea, self.actions[-2:], pointed, self.deeds)

    def _foretell(
        self, idea: Idea | None, way: Way | None, telling: Telling | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return what an idea foresees (see mosaic_pile.py); where it leaves them open, the teller and rules do."""
        cells, becomes = self.layers.foresee(idea)
        known, setting, unrolled = self.layers.known, self._setting(idea), np.ones_like(becomes, np.bool_)
        ruled = np.full_like(cells, self.config.colours) if setting is None else known.by_rule.foretell(setting)
        if telling is not None:
            ruled[telling.stays] = self.config.colours
            if idea is None:
                back = rolled_back(self.layers, telling, ruled)
                self._put(back, cells, becomes)
                unrolled = back[..., 0] == self.config.colours
            changes = telling.changes & unrolled & self._open(idea, becomes) & ~self.layers.settled(idea)
            becomes[changes] = TOLD + becomes[changes] // IN_FRONT * IN_FRONT
            cells[changes] = telling.cells[changes]
        rules = [known.by_rule.go_on(*self._alone())]
        rules += [] if setting is None else [ruled]
        rules += [] if way is None else [known.by_stroke.foretell(way)]
        for told in rules:
            self._put(told, cells, becomes, unrolled & self._open(idea, becomes))
        if telling is not None and idea is None:
            told_for_sure = (becomes % IN_FRONT == TOLD) | telling.stays
            self._put(as_one(self.layers, self._shows(cells, becomes), told_for_sure), cells, becomes)
        if (idea is None or idea.kind == CAST) and (becomes % IN_FRONT == TOLD).any():  # all lies where it did
            ways = turning(self.layers, self._shows(cells, becomes))
            if ways:
                self._put(seen_anew(self.layers, ways), cells, becomes)
        return cells, becomes

    def _shows(self, cells: NDArray[np.uint8], becomes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture (rows, columns, pixels) with what is told in it."""
        return np.where((becomes % IN_FRONT == TOLD)[..., None], cells, self.memory.now)

    def _put(
        self,
        told: NDArray[np.uint8],
        cells: NDArray[np.uint8],
        becomes: NDArray[np.uint8],
        open_: NDArray[np.bool_] | bool = True,
    ) -> None:
        """Put what is told (rows, columns, pixels), if anything is, into what is foreseen, where that is ``open_``."""
        known, same = open_ & (told[..., 0] != self.config.colours), (told == self.memory.now).all(-1)
        becomes[known] = np.where(same, 0, TOLD)[known] + becomes[known] // IN_FRONT * IN_FRONT
        cells[known] = np.where(same[..., None], self.config.colours, told)[known]

    def foresee(self, idea: Idea | None, telling: Telling | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the cells (rows, columns, pixels) that are to be shown, if an idea is believed, and which are sure.

        ``telling``: what the teller says, where it was asked.

        The net has no say in those: in what is foreseen if an idea is believed, and in all but what was never seen,
        where rules are known.
        """
        now = self.memory.now
        cells, becomes = self._foretell(idea, self._way(), telling)
        told, sure = becomes % IN_FRONT == TOLD, np.zeros(self.config.grid, np.bool_)
        if len(self.layers.known.by_rule):
            sure = (becomes % IN_FRONT != UNKNOWN) & (now[..., 0] != self.config.colours) | told
        elif idea is not None:
            sure = told
        return self._shows(cells, becomes), sure

    def _open(self, idea: Idea | None, becomes: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which cells (rows, columns) rules may tell: not all that a cast turns does turn."""
        return stays(becomes) | (idea is not None and idea.kind == CAST)

    def _learn(self, cells: NDArray[np.uint8], way: Way | None) -> None:
        """Let rules be learnt from the picture that is shown next."""
        known = self.layers.known
        if way is not None:
            known.by_stroke.learn(way, cells, self.covered)
        idle = not is_begun(self.config, self.actions[-2:])
        if idle and way is None:
            known.by_rule.learn_alone(*self._alone(), cells, ~self.covered)
        if idle and way is None and (cells == self.memory.now).all():
            return
        ideas = self.ideas
        came = self.layers.explain(cells, ideas)
        idea = ideas[came] if came >= 0 else None
        for context in self._cast_contexts():
            known.by_rule.learn_cast(context, idea.layer if idea is not None and idea.kind == CAST else None)
        setting = self._setting(idea)
        if setting is not None:
            looks = known.looks_of(cells)
            looks = looks[:1] if idea is not None and idea.kind == CAST else looks
            becomes = self.layers.foresee(idea)[1]
            known.by_rule.learn(setting, self._open(idea, becomes), ~stays(becomes), cells, looks)

    def _alone(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return what tells what goes on by itself: cells, where they lie, how old they are, and their layers."""
        return self.memory.now, places_of(self.layers), self.memory.age.astype(np.int64), self.layers.owner

    def _cast_contexts(self) -> list[int]:
        place = self.places[0]
        return cast_contexts(
            self.config, self.layers, self.actions[-2:], place // self.config.cell, self._colour_at(place)
        )

    def sure(self, ideas: list[Idea]) -> int:
        """Return the number of the idea that is sure to come true, -1: that is for the net to weigh."""
        contexts = self._cast_contexts() if any(idea.kind == CAST for idea in ideas) else []
        casts = (self.layers.known.by_rule.cast_for(context) for context in contexts)
        cast = next((cast for cast in casts if cast is not None), None)
        return next((i for i, idea in enumerate(ideas) if idea.kind == CAST and idea.layer == cast), -1)

    def _colour_at(self, place: NDArray[np.int64]) -> int:
        """Return the colour of a pixel (x, y), beneath the pointer."""
        (column, row), (x, y) = place // self.config.cell, place % self.config.cell
        return int(self.memory.now[row, column, y * self.config.cell + x])

    def watch(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        actions: Sequence[NDArray[np.float32]],
        known: Callable[[], NDArray[np.uint8]],
    ) -> Iterator[NDArray[np.uint8]]:
        """Follow true play: yield what lies under the pointer of every tick, as cells, and then take it as shown.

        At the time of the yield the player has acted, and has not been shown the cells.

        Args:
            pictures: (h, w) numbers of colours, one for each of ``actions`` (t, a).
            known: returns the contents (n, pixels) that cells are known to have.
        """
        places = [self.hand.place(action) for action in actions]
        held = [self.hand.held(action) for action in actions]
        last = len(pictures) - 1
        for i, (picture, told) in enumerate(zip(pictures, seen_next(pictures, places, held, self.sprite), strict=True)):
            self.act(actions[i])
            if i == 0 < last and not self.sprite.fits(picture, self.places[0]):
                continue  # the first picture, before the pointer was put anywhere
            cells = self._beneath(picture, *told, known())
            yield cells
            self.show(cells)

    def _beneath(
        self,
        picture: NDArray[np.uint8],
        ahead: NDArray[np.uint8],
        drawn: NDArray[np.bool_],
        known: NDArray[np.uint8],
    ) -> NDArray[np.uint8]:
        """Return the cells of a true picture as they are under the pointer, as far as can be told."""
        size = self.config.cell
        hidden = to_cells(self.sprite.covers(self.places[0], (picture.shape[0], picture.shape[1])), size)
        seen, later = to_cells(picture, size), to_cells(ahead, size)
        cells, self.covered = np.where(hidden, self.memory.now, seen), np.asarray(hidden.any(-1))
        draws = np.asarray(to_cells(drawn, size).any(-1))
        carried = [*self._drawn(self._inks()), *self._carried(self.shift // size)]
        still = (cells == self.memory.now).all(-1) & ~draws & (self.memory.now[..., 0] != self.config.colours)
        for y, x in np.argwhere(self.covered & ~still):  # the others are what they were
            before = self.memory.now[y, x]
            if before[0] == self.config.colours:  # nothing is known of it yet
                before = np.full_like(before, np.bincount(seen[y, x][~hidden[y, x]], minlength=1).argmax())
            options = np.concatenate([self.memory.slots[:, y, x], known]), np.stack([page[y, x] for page in carried])
            cells[y, x] = uncover(seen[y, x], hidden[y, x], before, later[y, x], *options, bool(draws[y, x]))
        return cells

    def picture(self) -> NDArray[np.uint8]:
        """Return what is seen (h, w): the cells of now, with the pointer over them."""
        return self.sprite.lay(from_cells(self.memory.now, self.config.cell).copy(), self.places[0])

    @property
    def acts(self) -> bool:
        """Whether the player begins anything in the tick that is to be drawn, or holds something."""
        return is_begun(self.config, self.actions[-2:]) or self.hand.held(self.actions[-1])

    @property
    def ideas(self) -> list[Idea]:
        """What may happen to the layers in the tick that is to be drawn."""
        return self.layers.ideas(self.moved // self.config.cell)

    def look(self, part: Part = WHOLE, idea: Idea | None = None) -> Look:
        """Return what the net sees of this player, of the whole picture or of ``part`` of it, if an idea comes true."""
        memory, step = self.memory, self.shift
        inks, way = self._inks(), self._way()
        drawn = self._drawn(inks) if way is None else way.pages
        beside = (*self.layers.turned_looks(), *drawn, *self._around())
        carried = self._carried(step // self.config.cell)
        pages = [page[part] for page in (memory.now, *carried, *memory.slots, *beside)]
        corner = np.array([part[1].start, part[0].start])
        age = memory.age[part].copy()
        cells, becomes = self._foretell(idea, way)
        known = (np.stack(pages, 2), age, corner, self._near(), inks, self.actions, self.places, step)
        return *known, cells[part], becomes[part], *self._about(idea)

    def _about(self, idea: Idea | None) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return what is known of an idea, and how its layer begins, that in front now, and in front then."""
        facts, layers = self._facts([] if idea is None else [idea]), self.layers
        own, then = facts.marks[0], layers.front_after(idea)
        return facts.numbers[0], np.stack(
            [own, layers.begins(layers.front), own if then == NEW_ONE else layers.begins(then)]
        )

    def _facts(self, ideas: list[Idea]) -> Facts:
        pointed, _, pressed = self.places // self.config.cell
        return self.layers.facts(ideas, pointed, pressed, self.memory.tick)

    def moment(self, ideas: list[Idea]) -> Look:
        """Return what this player's ``ideas`` are weighed by, contents themselves in place of their numbers."""
        inside = (self.places[0] % self.config.cell / self.config.cell - 0.5).astype(np.float32)
        return *self._facts(ideas), self._near(), inside, self.actions

    @property
    def moved(self) -> NDArray[np.int64]:
        """How far, in pixels (2,), a thing that is held has come along since the press."""
        return self._come(self.places[0])

    @property
    def shift(self) -> NDArray[np.int64]:
        """How far, in pixels (2,), a thing that is held since the press comes with the tick that is to be drawn."""
        return self._come(self.places[0]) - self._come(self.places[1])

    def _come(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how far (2,) a thing that is held has come since the press when the pointer is at ``place``."""
        config = self.config
        if config.button < 0 or not (self.actions[-2:, config.button] > 0.5).all():
            return np.zeros(2, np.int64)
        return np.asarray(config.snap * ((place - self.places[2] + config.snap // 2) // config.snap))

    def _carried(self, steps: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Return what moves along with the pointer by ``steps`` cells: both ways, across, down."""
        pages = (self.memory.now, self.memory.now, self.memory.now, self.memory.slots[0])
        carried = []
        for (across, down), page in zip(((1, 1), (1, 0), (0, 1), (1, 1)), pages, strict=True):
            step = steps * (across, down)
            if step.any():
                fetched, inside = shift(page, step)
                carried.append(np.where(inside[..., None], fetched, self.config.colours).astype(np.uint8))
            else:
                carried.append(np.full(page.shape, self.config.colours, np.uint8))
        assert len(carried) == CARRIED
        return carried

    def _inks(self) -> NDArray[np.int64]:
        """Return the colours (INKS,) that the pointer may draw in; none where it is not down."""
        if not self.hand.held(self.actions[-1]):
            return np.full(INKS, self.config.colours)
        return np.array([self._colour_at(self.places[1]), *self.inks])

    def _way(self) -> Way | None:
        """Return the way of a pointer that is down."""
        if not self.hand.held(self.actions[-1]):
            return None
        did, past, before, layer = self.marks[[2, 0, 1, 3]].tolist()
        inks, shown = self._inks(), self._shown_by(layer if did == PRESSED else NEW_ONE)
        return Way(np.stack(self._drawn(inks)), places_of(self.layers), did, past, before, inks, shown)

    def _shown_by(self, layer: int) -> NDArray[np.int64]:
        """Return a number (cells,) for what each cell of a layer shows where it lies."""
        mine = self.layers.owner == layer
        return shown_by(places_of(self.layers)[mine], signs(self.memory.now[mine], self.config.colours))

    def _drawn(self, inks: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Return what cells show once the pointer's way is drawn in each of ``inks``; none where they stay."""
        config, now = self.config, self.memory.now
        found = [np.full(now.shape, config.colours, np.uint8) for _ in inks]
        if (inks != config.colours).any():
            start = self.places[1] if self.hand.held(self.actions[-2]) else self.places[0]
            way = to_cells(on_the_way((config.height_px, config.width_px), start, self.places[0]), config.cell)
            met = way.any(-1)
            for page, ink in zip(found, inks, strict=True):
                if ink != config.colours:
                    page[met] = np.where(way[met], ink, now[met])
                    page[(page == now).all(-1)] = config.colours
        return found

    def _around(self) -> list[NDArray[np.uint8]]:
        """Return what the cells to the right, to the left, below and above show; none beyond the edge."""
        found = []
        for step in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            fetched, inside = shift(self.memory.now, np.array(step))
            found.append(np.where(inside[..., None], fetched, self.config.colours).astype(np.uint8))
        assert len(found) == AROUND
        return found

    def _near(self) -> NDArray[np.uint8]:
        """Return the contents (cells, pixels) of the cells around the pointer; none beyond the edge."""
        (rows, columns), (x, y) = self.config.grid, self.places[0] // self.config.cell
        around = np.arange(-NEAR, NEAR + 1)
        y, x = np.repeat(y + around, len(around)), np.tile(x + around, len(around))
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
        found = self.memory.now[y.clip(0, rows - 1), x.clip(0, columns - 1)]
        return np.where(inside[:, None], found, self.config.colours).astype(np.uint8)

    def forget(self) -> None:
        """Remember nothing but what is seen."""
        self.hand.forget()
        self.memory.forget()
        self.layers.forget()

    def state(self) -> dict[str, Any]:
        """Return copies of everything."""
        own = {name: getattr(self, name).copy() for name in _KEPT}
        return own | self.hand.state() | self.memory.state() | self.layers.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what ``state()`` returned."""
        for name in _KEPT:
            setattr(self, name, np.array(state[name]))
        self.hand.restore(state)
        self.memory.restore(state)
        self.layers.restore(state)


def stack_moments(moments: Sequence[Look], device: torch.device | str = "cpu") -> Moment:
    """Put the moments of b players together as the net takes them."""
    facts, marks, near, inside, actions = (np.stack(part) for part in zip(*moments, strict=True))
    pixels = marks.shape[-1]
    contents = np.concatenate([marks.reshape(-1, pixels), near.reshape(-1, pixels)])
    which = np.arange(len(contents))
    split = len(contents) - near.size // pixels
    numbers = which[:split].reshape(marks.shape[:-1]), which[split:].reshape(near.shape[:-1])
    parts = (facts, *numbers, inside, actions, contents)
    return Moment(*(torch.from_numpy(part).to(device) for part in parts))


def stack(looks: Sequence[Look], device: torch.device | str = "cpu") -> Seen:
    """Put the looks of b players together as the net takes them."""
    sources, age, corner, near, inks, actions, places, shift, *layers = (
        torch.from_numpy(np.stack(part)).to(device) for part in zip(*looks, strict=True)
    )
    known = (sources, age.long(), corner, near.long(), inks)
    return Seen(*known, actions.float(), places, shift, *layers)
