"""The Doom simulator: gymnasium's contract, determinism, signs of the controls, doors."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.demos.doom.maps import TEST_SEEDS_FROM
from dreamloop.input.errors import ConfigError, MissingPartError
from dreamloop.input.schema import ActionSchema

pytest.importorskip("gymnasium", reason="the simulator needs gymnasium: pip install -e '.[sim]' in the checkout")
pytest.importorskip("vizdoom", reason="the simulator needs vizdoom: pip install -e '.[sim]' in the checkout")

import vizdoom

from dreamloop.demos.doom import simulator
from dreamloop.demos.doom.simulator import CLOCK_TICS, DoomEnv, halve, make_env

SCHEMA = ActionSchema.load(Path(simulator.__file__).parent / "schema.toml")
Action = NDArray[np.float32]


@pytest.fixture(scope="module")
def env() -> Iterator[DoomEnv]:
    env = make_env(maps="train", seed=5)
    yield env
    env.close()


def _act(**values: float) -> Action:
    action: Action = SCHEMA.vector(**values)
    return action


def _play(env: DoomEnv, ticks: int, **values: float) -> dict[str, Any]:
    info: dict[str, Any] = {}
    for _ in range(ticks):
        _, _, _, _, info = env.step(_act(**values))
    return info


def _shift(before: tuple[float, ...], after: tuple[float, ...]) -> tuple[float, float]:
    """Return the way gone, in map units: along the first heading, and to its right."""
    heading = np.radians(before[2])
    way = np.subtract(after[:2], before[:2])
    along, right = [np.cos(heading), np.sin(heading)], [np.sin(heading), -np.cos(heading)]
    return float(way @ along), float(way @ right)


def _turned(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    """Return degrees turned to the right."""
    return float((before[2] - after[2] + 180.0) % 360.0 - 180.0)


@pytest.mark.filterwarnings("ignore:.*Not able to test alternative render modes")
def test_gymnasium_accepts_it() -> None:
    from gymnasium.utils.env_checker import check_env

    env = make_env(seed=1)
    check_env(env)
    env.close()


def test_buttons_are_in_the_order_of_the_schema() -> None:
    assert SCHEMA.columns == (
        "forward",
        "back",
        "left",
        "right",
        "run",
        "turn",
        "look",
        "attack",
        "use",
    )
    assert len(simulator.BUTTONS) == SCHEMA.size
    assert _act(turn=12.0)[simulator.TURN] == 1.0
    assert _act(look=6.0)[simulator.LOOK] == 1.0
    assert simulator.TURN_DEG == 12.0
    assert simulator.LOOK_DEG == 6.0


def test_same_seed_same_actions_same_frames(env: DoomEnv) -> None:
    """Also when another map was played in between, and in another environment: nothing leaks."""

    def run(env: DoomEnv) -> list[bytes]:
        frame, _ = env.reset(seed=9)
        frames = [frame.tobytes()]
        rng = np.random.default_rng(0)
        for _ in range(100):
            frames.append(env.step(rng.uniform(-1, 1, 9).astype(np.float32))[0].tobytes())
        return frames

    first = run(env)
    assert run(env) == first
    env.reset(seed=4)
    assert run(env) == first
    other = make_env(seed=2)
    assert run(other) == first
    other.close()


def test_frames_are_pictures(env: DoomEnv) -> None:
    for seed in range(3):
        frame, _ = env.reset(seed=seed)
        assert frame.shape == (96, 128, 3)
        assert frame.dtype == np.uint8
        assert 25 < frame.mean() < 220
        assert frame.std() > 12


def test_native_size_halves_to_the_usual_frame(env: DoomEnv) -> None:
    native = make_env(seed=5, width_px=256, height_px=192)
    big, _ = native.reset(seed=3)
    small, _ = env.reset(seed=3)
    native.close()
    assert big.shape == (192, 256, 3)
    assert np.array_equal(halve(big), small)


def test_halve_rounds_the_mean_of_four() -> None:
    block = np.array([[[0], [1]], [[1], [0]]], np.uint8).repeat(3, axis=2)
    assert halve(block).tolist() == [[[1, 1, 1]]]
    assert halve(np.full((4, 6, 3), 255, np.uint8)).tolist() == np.full((2, 3, 3), 255).tolist()


def test_turning_right_lowers_the_angle_at_once(env: DoomEnv) -> None:
    """The first seven tics of a Doom player are deaf: the episode must begin after them."""
    frame, info = env.reset(seed=2)
    after, _, _, _, then = env.step(_act(turn=6.0))
    assert _turned(info["pose"], then["pose"]) == pytest.approx(6.0, abs=0.1)
    assert np.abs(after.astype(int) - frame).mean() > 1.0  # the frame returned shows this very turn
    last = _play(env, 1, turn=-12.0)
    assert _turned(then["pose"], last["pose"]) == pytest.approx(-12.0, abs=0.1)


def test_the_picture_moves_left_when_the_player_turns_right(env: DoomEnv) -> None:
    before, _ = env.reset(seed=2)
    after = env.step(_act(turn=4.0))[0]

    def error(shift: int) -> float:
        rows = slice(20, 60)
        moved = np.roll(before[rows], shift, axis=1)[:, 24:-24].astype(int)
        return float(np.abs(moved - after[rows, 24:-24]).mean())

    assert min(range(-12, 13), key=error) < -1


def test_looking_up_raises_the_pitch_and_stops_at_the_limit(env: DoomEnv) -> None:
    env.reset(seed=2)
    assert _play(env, 2, look=3.0)["pose"][3] == pytest.approx(6.0, abs=0.2)
    assert _play(env, 20, look=6.0)["pose"][3] == pytest.approx(simulator.PITCH_LIMIT_DEG, abs=0.2)
    assert _play(env, 30, look=-6.0)["pose"][3] == pytest.approx(-simulator.PITCH_LIMIT_DEG, abs=0.2)


@pytest.mark.parametrize(
    ("control", "along", "right"), [("forward", 1, 0), ("back", -1, 0), ("left", 0, -1), ("right", 0, 1)]
)
def test_walking_goes_where_the_control_says(env: DoomEnv, control: str, along: int, right: int) -> None:
    _, info = _open_ground(env, control)
    before = info["pose"]
    after = _play(env, 10, **{control: 1.0})["pose"]
    gone = _shift(before, after)
    assert along * gone[0] + right * gone[1] > 15
    assert abs(right * gone[0] + along * gone[1]) < 6
    assert _turned(before, after) == pytest.approx(0.0, abs=0.1)


def test_running_is_faster_than_walking(env: DoomEnv) -> None:
    ways: dict[float, float] = {}
    for run in (0.0, 1.0):
        for seed in range(6):  # something may stand in the way of one start
            start = env.reset(seed=seed)[1]["pose"]
            gone = _shift(start, _play(env, 10, forward=1.0, run=run)["pose"])[0]
            ways[run] = max(ways.get(run, 0.0), gone)
    assert ways[1.0] > 1.5 * ways[0.0]


def _open_ground(env: DoomEnv, control: str) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Reset until there is room to walk the way the control goes."""
    ray = {"forward": 0, "right": 4, "back": 8, "left": 12}[control]
    for seed in range(20):
        frame, info = env.reset(seed=seed)
        if info["clear"][ray] > 200:
            return frame, info
    raise AssertionError("no open ground in 20 maps")


