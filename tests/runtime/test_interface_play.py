"""The suite "interface" as a ruler: what it says of dreams that are perfect, frozen and late."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.demos.desk.desktop import open_app
from dreamloop.demos.desk.state import NOTES
from dreamloop.input.errors import MissingPartError
from dreamloop.model.album import Album
from dreamloop.model.eval_interface import (
    AWAIT,
    Told,
    measure_at_once,
    measure_play,
    measure_recall,
    measure_stillness,
    measure_used,
    scene_of,
)
from dreamloop.model.world_model import Card, Frame, ModelState, Scene
from dreamloop.runtime.evaluate_world import choose_suites
from dreamloop.runtime.interface_play import given_play, told_play
from dreamloop.runtime.world import World, find_world

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")

HISTORY, TICKS = 20, 160


class Puppet:
    """A WorldModel that shows given plays, ``late`` ticks late; frozen, it shows where they began."""

    def __init__(self, world: World, plays: Sequence[Sequence[Told]], late: int = 0, frozen: bool = False) -> None:
        self.card = Card("puppet", "puppet", 256, 192, world.rate_hz, world.schema.to_dict())
        self.players, self.plays, self.late, self.frozen = len(plays), plays, late, frozen
        self.tick = 0

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        assert scene is not None
        self.tick = self.began = len(scene.frames)
        return self.plays[player][self.tick - 1].frame

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        at = self.began - 1 if self.frozen else max(self.tick - self.late, 0)
        self.tick += 1
        return np.stack([play[min(at, len(play) - 1)].frame for play in self.plays])

    def save(self, player: int) -> ModelState:
        raise NotImplementedError

    def load(self, player: int, state: ModelState) -> Frame:
        raise NotImplementedError

    def stats(self) -> dict[str, float]:
        return {}


@pytest.fixture(scope="module")
def world() -> World:
    return find_world("desk")


@pytest.fixture(scope="module")
def plays(world: World) -> list[list[Told]]:
    return [told_play(world, HISTORY + TICKS, seed) for seed in (1, 2, 3)]


def test_a_perfect_dream_is_right_in_everything(world: World, plays: list[list[Told]]) -> None:
    album = Album()
    figures = measure_play(Puppet(world, plays), plays, world.make_judge(), history=HISTORY, album=album)
    assert figures["transitions_right"] == 1.0
    assert len(figures["transitions"]) >= 6
    assert figures["pointer_error_px"]["mean"] == 0.0
    assert figures["letters_right"] == 1.0
    assert figures["untouched_exact"] == 1.0
    assert figures["ticks_to_change"]["mean"] == 0.0
    assert len(album.strips) == 3


def test_a_frozen_dream_is_right_only_where_nothing_happened(world: World, plays: list[list[Told]]) -> None:
    """A region that changes and changes back would flatter it; there are few of those."""
    frozen = Puppet(world, plays, frozen=True)
    figures = measure_play(frozen, plays, world.make_judge(), history=HISTORY)
    assert figures["transitions_right"] < 0.3
    assert figures["pointer_error_px"]["mean"] > 8
    assert figures["untouched_exact"] == 1.0


def test_a_dream_that_is_a_tick_late_takes_a_tick_to_change(world: World, plays: list[list[Told]]) -> None:
    figures = measure_play(Puppet(world, plays, late=1), plays, world.make_judge(), history=HISTORY)
    assert 0.8 < figures["ticks_to_change"]["mean"] < 1.3


def test_the_pointer_is_found_where_it_is(world: World, plays: list[list[Told]]) -> None:
    judge, told = world.make_judge(), plays[0][-1]
    x, y = told.info["pointer"]
    shifted = dict(told.info) | {"pointer": (x + 3, y - 4)}
    assert judge.pointer_error_px(told.frame, told.info) == 0.0
    assert judge.pointer_error_px(told.frame, shifted) == 5.0
    assert judge.pointer_error_px(np.zeros_like(told.frame), told.info) == 24.0


def test_what_a_recall_play_hides_is_gone_for_the_time_and_shown_at_its_end(world: World) -> None:
    """A dream that never hid it must not be praised for showing it."""
    for name, start, actions, region in world.make_judge().recall_plays(5, 1.0):
        play = list(given_play(world, start, actions))
        first, last, away = play[world.make_judge().shown_ticks].frame, play[-1].frame, play[-1 - AWAIT].frame
        assert region.any(), name
        assert np.array_equal(first[region], last[region]), name
        assert (away != first)[region].any(-1).mean() > 0.1, name
        for frozen in (False, True):
            puppet = Puppet(world, [play], frozen=frozen)
            figures = measure_recall(puppet, [(play, region)], world.make_judge().shown_ticks)
            assert figures == {"right": not frozen, "pixels": 1.0, "hid": not frozen, "n": 1}


class Mirror(Puppet):
    """A puppet that is the simulator itself, shown ``late`` ticks late; ``mischief`` changes its desk before a tick."""

    def __init__(
        self, world: World, start: Any, late: int = 0, mischief: Callable[[int, Any], None] = lambda tick, desk: None
    ) -> None:
        super().__init__(world, [[]], late)
        self.env, self.start, self.mischief = world.make_env(maps="test", seed=0), start, mischief

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        assert scene is not None
        frame, self.info = self.env.reset(seed=0, options={"state": copy.deepcopy(self.start)})
        for action in scene.actions[1:]:
            frame, *_, self.info = self.env.step(action)
        self.frames, self.told = [np.asarray(frame)], [copy.deepcopy(self.info)]
        return self.frames[0]

    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        self.mischief(len(self.frames), self.info["state"])
        frame, *_, self.info = self.env.step(actions[0])
        self.frames.append(np.asarray(frame))
        self.told.append(copy.deepcopy(self.info))
        return self.frames[max(len(self.frames) - 1 - self.late, 0)][None]


def used(world: World, used_s: float, **about: Any) -> Iterator[tuple[Mirror, dict[str, Any]]]:
    """Yield mirrors of a desk that was used, and what is said of them."""
    judge = world.make_judge()
    for _, start, shown, person in judge.used_plays(3, used_s):
        model = Mirror(world, start, **about)
        yield model, measure_used(model, [(list(given_play(world, start, shown)), person)], judge)


def test_what_is_written_is_hidden_while_all_the_rest_is_used_and_shown_at_the_end(world: World) -> None:
    kinds = set[str]()
    for model, figures in used(world, 20.0):
        seen = [info["state"].windows[NOTES].visible for info in model.told]
        gone = seen.index(False)
        assert gone <= 2, "it is looked at before, in true play"
        assert not any(seen[gone:-4])
        assert seen[-4:] == [True] * 4
        assert all(info["state"].lines == model.start.lines for info in model.told)
        kinds |= {kind for info in model.told for kind in info["kinds"]}
        assert figures["n"] > 5
        assert figures == {"right": 1.0, "n": figures["n"], "plays": [[figures["n"]] * 2]}
    assert {"open", "close", "drag"} <= kinds
    for _, late in used(world, 20.0, late=4):  # it never shows what is written again
        assert late["right"] < 0.5


def test_what_should_not_be_seen_is_put_away_by_who_uses_the_rest(world: World) -> None:
    """A dream may show the notes, or another look, though nobody asked for it: a person sees that, and acts on it."""

    def mischief(tick: int, desk: Any) -> None:
        if tick == 100:
            open_app(desk, NOTES)
        if tick == 200:
            desk.dark, desk.large = not desk.dark, not desk.large

    for _, figures in used(world, 20.0, mischief=mischief):
        assert figures["right"] == 1.0


def test_letters_that_do_not_come_back_are_not_right(world: World) -> None:
    def mischief(tick: int, desk: Any) -> None:
        desk.lines[0] = ""

    for _, figures in used(world, 5.0, mischief=mischief):
        assert 0.0 < figures["right"] < 0.9


def test_pixels_that_nobody_touched_are_compared_bit_by_bit(world: World, plays: list[list[Told]]) -> None:
    start = plays[0][:HISTORY]
    touched = np.zeros((192, 256), np.bool_)
    for told in plays[0][HISTORY:]:
        touched |= told.changed
    actions = iter([told.action for told in plays[0][HISTORY:]])
    figures = measure_stillness(Puppet(world, plays[:1]), scene_of(start), actions, touched, [10, 100])
    assert figures == {"10": 1.0, "100": 1.0}


def test_all_suites_are_those_that_go_with_the_world(world: World) -> None:
    assert choose_suites(["all"], judged=True) == ["fidelity", "interface", "latency"]
    assert "interface" not in choose_suites(["all"])
    with pytest.raises(MissingPartError, match="judge"):
        find_world("echo").make_judge()


class Anywhere(Puppet):
    """A puppet that goes on from wherever in its play a scene ends."""

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        assert scene is not None
        n, actions = len(scene.actions), [told.action for told in self.plays[0]]
        ends = [i for i in range(n, len(actions)) if np.array_equal(actions[i - n : i], scene.actions)]
        self.tick = self.began = ends[0]
        return self.plays[0][self.tick - 1].frame


def test_transitions_are_judged_one_by_one_from_the_truth_before_them(world: World, plays: list[list[Told]]) -> None:
    perfect, frozen = (Anywhere(world, plays[:1], frozen=frozen) for frozen in (False, True))
    judge = world.make_judge()
    right = measure_at_once(perfect, plays[:1], judge, history=HISTORY)
    wrong = measure_at_once(frozen, plays[:1], judge, history=HISTORY)
    assert right["transitions_right"] == 1.0
    assert wrong["transitions_right"] == 0.0, "unlike in a long dream nothing can come right by coming back"
    assert {kind: of["n"] for kind, of in right["transitions"].items()} == {
        kind: of["n"] for kind, of in wrong["transitions"].items()
    }
    few = measure_at_once(perfect, plays[:1], judge, history=HISTORY, most=2)
    assert max(of["n"] for of in few["transitions"].values()) <= 3, "one tick may bring several"
