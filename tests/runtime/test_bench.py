"""The bench, on a clock that only moves when it is told to: its figures are known beforehand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dreamloop.input.source import DeviceEvent
from dreamloop.model.arch_echo import EchoModel
from dreamloop.model.world_model import ModelError, OpenOptions, WorldModel
from dreamloop.runtime import bench as module
from dreamloop.runtime.bench import AllStamps, BenchSize, Hands, arithmetic, bench, percentiles
from dreamloop.runtime.clock import FakeClock
from dreamloop.runtime.soak import Soak, WanderingHands
from dreamloop.runtime.stamps import FrameStamps
from dreamloop.runtime.world import World

STEP_S = 0.004
SIZE = BenchSize(rounds=2, frames=30, warm_up=3, batch=4, batch_steps=5, record_ticks=20)


class Timed(EchoModel):
    """An echo model whose step takes 4 ms of a fake clock, whatever the number of players."""

    clock: FakeClock

    def step(self, actions: Any) -> Any:
        """Let time pass, then echo."""
        self.clock.advance(STEP_S)
        return super().step(actions)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A fake clock that the echo world's model moves on."""
    clock = FakeClock(50.0)

    def open_model(world: World, options: OpenOptions | None = None) -> WorldModel:
        model = Timed(world.card(), (options or OpenOptions()).players)
        model.clock = clock
        return model

    monkeypatch.setattr(World, "open_model", open_model)
    return clock


def test_a_step_of_4_ms_is_250_frames_a_second_and_no_overhead(echo: World, clock: FakeClock) -> None:
    figures = bench(echo, size=SIZE, clock=clock)
    latency = figures["latency"]
    assert latency["frames_per_s"] == pytest.approx(250, rel=1e-6)
    assert latency["paced_frames_per_s"] == pytest.approx(60, rel=0.01)
    assert latency["loop_overhead_ms"]["p99"] == pytest.approx(0.0, abs=1e-6)
    assert latency["stages_ms"]["model"]["p50"] == pytest.approx(4.0)
    assert latency["miss_rate"] == 0.0
    assert latency["model_alone"]["1"]["p50"] == pytest.approx(4.0)
    assert set(latency["recording_ms"]) == {"p50", "p95", "p99"}
    assert latency["model_alone"]["4"]["frames_per_s"] == pytest.approx(1000, rel=1e-6)


def test_input_waits_for_the_next_tick_and_for_the_model(echo: World, clock: FakeClock) -> None:
    """An event comes at any moment of a tick of 16.7 ms: its frame shows 4 to 21 ms later, 12 ms in the middle."""
    waits = bench(echo, size=SIZE, clock=clock)["latency"]["input_to_frame_ms"]
    assert 4.0 <= waits["p50"] <= waits["p99"] <= 1000 / 60 + 4 + 0.01
    assert waits["p50"] == pytest.approx(12.3, abs=4)


def test_the_head_says_what_it_was_measured_on(echo: World, clock: FakeClock) -> None:
    figures = bench(echo, size=SIZE, clock=clock, seed=5)
    assert figures["world"] == "echo"
    assert figures["seed"] == 5
    assert figures["date"] == "2000-01-01"
    assert "core" in figures["hardware"]
    assert figures["spacing_ms"] == pytest.approx(1000 / 60)
    assert figures["weights_hash"] == ""
    assert json.loads(json.dumps(figures)) == figures


def test_an_architecture_that_nobody_counts_has_no_arithmetic(echo: World, clock: FakeClock) -> None:
    latency = bench(echo, size=SIZE, clock=clock)["latency"]
    assert latency["gflop_per_frame"] is None
    assert latency["peak_share"] is None


def test_a_soak_sets_the_last_minute_against_the_first(echo: World, clock: FakeClock) -> None:
    size = BenchSize(rounds=1, frames=20, warm_up=1, batch=2, batch_steps=2, soak_minutes=0.05)
    soak = bench(echo, size=size, clock=clock)["latency"]["soak"]
    assert soak["frames"] == 180
    assert soak["cost_ratio"] == pytest.approx(1.0)
    assert soak["first_memory_mb"] > 0
    assert soak["first_minute_frame_p95_ms"] >= soak["first_minute_frame_ms"]
    assert "looks" not in soak, "this world has no simulator to compare with"
    assert soak["revisits"] == {"n": 0}, "this model remembers nothing"


