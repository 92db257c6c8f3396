"""The desk's simulator, its scripted user and its folder: rules that hold whatever is done to it."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.input.errors import ConfigError
from dreamloop.input.poll import Poller
from dreamloop.input.source import open_source
from dreamloop.model.checkpoint import CheckpointError, load_checkpoint
from dreamloop.model.eval_interface import dream_along, same
from dreamloop.model.mosaic_config import load_mosaic_config
from dreamloop.model.mosaic_known import TABLES, Known
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime.interface_play import given_play
from dreamloop.runtime.train_world import train_world
from dreamloop.runtime.world import find_world

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")

from gymnasium.utils.env_checker import check_env

from dreamloop.demos.desk import apps, simulator
from dreamloop.demos.desk.colours import RGB
from dreamloop.demos.desk.desktop import INTENTS, KEYS, Act, open_app, tick
from dreamloop.demos.desk.explorer import make_explorer
from dreamloop.demos.desk.font import CELL, PLAIN
from dreamloop.demos.desk.judge import Judge
from dreamloop.demos.desk.screen import Screen, colourful
from dreamloop.demos.desk.state import (
    APPS,
    BAR_ROW,
    CALC,
    COLUMNS,
    NOTES,
    PAINT,
    RATE_HZ,
    SETTINGS,
    SIZES,
    Desk,
    window_at,
)


def random_acts(seed: int, n: int) -> list[Act]:
    """What a cat on the keyboard would do: jumps, presses, keys and intents without sense."""
    rng = np.random.default_rng(seed)
    acts = []
    for _ in range(n):
        acts.append(
            Act(
                (int(rng.integers(256)), int(rng.integers(192))),
                bool(rng.random() < 0.6),
                str(rng.choice(KEYS)) if rng.random() < 0.4 else "",
                str(rng.choice(INTENTS)) if rng.random() < 0.2 else "",
            )
        )
    return acts


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_done_every_window_stays_on_the_screen_and_every_picture_can_be_drawn(seed: int) -> None:
    """Two hundred senseless ticks a seed: nothing raises, nothing leaves the screen, the order holds what is seen."""
    desk, screen = simulator.furnish(np.random.default_rng(seed)), Screen()
    for act in random_acts(seed, 200):
        tick(desk, act)
        for window, (width, height) in zip(desk.windows, SIZES, strict=True):
            assert 0 <= window.x <= COLUMNS - width
            assert 0 <= window.y <= BAR_ROW - height
        assert sorted(desk.order) == [app for app, window in enumerate(desk.windows) if window.visible]
        picture = screen.draw(desk)
        assert picture.max() < len(RGB)
    assert np.array_equal(Screen().draw(desk), picture)  # what is kept from earlier pictures shows nowhere


def test_the_same_seed_and_actions_give_the_same_frames_in_any_order() -> None:
    def run(env: simulator.DeskEnv, seed: int) -> NDArray[np.uint8]:
        frame, info = env.reset(seed=seed)
        user = make_explorer(seed)
        frames = [frame]
        for _ in range(80):
            frame, _, _, _, info = env.step(user.act(frame, info))
            frames.append(frame)
        return np.stack(frames)

    one, other = simulator.make_env(), simulator.make_env()
    first = run(one, 4)
    run(other, 5)
    assert np.array_equal(first, run(other, 4))


def test_it_passes_gymnasiums_own_check_and_tells_what_changed() -> None:
    env = simulator.make_env(seed=1)
    check_env(env, skip_render_check=True)
    before, info = env.reset(seed=2)
    user = make_explorer(2)
    for _ in range(60):
        frame, _, _, _, info = env.step(user.act(before, info))
        assert np.array_equal(info["changed"], (frame != before).any(-1))
        before = frame


def test_training_and_test_desks_are_different_ones() -> None:
    """A leak of test desks into training would flatter every figure."""
    train, test = (simulator.make_env(maps=maps).reset(seed=7)[0] for maps in ("train", "test"))
    assert not np.array_equal(train, test)
    with pytest.raises(ConfigError, match="tests"):
        simulator.make_env(maps="tests")


def test_who_practises_does_often_what_takes_long_to_learn() -> None:
    def kinds_of(practice: bool) -> Counter[str]:
        world, kinds = find_world("desk"), Counter[str]()
        for seed in range(24):
            env, user = world.make_env(seed=seed), world.make_explorer(seed, practice=practice)
            frame, info = env.reset(seed=seed)
            for _ in range(200):
                frame, _, _, _, info = env.step(user.act(frame, info))
                kinds.update(info["kinds"])
        return kinds

    usual, practised = kinds_of(False), kinds_of(True)
    assert all(practised[kind] > 1.5 * usual[kind] for kind in ("toggle", "calculate", "type", "erase"))


def test_action_vectors_and_acts_are_the_same_thing_in_both_directions() -> None:
    world = find_world("desk")
    assert world.schema.size == simulator.SIZE
    assert [name for name in world.schema.columns if name.startswith("intent.")] == [f"intent.{i}" for i in INTENTS]
    letters = dict(next(control for control in world.schema.controls if control.name == "key").letters)
    assert all(KEYS[int(value)] == char for char, value in letters.items())
    assert len(letters) == len([key for key in KEYS if len(key) == 1])
    for act in random_acts(3, 50):
        assert simulator.decode(simulator.encode(act)) == act


def click(desk: Desk, column: int, row: int) -> None:
    at = (column * CELL + 4, row * CELL + 4)
    for held in (False, True, False):
        tick(desk, Act(at, held))


def test_a_window_opens_by_its_icon_minimises_comes_back_and_closes() -> None:
    desk = Desk()
    click(desk, 1, 1)
    window, right = desk.windows[NOTES], desk.windows[NOTES].x + SIZES[NOTES][0] - 1
    assert desk.front == NOTES
    click(desk, right - 1, window.y)
    assert window.open
    assert window.minimised
    assert not desk.order
    click(desk, 2, BAR_ROW)
    assert desk.front == NOTES
    click(desk, right, window.y)
    assert not window.open


def test_a_window_follows_its_title_and_what_is_written_stays_in_it() -> None:
    desk = Desk()
    tick(desk, Act((0, 0), intent="open_notes"))
    for key in ("h", "i", "enter", "1", "backspace", "2"):
        tick(desk, Act((0, 0), key=key))
    assert desk.lines == ["hi", "2"]
    window = desk.windows[NOTES]
    x, y = window.x * CELL + 20, window.y * CELL + 3
    for act in (Act((x, y)), Act((x, y), True), Act((x + 40, y + 24), True), Act((x + 40, y + 24))):
        tick(desk, act)
    assert (window.x, window.y) == (12, 5)
    assert window_at(desk, 12, 5) == NOTES
    tick(desk, Act((0, 0), intent="close"))
    tick(desk, Act((0, 0), intent="open_notes"))
    assert (desk.lines, window.x) == (["hi", "2"], 12)


@pytest.mark.parametrize(
    ("keys", "shown"),
    [("12+30=", "42"), ("7*8=", "56"), ("9-12=", "-3"), ("1/4=", "0.25"), ("5/0=", "error"), ("2+3*4=", "20")],
)
def test_the_calculator_calculates(keys: str, shown: str) -> None:
    desk = Desk()
    for key in keys:
        apps.calculate(desk, key)
    assert desk.sum == shown


def test_the_clock_goes_on_while_it_is_covered() -> None:
    desk = Desk()
    before = desk.time
    for _ in range(40):
        tick(desk, Act((0, 0)))
    assert desk.time == before + 40


def test_a_change_of_look_changes_everything_that_is_seen() -> None:
    desk, screen = Desk(), Screen()
    for app in APPS:
        tick(desk, Act((200, 100), intent=f"open_{app}"))
    for intent, least in (("dark_mode", 0.5), ("bigger_text", 0.01), ("next_colour", 0.005)):
        before = screen.draw(desk)
        tick(desk, Act((200, 100), intent=intent))
        assert (screen.draw(desk) != before).mean() > least


def test_a_stroke_is_seen_on_the_canvas_and_the_colour_of_it() -> None:
    desk = Desk()
    tick(desk, Act((0, 0), intent="open_paint"))
    window = desk.windows[PAINT]
    x, y = window.x * CELL + 20, window.y * CELL + 30
    for act in (Act((x, y), True), Act((x + 30, y), True), Act((0, 0))):
        tick(desk, act)
    painted = colourful(Screen().draw(desk))[y, x : x + 30]
    assert (painted == 0).all()


def test_the_user_meets_every_kind_of_change() -> None:
    """A kind that the scripted user never causes is one that no model learns."""
    env, user, kinds = simulator.make_env(), make_explorer(0), Counter[str]()
    for seed in range(4):
        frame, info = env.reset(seed=seed)
        user.reset(seed)
        for _ in range(700):
            frame, _, _, _, info = env.step(user.act(frame, info))
            kinds.update(info["kinds"])
    wanted = [
        "open",
        "close",
        "focus",
        "drag",
        "minimise",
        "restore",
        "toggle",
        "type",
        "erase",
        "calculate",
        "paint",
        "intent",
        "point",
        "clock",
        "play",
    ]
    assert min(kinds[kind] for kind in wanted) >= 3


def test_no_two_letters_look_alike() -> None:
    """Typed characters are read back from the picture, so every one must be another shape."""
    shapes = {glyph.tobytes() for glyph in PLAIN.values()}
    assert len(shapes) == len(PLAIN)
    assert set("".join(key for key in KEYS if len(key) == 1)) <= set(PLAIN)


def test_calculator_keys_can_be_clicked() -> None:
    desk = Desk()
    tick(desk, Act((0, 0), intent="open_calc"))
    window = desk.windows[CALC]
    for column, row in ((0, 0), (3, 3), (1, 1), (2, 3)):  # 7 + 5 =
        click(desk, window.x + 2 * column, window.y + 3 + 2 * row)
    assert desk.sum == "12"


def test_the_folder_is_listed_in_the_package() -> None:
    world = find_world("desk")
    assert world.rate_hz == RATE_HZ
    assert (world.folder / "font.py").is_file()
    assert Path(simulator.__file__).parent == world.folder


def test_the_example_of_the_readme_runs() -> None:
    text = (Path(simulator.__file__).parent / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(code, {})


def test_the_demo_moves_the_simulator_through_what_its_help_says() -> None:
    """The scripted inputs, through poller and schema as in play: a typo in a phrase or a missed icon shows here."""
    world = find_world("desk")
    assert world.demo_script is not None
    poller = Poller([open_source("script", path=world.demo_script, schema=world.schema)], schema=world.schema)
    env, kinds = simulator.make_env(), Counter[str]()
    env.reset(options={"state": Desk()})
    for number in range(340):
        action = world.schema.encode(poller.poll(number, 1 / world.rate_hz, 0.0))
        kinds.update(env.step(action)[-1]["kinds"])
    assert env.desk.lines == ["hi", "ink 2 pixe"]
    assert {"open", "type", "erase", "drag", "toggle", "close", "paint", "minimise", "intent"} <= set(kinds)
    assert (env.desk.dark, env.desk.large, env.desk.playing) == (False, True, True)


def test_every_training_file_is_one_that_training_takes() -> None:
    world = find_world("desk")
    for path in sorted(world.folder.glob("train*.toml")):
        config = load_mosaic_config(path, world.schema, {"height_px": world.height_px, "width_px": world.width_px})
        assert (config.net.pointer, config.net.button, config.net.actions) == (0, 2, simulator.SIZE)


def test_what_its_training_does_not_offer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="was made for dream"):
        train_world("desk", out=tmp_path, start=find_world("doom").weights)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="one process"):
        train_world("desk", out=tmp_path)


def test_what_the_weights_in_the_box_know_can_be_learnt_on() -> None:
    """Training goes on from them: no rule is held for more than certain."""
    tensors, _ = load_checkpoint(find_world("desk").folder / "weights.safetensors")
    known = Known({name: tensors[name].numpy() for name in TABLES}, grows=True)
    assert known.counts["rules"] > 0
    assert known.rules[:, 2].max() < 1e6
    assert known.strokes[:, 2].max() < 1e6


def test_a_bare_picture_lacks_the_pointer_and_nothing_else() -> None:
    shown, bare = (simulator.make_env("train", 3, bare=one) for one in (False, True))
    shown.reset(seed=3)
    bare.reset(seed=3)
    for act in random_acts(5, 60):
        frame, *_, info = shown.step(simulator.encode(act))
        without, *_, told = bare.step(simulator.encode(act))
        x, y = info["pointer"]
        differs = np.argwhere((frame != without).any(-1))
        assert len(differs)
        assert (differs >= (y, x)).all()
        assert (differs < (y + 12, x + 11)).all()
        assert told["state"] == info["state"]


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (("bigger_text",), ["dream 42", "quick fox"]),
        (("minimise", "bigger_text", "open_notes"), ["dream 42", "quick fox"]),
        (("bigger_text", "smaller_text"), ["one", "two", "three", "four", "five 5"]),
        (("bigger_text", "minimise", "smaller_text", "open_notes"), ["one", "two", "three", "four", "five 5"]),
    ],
    ids=["seen", "hidden", "and back with no room meanwhile", "and back while hidden"],
)
def test_the_weights_in_the_box_write_all_lines_anew(said: tuple[str, ...], lines: list[str]) -> None:
    """Changed in size, what is written can be read: also what nobody saw, and what there was no room for meanwhile."""
    world, desk = find_world("desk"), Desk(lines=lines, pointer=(5, 150))
    for app in (SETTINGS, NOTES):
        open_app(desk, app)
    quiet = Act(desk.pointer)
    acts = [quiet] * 20 + [act for word in said for act in (Act(desk.pointer, intent=word), quiet, quiet)]
    play = list(given_play(world, desk, [simulator.encode(act) for act in acts]))
    dreamed = dream_along(world.open_model(OpenOptions(threads=1)), [play], 20, 0)[0]
    right, total = Judge().letters(dreamed[-1], play[-1].info)
    assert total > 10
    assert right == total
    assert same(dreamed[-1], play[-1].frame).mean() > 0.999
