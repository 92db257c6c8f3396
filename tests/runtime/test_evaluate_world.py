"""A whole evaluation of a toy world: a picture that is rolled about, dreamed by an untrained net of the real kind."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from dreamloop.input.errors import MissingPartError
from dreamloop.model.album import Album
from dreamloop.model.checkpoint import save_checkpoint
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.eval_control import HOLD_TICKS, opposite_pairs
from dreamloop.model.eval_memory import ARMS
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.world_model import Card
from dreamloop.runtime.bench import BenchSize
from dreamloop.runtime.cli import app
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.evaluate_world import EvalSize, choose_suites, evaluate, train_inverse_dynamics
from dreamloop.runtime.memory_suite import MemorySize
from dreamloop.runtime.report import write_report
from dreamloop.runtime.true_play import SETTLE_TICKS, Driller, drills, find_places, true_plays, wander
from dreamloop.runtime.world import World, load_world

torch.set_num_threads(1)

WORLD = """
[world]
name = "roll"
rate_hz = 35
width_px = 48
height_px = 32
arch = "dream"
weights = "weights.safetensors"
simulator = "roll.py:make_env"
explorer = "roll.py:make_explorer"
"""
SCHEMA = """
format = 1
name = "roll"
[[control]]
name = "forward"
kind = "button"
help = "down"
keys = ["w"]
[[control]]
name = "back"
kind = "button"
help = "up"
keys = ["s"]
[[control]]
name = "turn"
kind = "axis"
help = "sideways"
unit = "deg"
range = [-6.0, 6.0]
motion = "x"
[[opposites]]
pair = ["forward", "back"]
"""
ROLL = """
import numpy as np

class Env:
    def __init__(self, maps, width_px, height_px, seed=0):
        self.shape, self.maps = (height_px, width_px, 3), maps

    def reset(self, seed=None, options=None):
        self.frame = np.random.default_rng([seed, self.maps == "test"]).integers(0, 256, self.shape, np.uint8)
        self.pose = np.array([0.0, 0.0, 90.0, 0.0])
        return self.frame, self.info()

    def step(self, action):
        down, right = round(float(action[0] - action[1])), round(float(6 * action[2]))
        self.frame = np.roll(self.frame, (down, right), (0, 1))
        heading = np.radians(self.pose[2])
        self.pose += (down * np.cos(heading), down * np.sin(heading), -right, 0.0)
        return self.frame, 0.0, False, False, self.info()

    def info(self):
        return {"pose": tuple(self.pose)}

    def close(self):
        pass

class Explorer:
    def reset(self, seed=None):
        self.rng, self.t = np.random.default_rng(seed), 0

    def act(self, observation, info):
        if self.t % 4 == 0:
            forward, back = self.rng.integers(0, 2, 2)
            self.action = np.array([forward, back, self.rng.integers(-2, 3) / 6], np.float32)
        self.t += 1
        return self.action

def make_env(**options):
    return Env(**options)

def make_explorer(seed=0):
    explorer = Explorer()
    explorer.reset(seed)
    return explorer
"""
SIZE = EvalSize(
    starts=8,
    plays=2,
    play_ticks=90,
    ahead_starts=4,
    free_ticks=30,
    free_scenes=2,
    wander_ticks=120,
    stretch_ticks=40,
    places=2,
    memory=MemorySize(places=2, ticks=128, other_ticks=64, retraced=2, turned=2, changes=2),
    players=3,
    workers=1,
    bench=BenchSize(rounds=1, frames=20, warm_up=2, batch=2, batch_steps=3),
)


@pytest.fixture(scope="session")
def roll(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The toy world, with weights and an inverse-dynamics net after two thirds of a second of learning."""
    folder = tmp_path_factory.mktemp("roll")
    for name, text in {"world.toml": WORLD, "schema.toml": SCHEMA, "roll.py": ROLL}.items():
        (folder / name).write_text(text)
    shape: dict[str, Any] = {"widths": (8, 8, 16), "down": (1, 0, 1), "up": (1, 0, 0), "refine": 1, "cond": 8}
    config = NetConfig(height_px=32, width_px=48, actions=3, **shape)
    torch.manual_seed(0)
    world = load_world(folder)
    card = Card("roll", "dream", 48, 32, 35.0, world.schema.to_dict(), config.context, config=asdict(config))
    save_checkpoint(folder / "weights.safetensors", DreamNet(config).state_dict(), card)
    figures = train_inverse_dynamics(world, 0.01, episodes=2, ticks=40)
    assert figures["samples"] > 0
    return world