def test_a_door_opens_with_use_and_only_then(env: DoomEnv) -> None:
    opened = 0
    for seed in range(12):
        _, info = env.reset(seed=seed)
        if not _walk_to_a_door(env, info):
            continue
        shut = _play(env, 25, forward=1.0)["pose"]
        _play(env, 1, use=1.0)
        _play(env, 14)
        through = _play(env, 25, forward=1.0)["pose"]
        opened += _shift(shut, through)[0] > 60
        break
    assert opened, "no door was found or none opened"


def _walk_to_a_door(env: DoomEnv, info: dict[str, Any]) -> bool:
    """Go by steps in front of a door of the first room; False when there is none, or it is not reached."""
    plan = env.plan
    assert plan is not None
    room = plan.room_at(*info["pose"][:2])
    for link in plan.links if room else ():
        if link.kind != "door" or room is None or room.index not in link.rooms:
            continue
        for near_x, near_y, far_x, far_y in plan.exits(room):
            x, y, w, h = (value * 16 for value in link.rect)
            if not (x - 1 <= (near_x + far_x) / 2 <= x + w + 64 and y - 64 <= near_y <= y + h + 64):
                continue
            return _go_to(env, info, (near_x, near_y)) and _face(env, (far_x, far_y))
    return False


def _face(env: DoomEnv, point: tuple[float, float]) -> bool:
    info = _play(env, 1)
    for _ in range(40):
        x, y, angle, _ = info["pose"]
        off = float((np.degrees(np.arctan2(point[1] - y, point[0] - x)) - angle + 180) % 360 - 180)
        if abs(off) < 0.5:
            break
        info = _play(env, 1, turn=float(np.clip(-off, -12, 12)))
    return bool(info["door_ahead"]) or _play(env, 8, forward=1.0)["door_ahead"]


