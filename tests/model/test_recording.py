"""The recording format: what goes in comes out, whatever is cut or flipped, in bounded memory, without a traceback."""

import contextlib
import importlib.util
import random
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamloop.input.state import InputState
from dreamloop.model.distance_codec import pack_distances, unpack_distances
from dreamloop.model.frame_codec import decode_frame, encode_frame
from dreamloop.model.framing import FramedSink, pack_record, pack_varint, read_varint
from dreamloop.model.recording import Recording, RecordingError, RecordingWriter, Tick, frame_hash
from dreamloop.model.recording_layout import FRAME, HEADER, MAGIC, VERSION
from dreamloop.model.tick_codec import KEY, TICK, TickData, TickDecoder, TickEncoder

GOLDEN = Path(__file__).parent / "golden"


def _load_golden() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_recording", GOLDEN / "make_recording.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


golden = _load_golden()


def small(path: Path, ticks: int = 10, frames: Any = "lossless") -> Path:
    """A small recording with two marks; its pictures are tiny, so that every byte can be tried."""
    with RecordingWriter(path, {"world": "w"}, frames=frames) as writer:
        for i in range(ticks):
            if i in (4, 7):
                writer.mark("bookmark", text=str(i))
            picture = np.full((2, 2, 3), i, np.uint8)
            state = InputState(tick=i, held=frozenset({"key:w"} if i % 2 else ()), sampled_s=i / 35)
            writer.tick(state, np.array([i, 0.5], np.float32), picture, frame_hash(picture))
    return path


def read_all(path: Path, scan: bool = False) -> list[Tick]:
    """Read everything that can be read; only RecordingError may come out."""
    with Recording.open(path, scan=scan) as recording:
        ticks = []
        for i in range(len(recording)):
            try:
                tick = recording.tick(i)
                _ = tick.frame
                ticks.append(tick)
            except RecordingError:
                continue
        return ticks


def numbers(ticks: list[Tick]) -> list[int]:
    return [int(tick.action[0]) for tick in ticks]


# -- what goes in comes out ------------------------------------------------------------------------------------------


def test_older_versions_are_read() -> None:
    """Every golden file stands for a version of the format; none may ever become unreadable."""
    files = sorted(GOLDEN.glob("recording-v*.dream"))
    assert len(files) >= VERSION
    for path in files:
        with Recording.open(path) as recording:
            _assert_golden(recording)
        with Recording.open(path, scan=True) as scanned:
            assert scanned.complete
            assert scanned.gaps == ()
            _assert_golden(scanned)


def _assert_golden(recording: Recording) -> None:
    assert {name: recording.header[name] for name in golden.HEADER} == golden.HEADER
    assert len(recording) == golden.TICKS
    for i, (tick, wanted) in enumerate(zip(recording.ticks, golden.ticks(), strict=True)):
        assert tick.state == wanted.state
        assert np.array_equal(tick.action, wanted.action)
        assert (tick.frame_hash, tick.timings, tick.extra) == (wanted.frame_hash, wanted.timings, wanted.extra)
        assert (tick.frame is None) == (i == 13)
        assert tick.frame is None or np.array_equal(tick.frame, golden.frame(i))
    assert {mark.at: (mark.kind, mark.values) for mark in recording.marks} == golden.MARKS


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    data = bytearray((GOLDEN / "recording-v1.dream").read_bytes())
    data[8:16] = struct.pack("<HH", 99, 0) + struct.pack("<I", zlib.crc32(MAGIC + struct.pack("<HH", 99, 0)))
    (tmp_path / "a.dream").write_bytes(data)
    with pytest.raises(RecordingError, match=rf"format 99, this dreamloop reads formats 1 to {VERSION}"):
        Recording.open(tmp_path / "a.dream")


