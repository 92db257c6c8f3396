"""Published weights: added from folders and from a hub that a test stands in for, converted, checked, missed."""

import json
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from dreamloop.input.errors import ConfigError, MissingPartError
from dreamloop.model.checkpoint import CheckpointError
from dreamloop.model.convert import convert
from dreamloop.model.world_model import OpenOptions
from dreamloop.runtime import weights_store
from dreamloop.runtime.cli import app
from dreamloop.runtime.start_scenes import make_scene
from dreamloop.runtime.weights_store import Published, WeightsError, add, check, fetch_from_hub, read_published
from dreamloop.runtime.world import find_world, load_world

torch.set_num_threads(1)

FILES = Published("hf:some/where", {"net.safetensors": "models/Net.pt", "codec.safetensors": "codec.safetensors"})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DREAMLOOP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with both files as they were published."""
    folder = tmp_path / "source"
    (folder / "models").mkdir(parents=True)
    torch.save({"net": {"weight": torch.arange(4.0)}, "bias": torch.ones(2)}, folder / "models" / "Net.pt")
    save_file({"weight": torch.arange(2000.0)}, folder / "codec.safetensors")
    return folder


def test_add_copies_converts_and_notes_the_hashes(source: Path) -> None:
    folder = add("some", FILES, str(source))
    assert load_file(folder / "net.safetensors")["net.weight"].tolist() == [0, 1, 2, 3]
    assert (folder / "codec.safetensors").read_bytes() == (source / "codec.safetensors").read_bytes()
    assert set(json.loads((folder / "weights.json").read_text())["files"]) == set(FILES.files)
    first = FILES.weights_hash("some", folder)
    (folder / "weights.json").unlink()
    assert FILES.weights_hash("some", folder) == first, "the hash must not hang on the note"


def test_add_again_leaves_whole_files_alone_and_goes_on_with_a_cut_one(source: Path) -> None:
    folder = add("some", FILES, str(source))
    stamp = (folder / "net.safetensors").stat().st_mtime_ns
    whole = (folder / "codec.safetensors").read_bytes()
    (folder / "codec.safetensors").unlink()
    (folder / "codec.safetensors.part").write_bytes(whole[:1000])
    seen: list[tuple[int, int]] = []
    add("some", FILES, str(source), lambda name, done, size: seen.append((done, size)))
    assert (folder / "net.safetensors").stat().st_mtime_ns == stamp
    assert (folder / "codec.safetensors").read_bytes() == whole
    assert seen == [(len(whole), len(whole))]


def test_a_part_of_another_file_is_not_glued_to_this_one(source: Path) -> None:
    folder = weights_store.folder_of("some")
    folder.mkdir(parents=True)
    (folder / "codec.safetensors.part").write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="was not copied whole"):
        add("some", FILES, str(source))
    add("some", FILES, str(source))
    assert not check(FILES, folder, "some")


def test_what_is_missing_is_said_in_one_sentence(source: Path) -> None:
    folder = weights_store.folder_of("some")
    with pytest.raises(WeightsError) as caught:
        FILES.weights_hash("some", folder)
    for words in ("net.safetensors and codec.safetensors", "models/Net.pt", "https://huggingface.co/some/where"):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    (source / "models" / "Net.pt").unlink()
    with pytest.raises(WeightsError, match=r"holds neither models/Net.pt nor net.safetensors; get it from https"):
        add("some", FILES, str(source))


def test_a_file_that_was_changed_is_noticed(source: Path) -> None:
    folder = add("some", FILES, str(source))
    path = folder / "codec.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(WeightsError, match="is not the file that was added"):
        FILES.weights_hash("some", folder)
    path.write_bytes(whole[:-1] + b"\x7f")
    assert check(FILES, folder, "some") == ["codec.safetensors"]


def test_a_cut_source_is_not_kept(source: Path) -> None:
    path = source / "codec.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"codec.safetensors from .* is damaged, cut short"):
        add("some", FILES, str(source))
    assert not (weights_store.folder_of("some") / "codec.safetensors").exists()


class Bomb:
    """What a hostile pickle does: it runs code when it is opened."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path(__file__).parent / "exploded",)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_in_a_pickle_is_run(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "net.pt"
    if legacy:
        path.write_bytes(pickle.dumps({"weight": Bomb()}))
    else:
        torch.save({"weight": torch.ones(2), "bomb": Bomb()}, path)
    with pytest.raises(CheckpointError, match=r"net.pt is damaged, or holds more than tensors and was not opened"):
        convert(path, tmp_path / "net.safetensors")
    assert not (Path(__file__).parent / "exploded").exists()
    assert not (tmp_path / "net.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"weight": torch.ones(2), "epoch": 3}, "'epoch' in .* is no tensor but int"),
        ({}, "holds no tensors"),
    ],
)
def test_what_is_no_weights_is_named(content: Any, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=words):
        convert(tmp_path / "net.pt", tmp_path / "net.safetensors")