def _go_to(env: DoomEnv, info: dict[str, Any], point: tuple[float, float]) -> bool:
    for _ in range(200):
        x, y, angle, _ = info["pose"]
        if np.hypot(point[0] - x, point[1] - y) < 16:
            _play(env, 20)
            return True
        off = float((np.degrees(np.arctan2(point[1] - y, point[0] - x)) - angle + 180) % 360 - 180)
        info = _play(env, 1, turn=float(np.clip(-off, -12, 12)), forward=float(abs(off) < 10))
    return False


def test_small_maps_have_arches_or_doors_that_are_shut_or_stand_open() -> None:
    """Who walks into one is stopped only where it is shut; the three are the same map but for that."""
    told = {}
    for doors in (None, "shut", "open"):
        with contextlib.closing(DoomEnv(maps="test", monsters=False, small=True, doors=doors)) as env:
            env.reset(seed=53)
            assert env.plan is not None
            link = next((link for link in env.plan.links if link.kind == "door"), None)
            assert (link is None) == (doors is None)
            if link is None:
                continue
            west, south, wide, tall = (16 * part for part in link.rect)
            start = (west + wide / 2, south - 30, 90) if wide > tall else (west - 30, south + tall / 2, 0)
            _, info = env.reset(seed=53, options={"pose": start})
            for _ in range(25):
                *_, info = env.step(np.array([1, 0, 0, 0, 0, 0, 0, 0, 0], np.float32))
            told[doors] = np.hypot(info["pose"][0] - start[0], info["pose"][1] - start[1])
    assert told["shut"] < 40 < 100 < told["open"]


def test_train_and_test_maps_never_meet(env: DoomEnv) -> None:
    test = make_env(maps="test", seed=5)
    seeds = [int(test.reset(seed=seed)[1]["map"].removeprefix("gen")) for seed in range(4)]
    assert all(seed >= TEST_SEEDS_FROM for seed in seeds)
    assert int(env.reset(seed=0)[1]["map"].removeprefix("gen")) < TEST_SEEDS_FROM
    with pytest.raises(ConfigError, match="not one of test"):
        test.reset(options={"map_seed": 3})
    with pytest.raises(ConfigError, match="not one of train"):
        env.reset(options={"map_seed": TEST_SEEDS_FROM})
    test.close()


def test_reset_goes_on_to_the_next_map_and_options_pick_one() -> None:
    env = make_env(seed=8)
    names = [env.reset()[1]["map"] for _ in range(3)]
    assert len(set(names)) == 3
    assert env.reset(options={"map_seed": 123})[1]["map"] == "gen123"
    env.close()
    again = make_env(seed=8)
    assert again.reset()[1]["map"] == names[0]
    again.close()


@pytest.mark.parametrize(("maps", "name"), [("stock", "my_way_home"), ("freedoom", "E1M1")])
def test_given_maps_can_be_walked(maps: str, name: str) -> None:
    env = make_env(maps=maps, seed=1)
    frame, info = env.reset(seed=1, options={"map": name})
    assert info["map"] == name
    assert frame.std() > 5
    assert info["clear"].max() > 64
    with pytest.raises(ConfigError, match="did you mean"):
        env.reset(options={"map": name + "x"})
    env.close()


def test_exploring_is_rewarded_once(env: DoomEnv) -> None:
    found = 0.0
    for seed in range(4):
        env.reset(seed=seed)
        found += sum(env.step(_act(forward=1.0, run=1.0))[1] for _ in range(40))
        back = [env.step(_act())[1] for _ in range(5)]
    assert found >= 0.05
    assert back == [0.0] * 5


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        make_env(maps="trian")
    with pytest.raises(ConfigError, match="allowed: 128x96, 256x192"):
        make_env(width_px=100)
    env = make_env()
    with pytest.raises(ConfigError, match="before reset"):
        env.step(_act())
    env.close()


def test_without_vizdoom_the_sentence_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(MissingPartError, match="pip install"):
        make_env()


def test_closing_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = make_env(seed=1)
    env.reset()
    env.close()
    env.close()
    assert list(tmp_path.iterdir()) == []