parts = st.sampled_from(["key:w", "key:a", "mouse:left", "pad:a"])
seconds = st.integers(0, 2**40).map(lambda us: us / 1e6)
finite = st.floats(-1e6, 1e6, width=32)
states = st.builds(
    InputState,
    tick=st.integers(0, 2**40),
    dt_s=st.sampled_from([0.0, 1 / 35, 1 / 60]),
    held=st.frozensets(parts),
    tapped=st.frozensets(parts),
    motion_px=st.tuples(finite, finite),
    wheel=st.tuples(finite, finite),
    pointer=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    axes=st.dictionaries(parts, st.floats(-1, 1)),
    intents=st.dictionaries(st.text(max_size=5), finite),
    phrases=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    event_s=st.none() | seconds,
    sampled_s=seconds,
)
tick_data = st.builds(
    TickData,
    state=states,
    action=st.lists(finite, min_size=3, max_size=3).map(lambda values: np.array(values, np.float32)),
    frame_hash=st.sampled_from([b"", b"12345678", b"\x00" * 8]),
    timings=st.dictionaries(
        st.sampled_from(["a_s", "b_s", "c_ms"]), st.integers(-(10**9), 10**9).map(lambda n: n / 1e3)
    ),
    extra=st.dictionaries(st.text(max_size=3), st.integers() | finite | st.booleans(), max_size=2),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(tick_data, min_size=1, max_size=5))
def test_any_ticks_come_back(ticks: list[TickData]) -> None:
    encoder, decoder = TickEncoder(), TickDecoder()
    for tick in ticks:
        if any(isinstance(value, int) and abs(value) >= 2**63 for value in tick.extra.values()):
            continue
        fields = msgpack.unpackb(msgpack.packb(encoder.encode(tick)))
        encoder.commit(tick)
        back = decoder.decode(fields)
        assert back.state == tick.state
        assert np.array_equal(back.action, tick.action)
        assert back.frame_hash == tick.frame_hash
        assert dict(back.timings) == pytest.approx(dict(tick.timings), abs=1e-3)
        assert back.extra == tick.extra


@given(st.integers(0, 2**62))
def test_varints_come_back(value: int) -> None:
    data = pack_varint(value)
    assert read_varint(data + b"\xff", 0) == (value, len(data))


@pytest.mark.parametrize("shape", [(96, 128, 3), (1, 1, 3), (7, 5, 3), (200, 3, 3)])
def test_lossless_frames_are_lossless(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for frame in (noise, np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise[::-1, ::-1]):
        assert np.array_equal(decode_frame(encode_frame(frame, "lossless")), frame)


def test_jpeg_frames_look_the_same_and_are_smaller(tmp_path: Path) -> None:
    frame = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)[..., None].repeat(3, 2) // 2
    with RecordingWriter(tmp_path / "a.dream", {}, frames="jpeg") as writer:
        writer.tick(InputState(), np.zeros(1, np.float32), frame, frame_hash(frame))
    back = Recording.open(tmp_path / "a.dream").frames(0, 1)[0]
    assert np.abs(back.astype(int) - frame).mean() < 2