def test_cut_and_misnamed_files_are_not_converted(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save({"weight": torch.ones(200)}, path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(CheckpointError, match="is damaged"):
        convert(path, tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match=r"must be named \.safetensors"):
        convert(path, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match="no file"):
        convert(tmp_path / "no.pt", tmp_path / "net.safetensors")


def test_tensors_that_share_memory_are_written_apart(tmp_path: Path) -> None:
    one = torch.arange(6.0)
    torch.save({"a": one, "b": one.view(2, 3).t()}, tmp_path / "net.pt")
    assert convert(tmp_path / "net.pt", tmp_path / "net.safetensors") == 2
    assert load_file(tmp_path / "net.safetensors")["b"].shape == (3, 2)


def fake_hub(monkeypatch: pytest.MonkeyPatch, source: Path, etag: str) -> list[str]:
    """Stand in for huggingface_hub; return the list of what it was asked for."""
    asked: list[str] = []

    def download(repository: str, path: str, local_dir: Path) -> str:
        asked.append(f"{repository}/{path}")
        if not source.exists():
            raise ConnectionError("offline\nand a long story")
        target = Path(local_dir) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        return str(target)

    hub = types.ModuleType("huggingface_hub")
    hub.hf_hub_download = download  # type: ignore[attr-defined]
    hub.hf_hub_url = lambda repository, path: path  # type: ignore[attr-defined]
    hub.get_hf_file_metadata = lambda url: types.SimpleNamespace(etag=etag)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return asked


def test_add_from_the_hub(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source / "codec.safetensors"
    asked = fake_hub(monkeypatch, path, weights_store.sha256(path))
    only = Published("hf:some/where", {"codec.safetensors": "sub/codec.safetensors"})
    folder = add("some", only, "hf:some/where")
    assert asked == ["some/where/sub/codec.safetensors"]
    assert sorted(found.name for found in folder.iterdir()) == ["codec.safetensors", "weights.json"]
    add("some", only, "hf:some/where")
    assert len(asked) == 1, "what is there is not fetched again"


def test_a_download_that_does_not_match_or_never_came(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_hub(monkeypatch, source / "codec.safetensors", "0" * 64)
    with pytest.raises(WeightsError, match="arrived damaged"):
        fetch_from_hub("some/where", "codec.safetensors", tmp_path)
    fake_hub(monkeypatch, source / "nothing", "")
    with pytest.raises(WeightsError, match=r"could not be fetched from https://huggingface.co/some/where \(offline\)"):
        fetch_from_hub("some/where", "codec.safetensors", tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPartError, match=r"pip install -e '\.\[weights\]' in the checkout"):
        fetch_from_hub("some/where", "codec.safetensors", tmp_path)


@pytest.mark.parametrize(
    "table",
    [{}, {"source": "hf:a/b"}, {"source": "a/b", "files": {"a": "b"}}, {"source": "hf:a/b", "files": {"../a": "b"}}],
)
def test_a_wrong_table_is_refused(table: Any) -> None:
    with pytest.raises(ConfigError, match="published"):
        read_published(table, "world.toml")


@pytest.mark.parametrize("name", ["oasis", "diamond", "csgo"])
def test_worlds_without_weights_are_listed_and_say_what_is_missing(name: str) -> None:
    world = find_world(name)
    assert not world.is_ready
    listed = CliRunner().invoke(app, ["worlds"])
    assert listed.exit_code == 0
    assert any(line.startswith(name) and "missing" in line for line in listed.output.splitlines())
    played = CliRunner().invoke(app, ["play", name, "--headless", "--frames", "2"])
    assert played.exit_code == 2
    assert played.stderr.count("\n") == 1
    assert world.published is not None
    for words in (*world.published.files, world.published.page, f"dreamloop weights add {name}"):
        assert words in played.stderr


@pytest.mark.parametrize("name", ["oasis", "diamond", "csgo"])
def test_the_configuration_of_a_shipped_world_is_understood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key by key, without weights: the nets are built on the meta device."""
    from dreamloop.model import arch_oasis, diamond_config

    monkeypatch.setattr(Published, "weights_hash", lambda *_: "0" * 16)
    card = find_world(name).card()
    if name == "oasis":
        assert arch_oasis.read_config(card).steps == 10
        assert card.context_frames == 31
    else:
        config = diamond_config.read_config(card.config)
        assert config.denoiser.actions == (4 if name == "diamond" else 51)
        assert card.context_frames == 4


def small_world(tmp_path: Path) -> Path:
    """A world like demos/diamond, with a net small enough to play in a test, its weights added."""
    from dreamloop.model.arch_diamond import empty_nets
    from dreamloop.model.diamond_config import read_config

    folder = tmp_path / "stick"
    folder.mkdir()
    text = (find_world("diamond").folder / "world.toml").read_text()
    text = text.replace('name = "diamond"', 'name = "stick"').replace("= 64", "= 16")
    text += "[model.denoiser]\ncond = 16\ndepths = [1, 1]\nwidths = [8, 8]\nattention = [false, false]\n"
    (folder / "world.toml").write_text(text)
    for name in ("schema.toml", "demo.script.toml"):
        (folder / name).write_text((find_world("diamond").folder / name).read_text())
    torch.manual_seed(0)
    shapes = empty_nets(read_config(load_world(folder).config)).state_dict()
    (tmp_path / "get").mkdir()
    torch.save({name: torch.randn(value.shape) / 8 for name, value in shapes.items()}, tmp_path / "get" / "Breakout.pt")
    return folder


def test_from_published_file_to_played_frames(tmp_path: Path) -> None:
    """The whole way: add (converts), make a scene of pictures, play by command."""
    folder = small_world(tmp_path)
    run = CliRunner().invoke
    added = run(app, ["weights", "add", str(folder), str(tmp_path / "get")])
    assert added.exit_code == 0, added.output
    picture = tmp_path / "start.png"
    Image.fromarray(np.full((90, 160, 3), 77, np.uint8)).save(picture)
    assert run(app, ["weights", "start", str(folder), str(picture)]).exit_code == 0
    assert run(app, ["weights", "check", str(folder)]).exit_code == 0
    world = load_world(folder)
    assert world.scene_names == ("start",)
    model = world.open_model(OpenOptions(device="cpu", dtype="float32", threads=1))
    assert model.card.weights_hash == world.card().weights_hash
    assert (model.reset(0, world.scene(0), seed=1) == 77).all()
    played = run(app, ["play", str(folder), "--headless", "--frames", "3", "--threads", "1"])
    assert played.exit_code == 0, played.output


def test_a_published_spawn_becomes_a_scene(tmp_path: Path) -> None:
    """Its actions were taken after their frames; ours led to theirs."""
    world = find_world("csgo")
    frames = np.random.default_rng(0).integers(0, 256, (4, 3, 150, 280), np.uint8)
    taken = np.zeros((4, 51), np.uint8)
    taken[:, 0] = [1, 0, 1, 1]
    for name, array in (("full_res", frames), ("act", taken)):
        np.save(tmp_path / f"{name}.npy", array)
    make_scene(world, [tmp_path], "spawn")
    scene = find_world("csgo").scene("spawn", 4)
    assert scene is not None
    assert np.array_equal(scene.frames[2], frames[2].transpose(1, 2, 0))
    assert scene.actions[1:, 0].tolist() == [1, 0, 1]
    np.save(tmp_path / "act.npy", taken[:, :-1])
    with pytest.raises(ConfigError, match=r"actions \(4, 50\)"):
        make_scene(world, [tmp_path])
    with pytest.raises(ConfigError, match="cannot be read as a picture"):
        make_scene(world, [tmp_path / "act.npy"])


def test_a_world_with_weights_of_its_own_takes_none() -> None:
    refused = CliRunner().invoke(app, ["weights", "add", "echo", "somewhere"])
    assert refused.exit_code == 2
    assert "takes no published weights: it needs none" in refused.stderr