class DyingEngine:
    """An engine whose first starts fail, as one does that loses the race for its folder."""

    def __init__(self, failures: int) -> None:
        self.failures, self.starts = failures, 0

    def init(self) -> None:
        self.starts += 1
        if self.starts <= self.failures:
            raise vizdoom.ViZDoomErrorException("Failed to create ./_vizdoom/ directory: File exists")


@pytest.mark.parametrize(("failures", "starts"), [(0, 1), (2, 3)])
def test_an_engine_that_lost_the_race_for_its_folder_starts_again(
    failures: int, starts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two collectors that began at the same moment in an empty folder: one of them died."""
    monkeypatch.chdir(tmp_path)
    engine = DyingEngine(failures)
    DoomEnv()._start(engine)
    assert engine.starts == starts


def test_an_engine_that_never_starts_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vizdoom.ViZDoomErrorException, match="File exists"):
        DoomEnv()._start(DyingEngine(99))


def test_distances_are_those_of_walls_and_the_weapon_is_not_in_them() -> None:
    """The depth net learns from these: a wrong scale would lay every remembered frame wrong."""
    env = make_env(maps="test", seed=4, distances=True)
    try:
        _, info = env.reset(seed=4)
        told, clear = [], []
        for _ in range(12):  # turn about; the sight says how far the walls are, in steps of 16
            _, _, _, _, info = env.step(np.array([0, 0, 0, 0, 0, 1, 0, 0, 0], np.float32))
            assert info["distance"].shape == (48, 64)
            told.append(float(np.nanmax(info["distance"][22:24, 31:33])))
            clear.append(float(info["clear"][0]))
    finally:
        env.close()
    right = [abs(a - b) < 0.1 * b + 24 for a, b in zip(told, clear, strict=True)]
    assert np.mean(right) >= 0.7  # pillars and things stand before some walls
    assert np.isnan(info["distance"][44:, 30:34]).any()


def test_turning_away_and_back_ends_where_it_began() -> None:
    """The engine rounds every turn down: four minutes of looking left and right once ended 21 degrees off."""
    env = make_env(maps="test", monsters=False)
    try:
        _, info = env.reset(seed=7)
        start = info["pose"][2]
        for degrees in (4.0, -4.0, 0.1, -0.1):
            action = np.zeros(9, np.float32)
            action[5] = -degrees / 12.0
            begun = info["pose"][2]
            for _ in range(60):
                info = env.step(action)[-1]
            turned = (info["pose"][2] - begun + 180.0) % 360.0 - 180.0
            assert turned == pytest.approx((60 * degrees + 180.0) % 360.0 - 180.0, abs=0.006)
        assert info["pose"][2] == pytest.approx(start, abs=0.006)
    finally:
        env.close()


def test_an_episode_begins_in_a_pose_that_is_asked_for(env: DoomEnv) -> None:
    _, info = env.reset(seed=3)
    x, y, angle, _ = _play(env, 30, forward=1)["pose"]
    whole = (round(x), round(y))
    first, info = env.reset(seed=3, options={"pose": (*whole, angle + 90.0)})
    assert info["pose"][:2] == whole
    assert _turned(info["pose"], (0, 0, angle + 90.0)) == pytest.approx(0, abs=0.01)
    again, _ = env.reset(seed=3, options={"pose": (*whole, angle - 270.0, 0.0)})
    np.testing.assert_array_equal(first, again)
    for wrong in ((1.0, 2.0), (np.nan, 0, 0), (1e5, 0, 0)):
        with pytest.raises(ConfigError, match="is not x, y and degrees"):
            env.reset(seed=3, options={"pose": wrong})


def test_an_episode_begins_by_a_clock_that_is_asked_for(env: DoomEnv) -> None:
    _, info = env.reset(seed=3, options={"pose": (0, 0, 0)})
    _, later = env.reset(seed=3, options={"pose": (0, 0, 0), "clock": info["clock"] + 7})
    assert later["clock"] == info["clock"] + 7
    _, round_ = env.reset(seed=3, options={"pose": (0, 0, 0), "clock": info["clock"] - CLOCK_TICS})
    assert round_["clock"] == info["clock"]
    for wrong in (3.0, "noon", True):
        with pytest.raises(ConfigError, match="is not a number of tics"):
            env.reset(seed=3, options={"pose": (0, 0, 0), "clock": wrong})