def test_ten_minutes_without_frames_fit_into_a_megabyte(tmp_path: Path) -> None:
    """21,000 ticks of play at 35 Hz: keys change, the mouse moves half of the time, four timings a tick.

    A twentieth of it is written here; the header's share is small.
    """
    rng = np.random.default_rng(0)
    now_s, held = 100.0, frozenset[str]()
    with RecordingWriter(tmp_path / "a.dream", {}, frames="none") as writer:
        for i in range(1050):
            now_s += 1 / 35 + rng.normal() * 1e-4
            if i % 17 == 0:
                held = frozenset(str(part) for part in rng.choice(["key:w", "key:a", "key:d"], 2))
            moves = (i // 40) % 2 == 0
            motion = (float(round(rng.normal() * 12)), float(round(rng.normal() * 3))) if moves else (0.0, 0.0)
            state = InputState(
                i, 1 / 35, held, motion_px=motion, event_s=now_s - 0.01 if moves else None, sampled_s=now_s
            )
            action = np.array([*("key:w" in held, 0, 0, 0), motion[0] * 0.0125, motion[1] * 0.0166, 0, 0], np.float32)
            stamps = np.cumsum([6e-5, 0.02 + rng.normal() * 1e-3, 2e-4, 2e-3]).tolist()
            names = ("model_started_s", "model_done_s", "handed_s", "presented_s")
            writer.tick(state, action, None, rng.bytes(8), dict(zip(names, stamps, strict=True)))
    assert (tmp_path / "a.dream").stat().st_size * 20 < 1_000_000


# -- reading ---------------------------------------------------------------------------------------------------------


def test_frames_actions_and_scenes_are_cut_out(tmp_path: Path) -> None:
    with Recording.open(small(tmp_path / "a.dream", ticks=200)) as recording:
        assert recording.actions.shape == (200, 2)
        assert recording.frames(60, 70)[:, 0, 0, 0].tolist() == list(range(60, 70))
        scene = recording.scene(130, 4)
        assert scene.frames[:, 0, 0, 0].tolist() == [126, 127, 128, 129]
        assert scene.actions[:, 0].tolist() == [126, 127, 128, 129]
        assert recording.scene(2, 4).frames.shape[0] == 2
        assert numbers([recording.tick(-1), *recording.ticks[3:5]]) == [199, 3, 4]
        with pytest.raises(RecordingError, match="ticks 0 to 199, asked for 190 to 209"):
            recording.frames(190, 210)
        with pytest.raises(IndexError):
            recording.tick(200)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_distances_come_back_within_two_per_cent(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    far = np.exp(rng.uniform(np.log(4.0), np.log(6000.0), (rows, columns))).astype(np.float32)
    far[rng.random(far.shape) < 0.2] = np.nan
    told = unpack_distances(pack_distances(far), far.shape)
    assert told is not None
    np.testing.assert_allclose(told, far, rtol=0.02)
    assert unpack_distances(pack_distances(far), (rows + 1, columns)) is None
    assert unpack_distances(rng.bytes(30), far.shape) is None


def test_a_scene_brings_its_views_and_how_far_they_show_things(tmp_path: Path) -> None:
    far, frame = np.full((2, 3), 100.0), np.zeros((4, 6, 3), np.uint8)
    header = {"views": 5, "distance_shape": [2, 3], "ground": np.array([[1, 2, 8], [-3, 4, 0]], "<i2").tobytes()}
    header |= {"things": np.array([[7, 8, 10]], "<i2").tobytes()}
    header |= {"items": np.array([[3, -4, 8, 36], [5, 6, 0, 0]], "<i2").tobytes()}
    header |= {"walls": np.array([[0, 0, 64, 0, 1], [64, 0, 64, -8, 0]], "<i2").tobytes()}
    for name, shape in (("good", [2, 3]), ("bad", [2, 4]), ("worse", ["a", None])):
        with RecordingWriter(tmp_path / f"{name}.dream", {**header, "distance_shape": shape}) as writer:
            for tick in range(9):
                extra = {"pose": [float(tick), 0.0, 0.0, 0.0], "distance": pack_distances(far)}
                writer.tick(InputState(tick, 1 / 35), np.zeros(2, np.float32), frame, b"", {}, extra)
        scene = Recording.open(tmp_path / f"{name}.dream").scene(9, 4)
        assert len(scene.frames) == 9, "more than was asked for: the views are remembered"
        assert scene.walked is not None
        assert scene.walked.tolist() == [[1, 2, 8], [-3, 4, 0]]
        assert scene.things is not None
        assert scene.things.tolist() == [[7, 8, 10]]
        assert scene.items is not None
        assert scene.items.tolist() == [[3, -4, 8, 36], [5, 6, 0, 0]]
        assert scene.walls is not None
        assert scene.walls.tolist() == [[0, 0, 64, 0, 1], [64, 0, 64, -8, 0]]
        if name == "good":
            assert scene.distances is not None
            np.testing.assert_allclose(scene.distances, np.full((9, 2, 3), 100.0), rtol=0.02)
        else:
            assert scene.distances is None


def test_a_scene_brings_its_clock_and_what_hands_can_do(tmp_path: Path) -> None:
    shown = np.arange(3 * 4 * 6 * 4, dtype=np.uint8).reshape(3, 4, 6, 4)
    good = {"column": 1, "ticks": 3, "shown": zlib.compress(shown.tobytes())}
    bad = [None, 7, good | {"column": 2}, good | {"ticks": 4}, good | {"ticks": 10**9}, good | {"shown": b"no"}]
    for number, told in enumerate([good, *bad]):
        with RecordingWriter(tmp_path / f"{number}.dream", {"gesture": told}) as writer:
            for tick in range(5):
                extra = {"clock": 100 + tick if number != 3 else "noon"}
                writer.tick(
                    InputState(tick, 1 / 35), np.zeros(2, np.float32), np.zeros((4, 6, 3), np.uint8), b"", {}, extra
                )
        scene = Recording.open(tmp_path / f"{number}.dream").scene(4, 2)
        assert scene.clock == (103 if number != 3 else None)
        assert (scene.gesture is not None) == (number == 0)
        if scene.gesture is not None:
            assert scene.gesture.column == 1
            np.testing.assert_array_equal(scene.gesture.shown, shown)


def test_a_scene_brings_its_doors_and_doors_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    place = [16, 32, 48, 160, 8, 124, 128, 57, 57, 60]
    good = {"column": 1, "waits": 150, "speed": 12.0, "pages": 3}
    bad: list[object] = [
        None,
        7,
        good | {"column": 2},
        good | {"speed": 0.0},
        good | {"speed": "x"},
        good | {"speed": float("nan")},
    ]
    bad += [
        good | {"waits": 0},
        good | {"pages": 5},
        good | {"pages": -1},
        {**good, "pages": None},
        good | {"pages": 0},
    ]
    bad += [{**good, "column": True}, {**good, "speed": True}]
    places = np.array([place], "<i2").tobytes()
    headers = [{"doors": told, "door_places": places} for told in (good, *bad)]
    headers += [
        {**headers[0], "views": 0},
        {"doors": good},
        {"doors": good, "door_places": places[:-2]},
        {"doors": good, "door_places": b""},
    ]
    for number, header in enumerate(headers):
        with RecordingWriter(tmp_path / f"{number}.dream", {"views": 2, **header}) as writer:
            for tick in range(5):
                frame = np.zeros((4, 6, 3), np.uint8)
                writer.tick(InputState(tick, 1 / 35), np.zeros(2, np.float32), frame, b"", {}, {})
        doors = Recording.open(tmp_path / f"{number}.dream").scene(5, 2).doors
        assert (doors is not None) == (number == 0)
        if doors is not None:
            assert (doors.column, doors.speed, doors.waits, doors.pages) == (1, 12.0, 150, 3)
            assert doors.places.tolist() == [place]


@pytest.mark.parametrize(
    "light", [[1, 1.5, 1.0], [1.0, 1.5], [0.9, 1.5, 1.0], [1.0, 9.0, 1.0], [1.0, "x", 1.0], 7, None]
)
def test_a_light_that_does_not_fit_is_left_out(light: object, tmp_path: Path) -> None:
    shown = np.zeros((3, 4, 6, 4), np.uint8)
    gesture = {"column": 1, "ticks": 3, "shown": zlib.compress(shown.tobytes()), "light": light}
    with RecordingWriter(tmp_path / "a.dream", {"gesture": gesture}) as writer:
        for tick in range(3):
            frame = np.zeros((4, 6, 3), np.uint8)
            writer.tick(InputState(tick, 1 / 35), np.zeros(2, np.float32), frame, b"", {}, {})
    found = Recording.open(tmp_path / "a.dream").scene(3, 2).gesture
    assert found is not None
    assert (None if found.light is None else found.light.tolist()) == ([1, 1.5, 1] if light == [1, 1.5, 1.0] else None)


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    recording = Recording.open(small(tmp_path / "a.dream", frames="none"))
    assert recording.tick(3).frame is None
    with pytest.raises(RecordingError, match="no picture of tick 3"):
        recording.frames(3, 5)


def test_runs_end_where_the_world_does_not_go_on(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a.dream", {}) as writer:
        for i in range(10):
            if i in (3, 8):
                writer.mark("branch", to=1, by="rewind")
            if i == 5:
                writer.mark("bookmark", text="")
            picture = None if i == 6 else np.zeros((2, 2, 3), np.uint8)
            writer.tick(InputState(tick=i), np.zeros(1, np.float32), picture, b"")
    assert Recording.open(tmp_path / "a.dream").runs() == [(0, 3), (3, 6), (7, 8), (8, 10)]


def test_a_long_recording_is_read_with_little_memory(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    with RecordingWriter(tmp_path / "a.dream", {}) as writer:
        for i in range(600):
            writer.tick(InputState(tick=i), np.zeros(4, np.float32), np.roll(noise, i), b"12345678")
    size = (tmp_path / "a.dream").stat().st_size
    assert size > 5_000_000
    tracemalloc.start()
    for scan in (False, True):
        with Recording.open(tmp_path / "a.dream", scan=scan) as recording:
            assert sum(tick.frame is not None for tick in recording.ticks) == 600
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_recording_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "a.dream", {})
    for i in range(70):
        writer.tick(InputState(tick=i), np.array([i], np.float32), np.zeros((2, 2, 3), np.uint8), b"")
    assert len(Recording.open(tmp_path / "a.dream")) == 70
    writer.close()
    with pytest.raises(RecordingError, match="closed"):
        writer.mark("bookmark")


# -- cut and broken --------------------------------------------------------------------------------------------------


def test_cut_at_every_byte_it_loses_at_most_the_record_being_written(tmp_path: Path) -> None:
    data = small(tmp_path / "whole.dream").read_bytes()
    path = tmp_path / "cut.dream"
    ends = _tick_ends(tmp_path / "whole.dream")
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        whole_ticks = sum(end <= cut for end in ends)
        try:
            with Recording.open(path) as recording:
                assert numbers(list(recording.ticks)) == list(range(whole_ticks))
                assert not recording.complete
        except RecordingError:
            assert cut < ends[0]
            assert whole_ticks == 0


def _tick_ends(path: Path) -> list[int]:
    """The offset behind each tick's record."""
    with Recording.open(path) as recording:
        records = recording._file.records(16)
        return [record.end for record in records if not isinstance(record, tuple) and record.kind == TICK]


def test_every_flipped_bit_is_found_and_costs_little(tmp_path: Path) -> None:
    data = small(tmp_path / "whole.dream").read_bytes()
    path = tmp_path / "flipped.dream"
    header_end = data.index(b"lossless") + len("lossless")
    for byte in range(len(data)):
        flipped = bytearray(data)
        flipped[byte] ^= 1 << (byte % 8)
        path.write_bytes(flipped)
        try:
            recording = Recording.open(path, scan=True)
        except RecordingError:
            assert byte < header_end
            continue
        assert recording.gaps
        assert any(gap.from_byte <= byte < gap.to_byte for gap in recording.gaps)
        got = numbers(read_all(path, scan=True))
        assert got == sorted(set(got))
        assert set(got) <= set(range(10))


def test_a_flipped_picture_costs_only_that_picture(tmp_path: Path) -> None:
    path = small(tmp_path / "a.dream")
    data = bytearray(path.read_bytes())
    webp = data.index(b"WEBP", data.index(b"WEBP") + 4)
    data[webp + 6] ^= 4
    path.write_bytes(data)
    for scan in (False, True):
        with Recording.open(path, scan=scan) as recording:
            assert numbers(list(recording.ticks)) == list(range(10))
            with pytest.raises(RecordingError, match=r"damaged at byte \d+, in the picture of tick 1"):
                _ = recording.tick(1).frame
            assert recording.tick(2).frame is not None


def test_a_flipped_tick_in_a_closed_file_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = small(tmp_path / "a.dream", ticks=200, frames="none")
    data = bytearray(path.read_bytes())
    ends = _tick_ends(path)
    data[ends[100] + 6] ^= 1
    path.write_bytes(data)
    with Recording.open(path) as recording:
        assert len(recording) == 200
        assert int(recording.tick(199).action[0]) == 199
        with pytest.raises(RecordingError, match=r"damaged at byte \d+, near tick 101"):
            recording.tick(70)
        checked = recording.check()
    assert numbers(list(checked.ticks)) == [*range(101), *range(128, 200)]
    assert [gap.at for gap in checked.gaps] == [101, 101] or [gap.at for gap in checked.gaps] == [101]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends after 0 bytes"),
        (MAGIC[:5], "ends after 5 bytes"),
        (b"PNG and so on, something else", "not a dreamloop recording"),
        (MAGIC + b"\x01\x00\x00\x00\x00\x00\x00\x00", "damaged in its first 16 bytes"),
    ],
)
def test_what_is_no_recording_gets_a_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.dream").write_bytes(data)
    with pytest.raises(RecordingError, match=message):
        Recording.open(tmp_path / "a.dream")


def test_a_file_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        Recording.open(tmp_path / "a.dream")
    with pytest.raises(RecordingError, match="cannot read"):
        Recording.open(tmp_path)


# -- thousands of mutated files --------------------------------------------------------------------------------------


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, insert, repeat or swap something."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(out) or 1)
        length = rng.choice((1, 2, 4, 30))
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at : at + length]
        elif kind == 2:
            out[at:at] = rng.randbytes(length)
        elif kind == 3:
            out[at:at] = out[at : at + 10 * length]
        elif kind == 4:
            out[at : at + length] = rng.choice((b"\xff", b"\x00")) * length
        else:
            del out[at:]
    return bytes(out)


