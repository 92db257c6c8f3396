"""world.toml: what is read, what is refused and in which words."""

from pathlib import Path

import numpy as np
import pytest

from dreamloop.input.errors import MissingPartError, SchemaError
from dreamloop.input.state import InputState
from dreamloop.model.recording import frame_hash
from dreamloop.model.recording_writer import RecordingWriter
from dreamloop.model.world_model import ModelError
from dreamloop.runtime.world import World, WorldError, find_world, list_worlds

GOOD = """
[world]
name = "toy"
title = "A toy"
rate_hz = 20
width_px = 64
height_px = 48
arch = "echo"
"""
SCHEMA = """
format = 1
name = "toy"
[[control]]
name = "go"
kind = "button"
keys = ["w"]
"""


def write_world(folder: Path, text: str = GOOD, schema: str = SCHEMA) -> Path:
    """A world of one's own in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.toml").write_text(text, encoding="utf-8")
    (folder / "schema.toml").write_text(schema, encoding="utf-8")
    return folder


def test_the_worlds_on_disk_are_found_by_name() -> None:
    assert {"doom", "echo"} <= set(list_worlds())
    world = find_world("echo")
    assert (world.name, world.rate_hz, world.arch, world.weights) == ("echo", 60.0, "echo", None)


@pytest.mark.parametrize("name", list_worlds())
def test_every_world_on_disk_can_be_read(name: str) -> None:
    world = find_world(name)
    assert world.schema.size > 0
    assert world.demo_script is None or world.demo_script.is_file()


def test_a_folder_of_ones_own_is_a_world(tmp_path: Path) -> None:
    folder = write_world(tmp_path / "mine")
    for place in (folder, folder / "world.toml", str(folder)):
        world = find_world(place)
        assert (world.title, world.rate_hz, world.folder) == ("A toy", 20.0, folder)
    model = world.open_model()
    assert model.step(np.ones((1, 1), np.float32)).shape == (1, 48, 64, 3)


def test_an_unknown_world_names_the_nearest() -> None:
    with pytest.raises(WorldError, match=r"unknown world 'dom' .*did you mean 'doom'"):
        find_world("dom")


def test_a_folder_without_world_toml_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"no world\.toml in"):
        find_world(tmp_path)
    with pytest.raises(WorldError, match=r"no world\.toml in"):
        find_world(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + 'shema = "x.toml"\n', "unknown key 'shema'; did you mean 'schema'"),
        (GOOD + "[wurld]\n", r"\[wurld\] is not a table it knows; did you mean 'world'"),
        (GOOD.replace("rate_hz = 20", 'rate_hz = "fast"'), "rate_hz = 'fast' must be a number of ticks a second"),
        (GOOD.replace("rate_hz = 20", "rate_hz = 0"), "rate_hz = 0 must be a number of ticks a second"),
        (GOOD.replace("rate_hz = 20", "rate_hz = nan"), "rate_hz = nan must be"),
        (GOOD.replace("width_px = 64", "width_px = 64.5"), "width_px = 64.5 must be a whole number"),
        (GOOD.replace("width_px = 64", "width_px = true"), "width_px = True must be a whole number"),
        (GOOD.replace('arch = "echo"\n', ""), "'arch' is missing"),
        ("world = 3", "world must be a table"),
        ("[world", "cannot be read"),
        ("", "'name' is missing; 'rate_hz' is missing"),
    ],
)
def test_every_mistake_in_world_toml_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(WorldError, match=words):
        find_world(write_world(tmp_path, text))


def test_several_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("rate_hz = 20", "rate_hz = -1") + 'artch = "echo"\n'
    with pytest.raises(WorldError, match=r"artch.*rate_hz|rate_hz.*artch"):
        find_world(write_world(tmp_path, text))


def test_a_broken_schema_is_the_schemas_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="keyz"):
        find_world(write_world(tmp_path, schema=SCHEMA.replace("keys", "keyz")))


def test_an_unknown_architecture_names_the_nearest(tmp_path: Path) -> None:
    world = find_world(write_world(tmp_path, GOOD.replace('"echo"', '"ecko"')))
    with pytest.raises(ModelError, match="did you mean 'echo'"):
        world.open_model()


def test_missing_weights_say_where_they_should_be(tmp_path: Path) -> None:
    text = GOOD.replace('"echo"', '"dream"') + 'weights = "weights.safetensors"\n'
    world = find_world(write_world(tmp_path, text))
    with pytest.raises(Exception, match=r"no weights at .*weights\.safetensors"):
        world.open_model()


def test_a_schema_that_does_not_offer_what_the_model_needs_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from dreamloop.model.checkpoint import save_checkpoint
    from dreamloop.model.world_model import Card

    text = GOOD + 'weights = "weights.safetensors"\n'
    world = find_world(write_world(tmp_path, text))
    other = {"format": 1, "name": "other", "control": [{"name": "goo", "kind": "button", "keys": ["w"]}]}
    card = Card(name="other", arch="echo", width_px=64, height_px=48, rate_hz=20.0, schema=other)
    save_checkpoint(tmp_path / "weights.safetensors", {"w": torch.zeros(1)}, card)
    with pytest.raises(SchemaError, match="goo"):
        world.open_model()


def write_scene(path: Path, ticks: int = 4) -> None:
    """A recording of a few ticks to start from."""
    path.parent.mkdir(exist_ok=True)
    with RecordingWriter(path, {"world": "toy"}) as writer:
        for tick in range(ticks):
            frame = np.full((48, 64, 3), tick, np.uint8)
            writer.tick(InputState(tick=tick, dt_s=0.05), np.zeros(1, np.float32), frame, frame_hash(frame))


def write_stage(folder: Path, width_px: int = 128, height_px: int = 96) -> None:
    """Random weights of an upsampler to pictures of this size."""
    from dataclasses import replace

    from dreamloop.model.checkpoint import save_checkpoint
    from dreamloop.model.stage_upsample import tiny_card, tiny_weights

    card = replace(tiny_card(), width_px=width_px, height_px=height_px)
    save_checkpoint(folder / "up.safetensors", tiny_weights(), card)


def test_a_world_names_its_stages(tmp_path: Path) -> None:
    text = GOOD + 'stage = "up"\n[stages]\nup = "up.safetensors"\n'
    world = find_world(write_world(tmp_path, text))
    write_stage(tmp_path)
    assert world.stage == "up"
    assert world.shown_px(["up"]) == (128, 96)
    assert world.shown_px([]) == (64, 48)
    model = world.open_chain(["up"])
    assert model.reset(0, None, 0).shape == (96, 128, 3)
    assert "up_ms" in model.stats()
    assert world.open_chain([]).reset(0, None, 0).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('stage = "op"\n[stages]\nup = "up.safetensors"\n', "unknown stage 'op'.*did you mean 'up'"),
        ("[stages]\nup = 3\n", "up = 3 must be a text in quotes"),
        ('stage = "up"\n', "unknown stage 'up'"),
        ('[stage]\nup = "up.safetensors"\n', r"\[stage\] is not a table it knows.*did you mean 'stages'"),
    ],
)
def test_mistakes_about_stages_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(WorldError, match=words):
        find_world(write_world(tmp_path, GOOD + text))


def test_a_stage_that_a_world_does_not_have_is_named(tmp_path: Path, echo: World) -> None:
    world = find_world(write_world(tmp_path, GOOD + '[stages]\nup = "up.safetensors"\n'))
    with pytest.raises(WorldError, match=r"unknown stage of world 'toy' 'upp'.*did you mean 'up'"):
        world.open_chain(["upp"])
    with pytest.raises(WorldError, match="world 'echo' has no stages"):
        echo.open_chain(["up"])
    write_stage(tmp_path, 256, 192)
    with pytest.raises(ModelError, match="stage 'up' takes frames of 128 x 96, it is given 64 x 48"):
        world.open_chain(["up"])


def test_scenes_are_found_by_name_and_number(tmp_path: Path) -> None:
    folder = write_world(tmp_path, GOOD + 'scenes = "scenes"\n')
    for name in ("cellar", "attic"):
        write_scene(folder / "scenes" / f"{name}.dream")
    world = find_world(folder)
    assert world.scene_names == ("attic", "cellar")
    by_name, by_number, first = world.scene("cellar", 2), world.scene(1, 2), world.scene()
    assert by_name is not None
    assert by_number is not None
    assert first is not None
    assert (by_name.name, by_number.name, first.name) == ("cellar", "cellar", "attic")
    assert by_name.frames[:, 0, 0, 0].tolist() == [2, 3]
    assert world.scene("3", 1) is not None
    with pytest.raises(WorldError, match=r"unknown scene 'celar' .*did you mean 'cellar'"):
        world.scene("celar")


def test_a_world_without_scenes_starts_blank(echo: World) -> None:
    assert echo.scene() is None
    assert echo.scene(3) is None
    with pytest.raises(WorldError, match="has no scenes"):
        echo.scene("attic")


def test_a_simulator_beside_the_world_is_loaded(tmp_path: Path) -> None:
    text = GOOD + 'simulator = "sim.py:make_env"\nexplorer = "sim.py:make_explorer"\n'
    world = find_world(write_world(tmp_path, text))
    code = "def make_env(seed=0):\n    return ('env', seed)\ndef make_explorer(seed):\n    return ('explorer', seed)\n"
    (tmp_path / "sim.py").write_text(code, encoding="utf-8")
    made: object = world.make_env(seed=3)
    assert made == ("env", 3)
    assert world.make_explorer(5) == world.make_explorer(5, practice=True) == ("explorer", 5)
    practises = find_world(write_world(tmp_path, text + 'practice = "sim.py:make_env"\n'))
    assert practises.make_explorer(5, practice=True) == ("env", 5)
    assert practises.make_explorer(5) == ("explorer", 5)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("sim.py", "must be 'module:callable'"),
        ("nowhere.py:make_env", "does not exist"),
        ("sim.py:make_emv", "has no 'make_emv'; did you mean 'make_env'"),
        ("no_such_package.sim:make_env", "needs 'no_such_package', which is not installed"),
    ],
)
def test_a_simulator_that_cannot_be_loaded_says_why(tmp_path: Path, target: str, words: str) -> None:
    (tmp_path / "sim.py").write_text("def make_env():\n    return 1\n", encoding="utf-8")
    world = find_world(write_world(tmp_path, GOOD + f'simulator = "{target}"\n'))
    with pytest.raises((WorldError, MissingPartError), match=words):
        world.make_env()


def test_a_world_without_a_simulator_says_so(echo: World) -> None:
    with pytest.raises(MissingPartError, match="has no simulator"):
        echo.make_env()
    with pytest.raises(MissingPartError, match="has no explorer"):
        echo.make_explorer()
