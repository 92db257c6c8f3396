"""Draws the figures of an evaluation as one HTML page that needs nothing else: tables, charts, picture strips.

Knows the layout of the figures (DESIGN's ``--json``), not how they were measured. A suite that was not measured is
left out; nothing is computed here but ratios.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from dreamloop.model.album import Album, Strip
from dreamloop.model.whole_file import whole_file
from dreamloop.model.world_model import Frame
from dreamloop.runtime.report_bars import judge
from dreamloop.runtime.report_html import number as _n
from dreamloop.runtime.report_html import table as _table
from dreamloop.runtime.report_memory import memory_section
from dreamloop.runtime.report_style import STYLE
from dreamloop.runtime.svg import Band, Line, bar_chart, line_chart

Figures = Mapping[str, Any]


def write_report(figures: Figures, path: Path, album: Album | None = None) -> Path:
    """Write the page atomically and return its path.

    Args:
        figures: what ``evaluate`` or ``bench`` returned.
        path: the HTML file.
        album: the pictures that the suites kept.
    """
    page = make_page(figures, album or Album())
    with whole_file(path) as scratch:
        scratch.write_text(page, encoding="utf-8")
    return path


def make_page(figures: Figures, album: Album) -> str:
    """Return the page as text."""
    sections = {
        "fidelity": _fidelity,
        "drift": _drift,
        "control": _control,
        "memory": memory_section,
        "interface": _interface,
        "latency": _latency,
    }
    parts = [_head(figures), _bars(figures)]
    for name, draw in sections.items():
        if name in figures:
            parts.append(draw(figures[name]))
            parts += [_strip(strip) for strip in album.of(name)]
    raw = escape(json.dumps(figures, indent=2))
    parts.append(f"<h2>All figures</h2><details><summary>JSON</summary><pre>{raw}</pre></details>")
    title = escape(f"dreamloop: {figures.get('world', '')}, measured {figures.get('date', '')}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _head(figures: Figures) -> str:
    model = f"{figures.get('model', '')} ({figures.get('arch', '')}, weights {figures.get('weights_hash') or 'none'})"
    facts = [
        model,
        f"{figures.get('width_px')} x {figures.get('height_px')} px, {_n(figures.get('spacing_ms'), 1)} ms a frame",
        str(figures.get("hardware", "")),
        f"{figures.get('device')}, {figures.get('dtype') or 'no dtype'}, {figures.get('threads')} threads, "
        f"load {_n(figures.get('load_per_core'), 1)} per core at the beginning",
        f"seed {figures.get('seed')}",
        str(figures.get("date", "")),
    ]
    line = " &middot; ".join(escape(fact) for fact in facts)
    return f'<h1>How good is the dream of {escape(str(figures.get("world", "")))}?</h1><p class="facts">{line}</p>'


def _bars(figures: Figures) -> str:
    """The table that a reader looks at first: every bar that was set, what was measured, and whether it is met."""
    rows = []
    for bar in judge(figures):
        verdict = "reached" if bar.met else "not reached"
        tone = "good" if bar.met else "bad"
        rows.append([escape(bar.what), escape(bar.got), escape(bar.wanted), f'<span class="{tone}">{verdict}</span>'])
    if not rows:
        return ""
    return _table(["what", "measured", "bar", ""], rows, numbers=(1, 2))


def _fidelity(f: Figures) -> str:
    moving = f["moving"]
    rows = [
        ["dream", _n(f["psnr_db"]), _n(f["ssim"], 3), _n(moving["psnr_db"]), _n(f["psnr_of_mean_error_db"])],
        [
            "copy of the last frame",
            _n(f["copy_last_psnr_db"]),
            _n(f["copy_last_ssim"], 3),
            _n(moving["copy_last_psnr_db"]),
            _n(f["copy_last_psnr_of_mean_error_db"]),
        ],
    ]
    columns = [
        "",
        "PSNR, dB",
        "SSIM",
        f"PSNR where something moves ({100 * moving['share']:.0f} %)",
        "PSNR of the mean error",
    ]
    return (
        "<h2>Fidelity: the next frame</h2>"
        f"<p>{f['starts']} starts with true history on {f['plays']} maps that were never trained on, one step of "
        f"{_n(f['spacing_ms'], 1)} ms each; 95 % of such means lie within {_n(f['psnr_ci_db'])} dB. There is no codec, "
        f"so there is no codec's ceiling. Equal pictures count as {_n(f['psnr_cap_db'], 1)} dB.</p>"
        + _table(columns, rows, numbers=range(1, 5))
    )


def _drift(f: Figures) -> str:
    ticks = list(f["psnr_db_at"])
    ahead = line_chart(
        "PSNR under true actions, by ticks ahead",
        ticks,
        [
            Line("dream", [f["psnr_db_at"][k] for k in ticks]),
            Line("copy of the first frame", [f["copy_first_psnr_db_at"][k] for k in ticks], "b", dashed=True),
        ],
        unit="dB",
    )
    windows, real = f["windows"], f["real"]
    places = [str(i + 1) for i in range(len(windows))]
    sharp, moved = real["sharpness_ratio_range"], real["motion_ratio_range"]
    charts = [
        ahead,
        line_chart(
            "Sharpness over real play's, by window",
            places,
            _with_scenes("sharpness_ratio", windows),
            band=Band("real stretches", *sharp),
        ),
        line_chart(
            "Colours: distance from real play's, over its own spread",
            places,
            [
                Line("all scenes", [w["colour_distance"] for w in windows]),
                Line("the worst scene", [w["colour_distance_worst"] for w in windows], "b", dashed=True),
            ],
            band=Band("real stretches", 0.0, real["colour_distance_max"]),
        ),
        line_chart(
            "Motion over real play's, by window",
            places,
            _with_scenes("motion_ratio", windows),
            band=Band("real stretches", *moved),
        ),
    ]
    return (
        "<h2>Drift: what becomes of a dream that goes on</h2>"
        f"<p>{f['starts']} starts under true actions; then {f['scenes']} scenes run free for {f['ticks']} ticks "
        f"({_n(f['minutes'], 1)} minutes) under a wandering player's actions, in {len(windows)} windows. "
        f"D = {_n(f['D'])}; {f['windows_collapsed']} windows collapsed, {f['windows_frozen']} frozen.</p>"
        f'<p class="soft">The rule: {escape(f["rule"])}. Real play: {real["stretches"]} stretches of '
        f"{f['real_stretch_ticks']} ticks, each on a map of its own.</p>"
        f'<div class="charts">{"".join(charts)}</div>'
    )


def _with_scenes(name: str, windows: Sequence[Figures]) -> list[Line]:
    """Return the mean over scenes of every window, and its least and greatest scene."""
    return [
        Line("all scenes", [w[name] for w in windows]),
        Line("the least scene", [w[f"{name}_range"][0] for w in windows], "b", dashed=True),
        Line("the greatest scene", [w[f"{name}_range"][1] for w in windows], "c", dashed=True),
    ]


def _control(f: Figures) -> str:
    pairs = f["pairs"]
    names = list(pairs)
    chart = bar_chart(
        "KCtrl by pair of controls",
        names,
        [
            Line("dream", [pairs[name]["kctrl"] for name in names]),
            Line("the simulator's own frames (ceiling)", [pairs[name]["kctrl_ceiling"] for name in names], "b"),
        ],
        top=1.0,
    )
    delta = line_chart(
        "PSNR: true actions minus somebody else's, by ticks ahead",
        list(f["delta_psnr_db_at"]),
        [Line("dream", list(f["delta_psnr_db_at"].values()))],
        unit="dB",
    )
    reader = [
        [escape(name), _n(row["sign_accuracy"], 3), _n(row["variance_explained"], 3), str(row["stretches"])]
        for name, row in f["idm"].items()
    ]
    return (
        "<h2>Control: does it do what the player does?</h2>"
        f"<p>At {f['places']} places, from rest, one control held for {f['hold_ticks']} ticks, then its opposite from "
        f"the same moment. KCtrl {_n(f['kctrl'], 3)}; the simulator's own frames, read by the same net, give "
        f"{_n(f['kctrl_ceiling'], 3)}. True actions beat somebody else's by "
        f"{_n(f['delta_psnr_db'])} dB after 4 ticks.</p>"
        f'<div class="charts">{chart}{delta}</div>'
        f"<p>The net that reads the motion, on true play it never saw: right sign in {_n(f['idm_accuracy'], 3)}.</p>"
        + _table(["motion", "right sign", "variance explained", "stretches"], reader, numbers=(1, 2, 3))
    )


def _interface(f: Figures) -> str:
    dreamed, fresh = f, f.get("at_once", {"transitions": {}, "transitions_right": None})
    rows = [
        [escape(kind), *(cell for of in (dreamed, fresh) for cell in _right(of["transitions"].get(kind)))]
        for kind in {**dreamed["transitions"], **fresh["transitions"]}
    ]
    rows.append(["all", *(cell for of in (dreamed, fresh) for cell in _right(_all_of(of)))])
    recall = [
        [f"{away} s", _n(of["right"], 3), _n(of["hid"], 3), _n(of["pixels"], 3), str(of["n"])]
        for away, of in f["recall"].items()
    ]
    used = [[f"{after} s", _n(of["right"], 3), str(of["n"])] for after, of in f.get("letters_after_use", {}).items()]
    still = [[f"{after} s", _n(share, 5)] for after, share in f["untouched_exact_after_s"].items()]
    return (
        "<h2>Interface: does it do what is asked of it?</h2>"
        f"<p>The pointer is {_n(f['pointer_error_px']['mean'])} px off; a change shows after "
        f"{_n(f['ticks_to_change']['mean'])} ticks; {_n(f['letters_right'], 3)} of "
        f"{f['letters']} letters are read back right.</p>"
        + _table(
            ["transition", "right in the dream", "how many", "right from true history", "how many"],
            rows,
            numbers=(1, 2, 3, 4),
        )
        + _table(["hidden for", "right again", "hidden at all", "pixels", "how many"], recall, numbers=(1, 2, 3, 4))
        + _table(["all the rest used for", "letters right", "how many"], used, numbers=(1, 2))
        + _table(["nobody touched it for", "same bytes"], still, numbers=(1,))
    )


def _right(of: Figures | None) -> list[str]:
    return ["-", "0"] if of is None else [_n(of["right"], 3), str(of["n"])]


def _all_of(f: Figures) -> Figures:
    return {"right": f["transitions_right"], "n": sum(of["n"] for of in f["transitions"].values())}


def _latency(f: Figures) -> str:
    spans = {"input to frame": f["input_to_frame_ms"], "loop outside the model": f["loop_overhead_ms"]}
    spans |= {name.replace("_", " "): span for name, span in f["stages_ms"].items()}
    rows = [[escape(name), *(_n(span[p]) for p in ("p50", "p95", "p99"))] for name, span in spans.items() if span]
    batches = [
        [f"{batch} at once", *(_n(span[p]) for p in ("p50", "p95", "p99")), _n(span["frames_per_s"], 1)]
        for batch, span in f["model_alone"].items()
    ]
    arithmetic = ""
    if f["gflop_per_frame"] is not None:
        arithmetic = (
            f"<p>{_n(f['gflop_per_frame'])} GFLOP a frame, {_n(f['achieved_tflop_per_s'], 3)} TFLOP/s achieved: "
            f"{100 * f['peak_share']:.0f} % of the {_n(f['peak']['tflop_per_s'], 3)} TFLOP/s that this machine reached "
            "in large matrix products and convolutions.</p>"
        )
    return (
        "<h2>Latency: the real loop</h2>"
        f"<p>{_n(f['frames_per_s'], 1)} frames/s as fast as the model goes (median of {f['rounds']} rounds "
        f"of {f['frames']} frames), {_n(f['paced_frames_per_s'], 1)} at the world's rate with "
        f"{100 * f['miss_rate']:.1f} % of the frames late; {escape(f['window'])} window.</p>"
        + _table(["milliseconds", "p50", "p95", "p99"], rows, numbers=(1, 2, 3))
        + arithmetic
        + _table(["the model alone, ms", "p50", "p95", "p99", "frames/s"], batches, numbers=(1, 2, 3, 4))
        + _soak(f.get("soak"))
    )


def _soak(soak: Figures | None) -> str:
    if soak is None:
        return ""
    return (
        f"<p>Soaked for {_n(soak['minutes'], 1)} minutes: {_n(soak['first_minute_frame_ms'])} ms a frame in the first, "
        f"{_n(soak['last_minute_frame_ms'])} ms in the last (ratio {_n(soak['cost_ratio'], 3)}); resident memory "
        f"{_n(soak['first_memory_mb'], 0)} MB, then {_n(soak['last_memory_mb'], 0)} MB.{_soak_looks(soak)}</p>"
    )


def _soak_looks(soak: Figures) -> str:
    """What became of the picture, where that was measured."""
    said = ""
    if "looks" in soak:
        looks = soak["looks"]
        said += f" Of {len(looks['windows'])} windows {looks['windows_collapsed']} collapsed, "
        said += f"{looks['windows_frozen']} froze."
    if "same_keys" in soak:
        true = soak["same_keys"]
        said += f" It is {_n(true['psnr_db'], 1)} dB from the simulator under the same keys, and its windows have "
        said += f"{_n(min(true['sharpness_ratio_by_window']), 2)} or more of that one's sharpness."
    if soak.get("revisits", {}).get("n"):
        found = soak["revisits"]
        said += f" Old pages were drawn again {found['n']} times, at {_n(found['psnr_db'], 1)} dB."
    return said


def _strip(strip: Strip) -> str:
    """Frames in rows, truth above dream, at the size that the page gives them."""
    across = max(len(frames) for _, frames in strip.rows)
    cells = ["<b></b>", *(f"<span>{escape(name)}</span>" for name in strip.columns)] if strip.columns else []
    for name, frames in strip.rows:
        cells.append(f"<b>{escape(name)}</b>")
        cells += [f'<img alt="{escape(name)}" src="{_data_url(frame)}">' for frame in frames]
        cells += ["<span></span>"] * (across - len(frames))
    grid = f"grid-template-columns: max-content repeat({across}, minmax(40px, 170px))"
    inside = f'<div class="strip" style="{grid}">{"".join(cells)}</div>'
    return f'<h3>{escape(strip.title)}</h3><div class="scroll">{inside}</div>'


def _data_url(frame: Frame) -> str:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