def sealed(data: bytes, rng: random.Random) -> bytes:
    """Mutate the payload of some records and give them right lengths and checksums, as a forger would."""
    out, offset = bytearray(data[:16]), 16
    while offset < len(data):
        try:
            length, begin = read_varint(data, offset)
        except IndexError:
            break
        payload = data[begin + 4 : begin + 4 + length]
        if len(payload) < length:
            break
        if rng.random() < 0.15:
            payload = mutate(payload, rng) or b"\x90"
        head = pack_varint(len(payload))
        out += head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload
        offset = begin + 4 + length
    return bytes(out)


def test_mutated_files_give_a_sentence_or_what_can_be_read(tmp_path: Path) -> None:
    """2,400 here; tests/tools/mutate_recordings.py tries as many as one likes."""
    rng = random.Random(1)
    short = small(tmp_path / "short.dream", ticks=4).read_bytes()
    long = small(tmp_path / "long.dream", ticks=70, frames="none").read_bytes()
    path = tmp_path / "mutated.dream"
    read = 0
    for number in range(2400):
        data = long if number % 8 == 0 else short
        path.write_bytes(sealed(data, rng) if number % 3 == 0 else mutate(data, rng))
        try:
            read += bool(read_all(path, scan=number % 2 == 0))
        except RecordingError:
            continue
    assert read > 1200