def test_all_suites_give_plain_figures_a_report_and_say_what_they_do(roll: World, tmp_path: Path) -> None:
    album, told = Album(), set[str]()
    figures = evaluate(roll, size=SIZE, seed=3, album=album, progress=lambda what, share: told.add(what))
    assert list(figures)[-5:] == ["fidelity", "drift", "control", "memory", "latency"]
    assert json.loads(json.dumps(figures)) == figures
    assert figures["weights_hash"] == roll.card().weights_hash
    assert figures["seed"] == 3
    assert figures["fidelity"]["starts"] == 8
    assert len(figures["drift"]["windows"]) == 10
    assert figures["drift"]["real"]["stretches"] == 3 * 13, "of three ticks, as long as a window"
    assert set(figures["control"]["pairs"]) == {"forward/back", "turn-/+"}
    turning = figures["memory"]["turning"]
    assert set(turning["arms"]) == {*ARMS, "copy_last", "copy_seen"}
    assert set(turning["arms"]["renewing"]) == {"64", "128"}
    assert set(turning["arms"]["none"]) == {"64"}
    assert turning["gain_db"] == {"64": 0}, "this net has no memory, so no arm may differ"
    assert set(figures["memory"]["forgetting"]) <= {"64", "128"}
    assert figures["memory"]["hysteresis"]["places"] == 2
    assert "not_measured" in figures["memory"]["changes"], "no button of this world changes anything"
    assert figures["latency"]["frames_per_s"] > 0
    assert figures["latency"]["gflop_per_frame"] > 0
    assert {"true play", "fidelity", "wandering", "drift", "control"} <= told
    page = write_report(figures, tmp_path / "report.html", album).read_text()
    assert page.count("<h3>") == len(album.strips) >= 6


def test_the_same_seed_gives_the_same_figures(roll: World) -> None:
    size = replace(SIZE, free_ticks=20, places=1, plays=1)
    once, again = (evaluate(roll, ["fidelity,drift", "control"], size=size, clock=FakeClock()) for _ in range(2))
    for figures in (once, again):
        figures.pop("load_per_core")
    assert once == again
    assert "latency" not in once


def test_a_stopped_evaluation_goes_on_where_it_was(roll: World) -> None:
    """What is whole is taken over, what is partial is measured again; figures of another seed are refused."""
    size, kept = replace(SIZE, memory_parts=("turning", "hysteresis")), []
    clock = FakeClock()
    whole = evaluate(roll, ["memory"], size=size, clock=clock, keep=lambda figures: kept.append(dict(figures)))
    assert all(json.loads(json.dumps(one))["partial"] for one in kept)
    after_turning = next(
        one for one in kept if "turning" in one["memory"] and "partial" not in one["memory"]["turning"]
    )
    after_turning["memory"]["turning"]["places"] = 77
    again = evaluate(roll, ["memory"], size=size, clock=clock, have=json.loads(json.dumps(after_turning)))
    assert again["memory"]["turning"]["places"] == 77, "taken over"
    assert again["memory"]["hysteresis"] == whole["memory"]["hysteresis"]
    assert "partial" not in again["memory"]
    more = evaluate(roll, ["memory"], size=replace(size, memory_parts=("turning",)), clock=clock, have=again)
    assert more["memory"]["hysteresis"] == again["memory"]["hysteresis"], "measured before, not asked for now"
    with pytest.raises(EvaluationError, match="another seed"):
        evaluate(roll, ["memory"], size=size, clock=clock, seed=5, have=json.loads(json.dumps(after_turning)))


def test_places_alone_can_be_asked_for(roll: World, tmp_path: Path) -> None:
    """Whoever has little time wants the whole curve at few places rather than half of it."""
    out = tmp_path / "figures.json"
    few = ["--suite", "memory", "--part", "turning", "--quick", "0.001", "--places", "1", "--json", str(out)]
    assert CliRunner().invoke(app, ["eval", str(roll.folder), *few]).exit_code == 0
    assert json.loads(out.read_text())["memory"]["turning"]["places"] == 1


def test_the_command_needs_a_file_to_resume_from(roll: World) -> None:
    done = CliRunner().invoke(app, ["eval", str(roll.folder), "--suite", "memory", "--resume"])
    assert done.exit_code == 2
    assert "--json" in done.stderr