def test_a_soak_is_set_against_the_simulator_under_the_same_keys(echo: World) -> None:
    """The same picture, a darker one, and one that ends before its time."""
    rng = np.random.default_rng(0)
    shape = (echo.height_px, echo.width_px, 3)
    frames = rng.integers(0, 256, (2101, *shape), np.uint8)
    run = Soak(echo, echo.open_model(OpenOptions()), 2100 / 60 / echo.rate_hz, None, lambda figures: None)
    for frame in frames:
        run.look(frame)
    assert run.beside([]) == {}
    told = run.beside(frames[1:])["same_keys"]
    assert told["ticks"] == 2100
    assert told["n"] == 2100 // 350
    assert told["psnr_db"] > 60, "it is the same"
    assert told["sharpness_ratio_by_window"] == pytest.approx([1.0] * 10)
    assert told["motion_ratio_by_window"] == pytest.approx([1.0] * 10)
    dark = run.beside(frames[1:] // 2)["same_keys"]
    assert dark["psnr_db"] < 15
    assert dark["sharpness_ratio_by_window"] == pytest.approx([2.0] * 10, rel=0.05)
    assert min(dark["colour_levels_by_window"]) > 30
    short = run.beside(frames[1:800])["same_keys"]
    assert short["ticks"] == 799
    assert len(short["sharpness_ratio_by_window"]) == 3


def test_a_soak_hands_over_what_it_knows_while_it_runs(echo: World, clock: FakeClock) -> None:
    """An hour that was stopped after 59 minutes once left nothing."""
    size = BenchSize(rounds=1, frames=20, warm_up=1, batch=2, batch_steps=2)
    told: list[Any] = []
    figures = bench(echo, size=replace(size, soak_minutes=0.2), clock=clock, keep=told.append)
    assert told, "at least once"
    assert told[0]["partial"]
    assert told[0]["latency"]["frames_per_s"] == figures["latency"]["frames_per_s"]
    assert 0 < told[0]["latency"]["soak"]["frames"] < figures["latency"]["soak"]["frames"]
    assert json.loads(json.dumps(told[-1])) == told[-1]


def test_hands_wander_the_same_way_and_let_go_of_what_they_press() -> None:
    def run(seed: int) -> list[tuple[str, str, float | None]]:
        hands = WanderingHands(seed)
        return [(event.kind, event.part, event.x) for _ in range(6000) for event in hands.tick()]

    events = run(1)
    assert events == run(1) != run(2)
    held: set[str] = set()
    for kind, part, x in events:
        if kind == "motion":
            assert x is not None
            assert abs(x) <= 40, "calm: at most six degrees of Doom a tick"
        elif kind == "down":
            held.add(part)
        else:
            held.discard(part)
        assert len(held - {"key:space"}) <= 1
    assert {"key:w", "key:s", "key:a", "key:d"} <= {part for _, part, _ in events}


def test_progress_names_what_is_going_on(echo: World, clock: FakeClock) -> None:
    told: list[tuple[str, float]] = []
    bench(echo, size=SIZE, clock=clock, progress=lambda what, share: told.append((what, share)))
    assert {what for what, _ in told} >= {f"playing {module.FREE}", f"playing {module.PACED}", "the model alone"}
    assert all(0 <= share <= 1 for _, share in told)


def test_hands_stamp_events_with_the_moment_they_were_due() -> None:
    clock, events = FakeClock(10.0), list[DeviceEvent]()
    hands = Hands(clock, 0.02, 0, events.append)
    for _ in range(100):
        clock.advance(0.007)
        hands.look()
        assert all(event.time_s <= clock.now_s() for event in events)
    assert len(events) == pytest.approx(0.7 / 0.02, abs=6), "about one a tick"
    assert {event.kind for event in events} >= {"motion", "down"}
    clock.advance(60)
    before = len(events)
    hands.look()
    assert len(events) == before + 1, "a minute of loading is not made up for"


def test_all_stamps_forget_nothing() -> None:
    ring = AllStamps(0.01)
    for i in range(600):
        ring.add(FrameStamps(i, None, i, i, i, i, i))
    assert len(ring.kept) == 600


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles([0.001, 0.002, 0.003])["p50"] == pytest.approx(2.0)


def test_share_of_the_peak(echo: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of F FLOP and B bytes in 4 ms, on a machine that does F in 2 ms and moves B in 1 ms: half of the peak."""
    pytest.importorskip("torch")
    from dreamloop.runtime import peak, roofline

    products = roofline.Products([3e9, 1e9], [2e6, 6e6])
    monkeypatch.setattr(roofline, "count_products", lambda step: products)
    monkeypatch.setattr(peak, "measure_peak", lambda *_: {"tflop_per_s": 2.0})
    monkeypatch.setattr(peak, "measure_bandwidth", lambda *_: 8e9)
    figures = arithmetic(echo, EchoModel(echo.card(), 1), 4.0, FakeClock())
    assert figures["gflop_per_frame"] == pytest.approx(4.0)
    assert figures["gbyte_per_frame"] == pytest.approx(8e-3)
    assert figures["peak_share"] == pytest.approx(0.5)
    assert figures["roof_ms"] == pytest.approx(1.5 + 0.75), "the first waits for arithmetic, the second for bytes"
    assert figures["roof_share"] == pytest.approx(2.25 / 4)


def test_products_are_counted_once_each() -> None:
    """Every kind that the nets are made of; an operation made of others counts as its parts, not twice."""
    torch = pytest.importorskip("torch")
    from torch.nn import functional as F

    from dreamloop.runtime.roofline import count_products

    q = torch.zeros(2, 3, 5, 8)  # (n, heads, t, d)
    x, kernel = torch.zeros(1, 4, 6, 7), torch.zeros(2, 4, 3, 3)
    with torch.inference_mode():
        linear = count_products(lambda: F.linear(torch.zeros(5, 3), torch.zeros(7, 3), torch.zeros(7)))
        conv = count_products(lambda: F.conv2d(x, kernel, padding=1))
        seen = count_products(lambda: F.scaled_dot_product_attention(q, q, q))
        nothing = count_products(lambda: q + 1)
    assert linear.flop == [2 * 5 * 3 * 7]
    assert linear.nbytes == [4 * (7 + 5 * 3 + 3 * 7 + 5 * 7)]
    assert conv.flop == [2 * 4 * 9 * 2 * 6 * 7]
    assert sum(seen.flop) == 2 * 2 * (2 * 3) * 5 * 5 * 8
    assert nothing.flop == []


@pytest.mark.parametrize("arch", ["oasis", "diamond", "dream"])
def test_a_frame_of_every_net_is_counted(arch: str) -> None:
    """Guards against `dreamloop bench oasis` that prints nothing for FLOP, as it once did."""
    import importlib

    torch = pytest.importorskip("torch")
    from dreamloop.model.world_model import open_untrained
    from dreamloop.runtime.roofline import count_products

    torch.set_num_threads(1)
    plug = importlib.import_module(f"dreamloop.model.arch_{arch}")
    card, options = plug.tiny_card(), OpenOptions(device="cpu", dtype="float32")
    if arch == "dream":
        with pytest.raises(ModelError, match="offers no random weights"):
            open_untrained(arch, card, options)
        return
    model = open_untrained(arch, card, options)
    model.reset(0, None, 0)
    actions = np.zeros((1, len(card.schema["control"])), np.float32)
    products = count_products(lambda: model.step(actions))
    assert sum(products.flop) > 1e5
    assert min(products.flop) > 0
    again = open_untrained(arch, card, options)
    again.reset(0, None, 0)
    again.step(actions)
    assert np.array_equal(model.step(actions), again.step(actions)), "seeded: the same weights every time"


def test_only_the_model_where_a_frame_takes_long(echo: World, clock: FakeClock) -> None:
    figures = bench(echo, size=BenchSize(alone=4), clock=clock)
    assert figures["latency"]["model_alone"]["1"]["p50"] == pytest.approx(4.0)
    assert "frames_per_s" not in figures["latency"]


def test_a_stage_is_timed(echo: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamloop.model.stage import Chain

    class Slow:
        takes_px = (echo.width_px, echo.height_px)
        card = echo.card()

        def draw(self, frames: Any) -> Any:
            clock.advance(0.002)
            return frames

    def open_chain(world: World, stages: Any, options: OpenOptions | None = None) -> WorldModel:
        return Chain(world.open_model(options), [(name, Slow()) for name in stages])

    monkeypatch.setattr(World, "open_chain", open_chain)
    alone = bench(echo, size=BenchSize(alone=4), clock=clock, stages=["slow"])["latency"]["model_alone"]["1"]
    assert alone["p50"] == pytest.approx(6.0)
    assert "slow" in alone["stages_ms"]


def test_the_peak_is_measured_in_flop_over_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from dreamloop.runtime import peak

    monkeypatch.setattr(peak, "MATRICES", (8,))
    clock = FakeClock()

    def now_s() -> float:
        clock.advance(0.5)
        return clock.now_s()

    found = peak.measure_peak("cpu", torch.float32, now_s)
    assert found["matmul_tflop_per_s"] == pytest.approx(2 * 8**3 / 0.5 / 1e12)
    assert found["tflop_per_s"] == found["conv_tflop_per_s"]


def test_the_products_of_a_net_frozen_for_play_are_those_of_the_net() -> None:
    """Packed kernels are no secret from the count."""
    torch = pytest.importorskip("torch")
    from dreamloop.model.layers import Conv
    from dreamloop.runtime.roofline import count_products

    layer, x = Conv(8, 16), torch.randn(1, 8, 6, 10).bfloat16()
    layer.weight.data, layer.bias.data = layer.weight.data.bfloat16(), layer.bias.data.bfloat16()
    layer.requires_grad_(False)
    plain = count_products(lambda: layer(x))
    layer.packs = True
    layer(x.contiguous(memory_format=torch.channels_last))
    packed = count_products(lambda: layer(x.contiguous(memory_format=torch.channels_last)))
    assert packed.flop == plain.flop == [2 * 16 * 6 * 10 * 8 * 9]
    assert sum(packed.nbytes) >= sum(plain.nbytes)