def _file(*records: bytes) -> bytes:
    head = MAGIC + struct.pack("<HH", VERSION, 0)
    return head + struct.pack("<I", zlib.crc32(head)) + b"".join(records)


def _raw(payload: bytes) -> bytes:
    head = pack_varint(len(payload))
    return head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload


def bombs() -> Iterator[bytes]:
    """Small files that ask for much memory."""
    header = pack_record([HEADER, {}])
    yield _file(header, b"\xff\xff\xff\x1f" + b"\x00" * 40)  # a record of 64 MiB that is not there
    yield _file(header, _raw(b"\x94\x01\x00\x00\xdd\xff\xff\xff\xff"))  # a list of four billion entries
    yield _file(header, _raw(b"\x94\x01" + b"\xdc\x0f\xff" * 3000))  # lists in lists in lists, 4,095 each
    yield _file(header, _raw(b"\x94\x01" + b"\x91" * 5000))
    yield _file(_raw(b"\x92\x00" + b"\x81" * 5000))
    tick = TickEncoder().encode(TickData(InputState(), np.zeros(2, np.float32), b""))
    image = encode_frame(np.zeros((1, 1, 3), np.uint8), "lossless")
    huge = bytearray(encode_frame(np.zeros((16383, 1, 3), np.uint8), "lossless"))
    yield _file(header, pack_record(tick), pack_record([FRAME, bytes(image[:30])]))
    yield _file(header, pack_record(tick), pack_record([FRAME, bytes(huge)]))
    yield _file(header, pack_record([TICK, KEY | 2, None, 2**63, b"\x00"]))


