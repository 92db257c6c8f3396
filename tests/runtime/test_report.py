"""The report: one file that loads nothing, every figure in it, verdicts that follow from the figures."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from dreamloop.model.album import Album, Strip
from dreamloop.runtime.report import make_page, write_report
from dreamloop.runtime.report_bars import judge
from dreamloop.runtime.svg import Band, Line, bar_chart, line_chart, nice_ticks

SPAN = {"p50": 1.0, "p95": 1.5, "p99": 1.9}
HEAD: dict[str, Any] = {
    "world": "doom",
    "model": "doom-small",
    "arch": "dream",
    "weights_hash": "0123abcd",
    "date": "2026-11-21",
    "hardware": "a <fast> machine",
    "device": "cpu",
    "dtype": "bfloat16",
    "threads": 2,
    "seed": 3,
    "spacing_ms": 28.57,
    "width_px": 128,
    "height_px": 96,
}
FIDELITY = {
    "psnr_db": 29.0,
    "psnr_ci_db": 0.1,
    "ssim": 0.91,
    "copy_last_psnr_db": 24.0,
    "copy_last_ssim": 0.8,
    "codec_psnr_db": None,
    "gain_db": 5.0,
    "moving": {"share": 0.97, "psnr_db": 28.5, "copy_last_psnr_db": 23.0},
    "psnr_of_mean_error_db": 27.0,
    "copy_last_psnr_of_mean_error_db": 21.0,
    "psnr_cap_db": 68.13,
    "starts": 2048,
    "plays": 16,
    "spacing_ms": 28.57,
}
WINDOW = {
    "sharpness_ratio": 0.9,
    "sharpness_ratio_range": [0.8, 1.0],
    "colour_distance": 1.0,
    "colour_distance_worst": 1.4,
    "motion_ratio": 0.95,
    "motion_ratio_range": [0.7, 1.2],
    "collapsed": False,
    "frozen": False,
    "scenes_collapsed": 0,
    "scenes_frozen": 0,
}
DRIFT = {
    "psnr_db_at": {"1": 29.0, "4": 25.0, "16": 20.0, "64": 15.0},
    "copy_first_psnr_db_at": {"1": 24.0, "4": 20.0, "16": 17.0, "64": 15.5},
    "starts": 256,
    "windows": [WINDOW] * 10,
    "D": 0.1,
    "windows_collapsed": 0,
    "windows_frozen": 0,
    "real": {
        "stretches": 40,
        "sharpness_levels": 11.0,
        "sharpness_ratio_range": [0.5, 1.6],
        "motion_levels": 5.0,
        "motion_ratio_range": [0.4, 1.7],
        "colour_spread_levels": 9.0,
        "colour_distance_max": 2.5,
    },
    "rule": "a rule",
    "ticks": 21000,
    "minutes": 10.0,
    "scenes": 4,
    "real_stretch_ticks": 525,
    "spacing_ms": 28.57,
}
CONTROL = {
    "kctrl": 0.97,
    "kctrl_ceiling": 0.99,
    "pairs": {
        "forward/back": {"kctrl": 0.94, "kctrl_ceiling": 0.98, "places": 30, "motion": "ahead"},
        "turn-/+": {"kctrl": 1.0, "kctrl_ceiling": 1.0, "places": 32, "motion": "turn"},
    },
    "places": 32,
    "hold_ticks": 12,
    "spacing_ms": 28.57,
    "idm_accuracy": 0.97,
    "idm": {"ahead": {"sign_accuracy": 0.98, "variance_explained": 0.9, "stretches": 400}},
    "delta_psnr_db": 3.0,
    "delta_psnr_db_at": {"1": 1.0, "4": 3.0, "16": 4.0},
}
LATENCY = {
    "frames_per_s": 60.0,
    "paced_frames_per_s": 35.0,
    "input_to_frame_ms": SPAN,
    "loop_overhead_ms": {"p50": 0.3, "p95": 1.0, "p99": 2.5},
    "miss_rate": 0.01,
    "stages_ms": {"model": SPAN, "window": SPAN},
    "model_alone": {"1": SPAN | {"frames_per_s": 70.0}, "8": SPAN | {"frames_per_s": 200.0}},
    "gflop_per_frame": 1.6,
    "achieved_tflop_per_s": 0.1,
    "peak": {"tflop_per_s": 0.4},
    "peak_share": 0.25,
    "window": "headless",
    "rounds": 5,
    "frames": 120,
    "soak": {
        "minutes": 1.0,
        "first_minute_frame_ms": 14.0,
        "last_minute_frame_ms": 14.1,
        "cost_ratio": 1.007,
        "first_memory_mb": 600.0,
        "last_memory_mb": 601.0,
        "looks": {"windows": [{}] * 10, "windows_collapsed": 2, "windows_frozen": 0},
        "revisits": {"n": 40, "psnr_db": 21.5},
        "same_keys": {"psnr_db": 22.75, "sharpness_ratio_by_window": [0.91, 0.875]},
    },
}
ALL = HEAD | {"fidelity": FIDELITY, "drift": DRIFT, "control": CONTROL, "latency": LATENCY}


class Tags(HTMLParser):
    """Notes tags, what they refer to, and whether every one was closed."""

    VOID = ("meta", "img", "line", "rect", "circle", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.refers: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        self.refers += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def album() -> Album:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (12, 16, 3), np.uint8) for _ in range(3)]
    return Album([Strip("drift", "True actions", [("truth", frames), ("dream", frames[:2])], ["1", "4", "16"])])


def test_the_page_is_whole_and_loads_nothing() -> None:
    tags = Tags()
    tags.feed(make_page(ALL, album()))
    assert tags.open == []
    assert "script" not in tags.seen
    assert "link" not in tags.seen
    assert tags.refers
    assert all(reference.startswith("data:image/png;base64,") for reference in tags.refers)
    assert tags.seen.count("img") == 5
    assert tags.seen.count("svg") == 6


def test_every_suite_stands_in_it_with_what_it_was_measured_on() -> None:
    page = make_page(ALL, album())
    for words in ("0123abcd", "2026-11-21", "28.6 ms", "a &lt;fast&gt; machine", "2048 starts", "a rule", "D = 0.10"):
        assert words in page
    assert "<fast>" not in page
    for suite in ("Fidelity", "Drift", "Control", "Latency"):
        assert f"<h2>{suite}" in page


def test_a_suite_that_was_not_measured_is_left_out() -> None:
    page = make_page(HEAD | {"latency": {**LATENCY, "gflop_per_frame": None, "input_to_frame_ms": None}}, Album())
    assert "<h2>Latency" in page
    assert "<h2>Drift" not in page
    assert "GFLOP" not in page.partition("<h2>All figures")[0]


def test_verdicts_follow_from_the_figures() -> None:
    met = {bar.what: bar.met for bar in judge(ALL)}
    assert met["PSNR one step ahead, unseen maps"], "29 against 24 + 4"
    assert met["PSNR 16 ticks ahead"]
    assert not met["PSNR 64 ticks ahead"], "15.0 against 15.5"
    assert met["opposite controls move opposite ways (KCtrl)"]
    assert met["windows of free running that collapsed"]
    assert not met["loop outside the model, p99"], "2.5 ms against 2"
    assert judge(HEAD) == []


def test_it_is_written_in_one_piece(tmp_path: Path) -> None:
    path = write_report(ALL, tmp_path / "new" / "report.html", album())
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]


def test_charts_are_sound_xml_with_points_inside() -> None:
    text = line_chart("a < b", ["1", "2", "3"], [Line("one", [1.0, None, 3.0])], band=Band("real", 0.5, 2.0))
    svg = ElementTree.fromstring(re.search(r"<svg.*</svg>", text).group())  # type: ignore[union-attr]
    dots = [float(dot.attrib["cy"]) for dot in svg.iter("circle")]
    assert len(dots) == 2
    assert dots[0] > dots[1], "more is higher"
    assert all(0 < y < 250 for y in dots)
    assert "a &lt; b" in text


def test_bars_begin_at_zero() -> None:
    text = bar_chart("bars", ["x"], [Line("one", [0.5]), Line("two", [1.0], "b")], top=1.0)
    heights = [float(value) for value in re.findall(r'class="bar \w" [^>]*height="([\d.]+)"', text)]
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.01)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (14.2, 31.7), (-3.0, 2.0), (5.0, 5.0), (0.0, 1e-6), (0, 12345)])
def test_ticks_are_round_and_enclose(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 9


def test_ticks_of_nothing() -> None:
    assert len(nice_ticks(float("nan"), float("nan"))) >= 2


GAP = {"psnr_db": 21.0, "ci_db": 1.0, "n": 8, "ticks": 64.0}
SHARE = {"share": 0.75, "ci": 0.2, "n": 24}
MEMORY = {
    "history_ticks": 256,
    "seed": 3,
    "monsters": False,
    "turning": {
        "places": 8,
        "arms": {"renewing": {"64": GAP, "1024": GAP}, "none": {"64": GAP}, "copy_last": {"64": GAP}},
        "gain_db": {"1024": 4.2},
        "pose_drift": {"64": {"position_units": 3.0, "yaw_deg": 0.1}},
    },
    "walking": {"not_measured": "nobody <walks> here"},
    "roaming": {"not_measured": "no scene <knows> its place"},
    "changes": {
        "cases": 24,
        "controls": {"use": 20, "attack": 4},
        "arms": {"renewing": {"kept": SHARE, "by_return": {"64": SHARE}, "by_control": {"use": SHARE}}},
    },
    "forgetting_db": 1.5,
    "changed_state": SHARE,
}


def test_the_memory_suite_is_drawn_with_what_was_measured_and_what_was_not() -> None:
    """A part that could not be measured must be said, and must not take the page with it."""
    page = make_page(HEAD | {"memory": MEMORY}, Album())
    assert "a copy of the last true frame" in page
    assert "nobody &lt;walks&gt; here" in page
    assert "20 by 'use', 4 by 'attack'" in page
    assert "75 % &plusmn; 20" in page
    verdicts = {bar.what: bar.met for bar in judge(HEAD | {"memory": MEMORY})}
    assert verdicts["what memory is worth after 1,024 own frames, turning"]
    assert verdicts["what is forgotten from the first gap to the last"]
    assert not verdicts["changed things that are found as they were left"]
