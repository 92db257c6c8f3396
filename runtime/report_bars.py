"""The bars that were set for a world that plays on a small machine, and whether figures reach them.

One table; the report shows it first. A figure that was not measured has no row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is about, what was measured, what is wanted."""

    what: str
    got: str
    wanted: str
    met: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    suite: str
    what: str
    value: Callable[[Figures], float | None]
    bar: Callable[[Figures], float]
    at_least: bool
    form: str  # of both numbers
    beside: str = ""  # said after the bar


def _at(ticks: str) -> Callable[[Figures], float | None]:
    return lambda f: f["psnr_db_at"].get(ticks)


def _copy_at(ticks: str) -> Callable[[Figures], float]:
    return lambda f: float(f["copy_first_psnr_db_at"][ticks])


def _p99(name: str) -> Callable[[Figures], float | None]:
    return lambda f: f[name]["p99"] if f[name] else None


_RULES = (
    _Rule(
        "fidelity",
        "PSNR one step ahead, unseen maps",
        lambda f: f["psnr_db"],
        lambda f: float(f["copy_last_psnr_db"]) + 4,
        True,
        "{:.2f} dB",
        ": copy-last and 4 dB",
    ),
    _Rule(
        "fidelity",
        "the same where something moves",
        lambda f: f["moving"]["psnr_db"],
        lambda f: float(f["moving"]["copy_last_psnr_db"] or 0) + 4,
        True,
        "{:.2f} dB",
        ": copy-last and 4 dB",
    ),
    _Rule("drift", "PSNR 16 ticks ahead", _at("16"), _copy_at("16"), True, "{:.2f} dB", ": copy-first"),
    _Rule("drift", "PSNR 64 ticks ahead", _at("64"), _copy_at("64"), True, "{:.2f} dB", ": copy-first"),
    _Rule(
        "drift",
        "windows of free running that collapsed",
        lambda f: f["windows_collapsed"],
        lambda f: 0,
        False,
        "{:.0f}",
    ),
    _Rule(
        "control", "opposite controls move opposite ways (KCtrl)", lambda f: f["kctrl"], lambda f: 0.95, True, "{:.3f}"
    ),
    _Rule(
        "memory",
        "what memory is worth after 1,024 own frames, turning",
        lambda f: f.get("turning", {}).get("gain_db", {}).get("1024"),
        lambda f: 3,
        True,
        "{:.1f} dB",
    ),
    _Rule(
        "memory",
        "what is forgotten from the first gap to the last",
        lambda f: f.get("forgetting_db"),
        lambda f: 3,
        False,
        "{:.1f} dB",
    ),
    _Rule(
        "memory",
        "changed things that are found as they were left",
        lambda f: f.get("changed_state", {}).get("share"),
        lambda f: 0.9,
        True,
        "{:.2f}",
    ),
    _Rule(
        "latency",
        "cost of a frame, last minute over first, off 1",
        lambda f: abs(f["soak"]["cost_ratio"] - 1) if (f.get("soak") or {}).get("cost_ratio") else None,
        lambda f: 0.05,
        False,
        "{:.3f}",
    ),
    _Rule("latency", "frames per second, batch 1", lambda f: f["frames_per_s"], lambda f: 35, True, "{:.1f}"),
    _Rule("latency", "input to frame, p99", _p99("input_to_frame_ms"), lambda f: 50, False, "{:.1f} ms"),
    _Rule("latency", "loop outside the model, p99", _p99("loop_overhead_ms"), lambda f: 2, False, "{:.2f} ms"),
)


def judge(figures: Figures) -> list[Bar]:
    """Return a bar for every figure that was measured."""
    bars = []
    for rule in _RULES:
        suite = figures.get(rule.suite)
        value = rule.value(suite) if suite else None
        if suite and value is not None:
            wanted = rule.bar(suite)
            met = value >= wanted if rule.at_least else value <= wanted
            sign = "at least " if rule.at_least else "at most "
            bars.append(
                Bar(rule.what, rule.form.format(value), sign + rule.form.format(wanted) + rule.beside, bool(met))
            )
    return bars