def test_an_unknown_suite_names_the_nearest_and_all_others() -> None:
    with pytest.raises(EvaluationError, match=r"unknown suite 'fidelty'.*did you mean 'fidelity'") as caught:
        choose_suites(["control,fidelty"])
    assert all(name in str(caught.value) for name in ("drift", "control", "latency"))
    assert choose_suites(["latency", "fidelity"]) == ["fidelity", "latency"]
    assert choose_suites([]) == choose_suites(["all"]) == ["fidelity", "drift", "control", "memory", "latency"]


def test_without_an_inverse_dynamics_net_there_is_one_sentence(roll: World, tmp_path: Path) -> None:
    bare = replace(roll, folder=tmp_path)
    with pytest.raises(MissingPartError, match="dreamloop train roll --inverse-dynamics"):
        evaluate(bare, ["control"], size=SIZE)


def test_the_command_writes_figures_and_report(roll: World, tmp_path: Path) -> None:
    figures, report = tmp_path / "out" / "f.json", tmp_path / "out" / "r.html"
    command = ["bench", str(roll.folder), "--rounds", "1", "--frames", "20", "--json", str(figures)]
    done = CliRunner().invoke(app, [*command, "--report", str(report)])
    assert done.exit_code == 0, done.output
    assert json.loads(figures.read_text())["latency"]["frames_per_s"] > 0
    assert "<h2>Latency" in report.read_text()


def test_the_command_refuses_an_unknown_suite(roll: World) -> None:
    done = CliRunner().invoke(app, ["eval", str(roll.folder), "--suite", "memry"])
    assert done.exit_code == 2
    assert "unknown suite 'memry'" in done.stderr


def test_true_play_is_of_unseen_maps_and_repeats(roll: World) -> None:
    once, again, seen = (list(true_plays(roll, 2, 20, seed=1, maps=maps)) for maps in ("test", "test", "train"))
    assert [play.name for play in once] == ["test map 1", "test map 2"]
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0].frames, seen[0].frames)


def test_a_wanderer_covers_the_ticks_and_every_stretch_is_looked_at(roll: World) -> None:
    found = wander(roll, 100, 40, 20, seed=0)
    assert found.actions.shape == (100, 3)
    assert len(found.looks) == 3 * 2, "two stretches in each of three episodes"


def test_places_are_at_rest_and_every_press_starts_from_the_same_moment(roll: World) -> None:
    pairs = opposite_pairs(roll.schema)
    for place in find_places(roll, pairs, 2, seed=0, context=8):
        assert place.scene.frames.shape == (8, 32, 48, 3)
        assert not place.scene.actions.any(), f"{SETTLE_TICKS} ticks of rest come before"
        assert set(place.held) == {"forward", "back", "turn-", "turn+"}
        for press in (press for pair in pairs for press in pair.presses):
            frames, poses = place.held[press.name]
            assert len(frames) == HOLD_TICKS == len(poses) - 1
            down, right = round(float(press.action[0] - press.action[1])), round(float(6 * press.action[2]))
            assert np.array_equal(frames[0], np.roll(place.scene.frames[-1], (down, right), (0, 1)))


def test_a_simulator_that_does_not_repeat_itself_is_said(roll: World, monkeypatch: pytest.MonkeyPatch) -> None:
    env = roll.make_env(maps="test", width_px=48, height_px=32)
    fresh, reset = np.random.default_rng(0), type(env).reset
    monkeypatch.setattr(type(env), "reset", lambda self, seed=None: reset(self, seed=int(fresh.integers(1 << 30))))
    with pytest.raises(EvaluationError, match="only 0 of 1 places"):
        find_places(roll, opposite_pairs(roll.schema), 1, seed=0, context=8)


def test_drills_hold_every_control_alone_or_in_twos(roll: World) -> None:
    (drill,) = drills(roll, 1, 400, seed=0)
    assert (drill.actions != 0).any(0).all()
    assert ((drill.actions != 0).sum(1) <= 2).all()
    assert np.abs(drill.actions[:, 2]).max() <= 1.0


def test_a_driller_repeats_itself(roll: World) -> None:
    frame = np.zeros((1, 1, 3), np.uint8)

    def run(seed: int) -> bytes:
        driller = Driller(roll.schema)
        driller.reset(seed)
        return b"".join(driller.act(frame, {}).tobytes() for _ in range(60))

    assert run(4) == run(4) != run(5)


def test_a_shorter_evaluation_keeps_what_its_figures_need() -> None:
    size = EvalSize().shorter(0.01)
    assert size.starts == 64
    assert size.free_ticks >= 200
    assert size.wander_ticks >= 8 * size.stretch_ticks, "a range of few stretches is no range"
    assert EvalSize().shorter(0.5).starts == 1024