def test_small_files_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    for number, data in enumerate(bombs()):
        path = tmp_path / f"{number}.dream"
        path.write_bytes(data)
        tracemalloc.start()
        with contextlib.suppress(RecordingError):
            read_all(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000, number


# -- writing ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_whole_records(tmp_path: Path) -> None:
    class Full(FramedSink):
        room = 900

        def write_some(self, data: bytes) -> int:
            left = self.room - self.path.stat().st_size
            if left <= 0:
                raise OSError(28, "No space left on device")
            return super().write_some(data[:left])

    path = tmp_path / "a.dream"
    writer = RecordingWriter(path, {}, frames="none", open_sink=Full)

    def write(i: int) -> None:
        writer.tick(InputState(tick=i), np.array([i], np.float32), None, b"12345678")

    def fill() -> None:
        for i in range(1000):
            write(i)

    with pytest.raises(RecordingError, match="No space left"):
        fill()
    written = writer.ticks
    assert written == len(Recording.open(path)) > 10
    assert Recording.open(path).lost_bytes == 0
    Full.room = 10_000
    write(written)
    writer.close()
    assert numbers(read_all(path)) == list(range(written + 1))


def test_the_full_device_is_said_in_words() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(RecordingError, match="No space left"):
        RecordingWriter(Path("/dev/full"), {}, replace=True)


def test_what_cannot_be_recorded_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.dream"
    with pytest.raises(RecordingError, match="cannot be recorded"):
        RecordingWriter(path, {"x": object()})
    with pytest.raises(RecordingError, match=r"did you mean 'lossless'"):
        RecordingWriter(path, {}, frames="losless")  # type: ignore[arg-type]
    assert not path.exists()
    with RecordingWriter(path, {}) as writer:
        good = np.zeros((2, 2, 3), np.uint8)
        writer.tick(InputState(), np.zeros(2, np.float32), good, b"")
        size = writer.nbytes
        bad: list[tuple[dict[str, Any], str]] = [
            ({"action": np.zeros(3, np.float32)}, "shape"),
            ({"frame": good.astype(np.float32)}, "uint8"),
            ({"frame_hash": b"123"}, "3 bytes"),
            ({"state": InputState(sampled_s=float("nan"))}, "finite"),
            ({"extra": {"x": object()}}, "cannot be recorded"),
        ]
        for changes, message in bad:
            call = {
                "state": InputState(),
                "action": np.zeros(2, np.float32),
                "frame": good,
                "frame_hash": b"",
                **changes,
            }
            with pytest.raises(RecordingError, match=message):
                writer.tick(**call)
        assert writer.nbytes == size
    with pytest.raises(RecordingError, match="exists already"):
        RecordingWriter(path, {})
