"""Saved games: bit-exact, whole or refused, written atomically."""

import importlib.util
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.model import savegame
from dreamloop.model.framing import RecordingError, pack_preamble, pack_record
from dreamloop.model.recording import Recording
from dreamloop.model.savegame import MAGIC, VERSION, pack_state, read_savegame, unpack_state, write_savegame
from dreamloop.model.world_model import ModelState

GOLDEN = Path(__file__).parent / "golden"


def _golden_state() -> ModelState:
    spec = importlib.util.spec_from_file_location("make_recording", GOLDEN / "make_recording.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    state: ModelState = module.state()
    return state


def assert_same(one: ModelState, other: ModelState) -> None:
    assert (one.arch, one.weights_hash, one.tick) == (other.arch, other.weights_hash, other.tick)
    assert list(one.values) == list(other.values)
    for name, value in one.values.items():
        got = other.values[name]
        assert type(got) is type(value)
        if isinstance(value, np.ndarray):
            assert (got.dtype, got.shape) == (value.dtype, value.shape)
            assert got.tobytes() == value.tobytes()
            assert got.flags.writeable
        else:
            assert got == value


def test_older_versions_are_read() -> None:
    files = sorted(GOLDEN.glob("savegame-v*.dreamsave"))
    assert len(files) >= VERSION
    for path in files:
        state, about = read_savegame(path)
        assert_same(_golden_state(), state)
        assert about == {"world": "golden"}


def test_a_file_and_bytes_hold_the_same(tmp_path: Path) -> None:
    state = _golden_state()
    size = write_savegame(tmp_path / "a.dreamsave", state, {"scene": "yard"})
    data = (tmp_path / "a.dreamsave").read_bytes()
    assert size == len(data)
    assert data == pack_state(state, {"scene": "yard"})
    assert_same(state, unpack_state(data)[0])
    assert [path.name for path in tmp_path.iterdir()] == ["a.dreamsave"]


def test_special_numbers_and_strides_survive() -> None:
    values: dict[str, Any] = {
        "nan": np.array([np.nan, np.inf, -0.0], np.float32),
        "strided": np.arange(24).reshape(4, 6)[::2, 1::2],
        "big_endian": np.arange(3, dtype=">i4"),
        "wide": -(2**200),
        "inf": float("inf"),
    }
    got = unpack_state(pack_state(ModelState("a", "", 0, values)))[0].values
    assert got["nan"].tobytes() == values["nan"].tobytes()
    assert np.array_equal(got["strided"], values["strided"])
    assert np.array_equal(got["big_endian"], values["big_endian"])
    assert (got["wide"], got["inf"]) == (values["wide"], values["inf"])


def test_large_arrays_travel_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savegame, "PIECE_BYTES", 1000)
    state = ModelState("a", "", 0, {"memory": np.random.default_rng(0).random(777)})
    assert_same(state, unpack_state(pack_state(state))[0])


def test_every_cut_and_flip_is_refused() -> None:
    """Half a state is no state: unlike a recording, a saved game is whole or nothing."""
    data = pack_state(_golden_state())
    for byte in range(len(data)):
        flipped = bytearray(data)
        flipped[byte] ^= 1 << (byte % 8)
        for broken in (data[:byte], bytes(flipped)):
            with pytest.raises(RecordingError):
                unpack_state(broken, "quick.dreamsave")


def test_mutated_contents_with_right_checksums_get_a_sentence() -> None:
    rng = random.Random(0)
    kinds: list[Any] = [None, -1, 2**40, "x", b"y", [], {}, [9, 9], 0.5, "<f4", "|O", [3, -1], [2**40]]
    for _ in range(500):
        records = [[0, {"arch": "a", "weights_hash": "", "tick": 0, "about": {}}], [1, "m", "array", "<f4", [2]]]
        records += [[2, b"12345678"], [1, "n", "int", 5], [3, 2]]
        victim = rng.randrange(len(records))
        records[victim][rng.randrange(len(records[victim]))] = rng.choice(kinds)
        if not all(isinstance(record[0], int) and 0 <= record[0] < 16 for record in records):
            continue
        data = pack_preamble(MAGIC, VERSION) + b"".join(pack_record(record) for record in records)
        try:
            unpack_state(data)
        except RecordingError:
            continue


def test_what_cannot_be_saved_is_named() -> None:
    for value in (object(), [1], np.array([object()])):
        with pytest.raises(RecordingError, match="'thing'"):
            pack_state(ModelState("a", "", 0, {"thing": value}))


def test_a_recording_is_no_saved_game_and_the_other_way_round(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="not a dreamloop saved game"):
        read_savegame(GOLDEN / "recording-v1.dream")
    with pytest.raises(RecordingError, match="not a dreamloop recording"):
        Recording.open(GOLDEN / "savegame-v1.dreamsave")
    with pytest.raises(RecordingError, match="No such file"):
        read_savegame(tmp_path / "none.dreamsave")


def test_saving_over_an_older_game_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "quick.dreamsave"
    for tick in (1, 2):
        write_savegame(path, ModelState("a", "", tick, {}))
    assert read_savegame(path)[0].tick == 2
    with pytest.raises(RecordingError, match="cannot be saved"):
        write_savegame(path, ModelState("a", "", 3, {"x": object()}))
    assert read_savegame(path)[0].tick == 2
    assert [file.name for file in tmp_path.iterdir()] == ["quick.dreamsave"]
