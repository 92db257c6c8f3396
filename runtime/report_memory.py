"""The memory suite on the page: the forgetting curve by arm, what stays changed, how far the reckoned pose strays.

Knows the layout of the figures that runtime/memory_suite.py makes; a part that was not measured is left out.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from dreamloop.runtime.report_html import number, table
from dreamloop.runtime.svg import Line, line_chart

Figures = Mapping[str, Any]

ARMS = {  # name in the figures -> what it is called, its colour, and whether its line is dashed
    "renewing": ("the memory", "a", False),
    "bank": ("a memory that keeps its first page of a view", "a", True),
    "window": ("the last 300 ticks alone", "c", False),
    "recurrent": ("the latest view of every heading", "d", False),
    "content": ("pages by what they show", "e", False),
    "none": ("nothing", "b", False),
    "farthest": ("the least fitting pages", "b", True),
    "copy_last": ("a copy of the last true frame", "c", True),
    "copy_seen": ("a copy of the same view, seen before", "d", True),
    "simulator": ("the simulator itself", "e", True),
}
WAYS = {
    "turning": "Turned away and back",
    "walking": "Walked away and home",
    "roaming": "Walked about in a scene",
    "retrieval": "The way back, every action undone",
    "hysteresis": "Out and back, against itself",
}


def memory_section(f: Figures) -> str:
    """Return the section as HTML."""
    parts = [
        "<h2>Memory: what is found on coming back</h2>",
        f"<p>Maps that were never trained on, {f['history_ticks']} ticks of true history, then everything is dreamed "
        "while the simulator is stepped along; a return counts where its pose is one that was seen before. PSNR "
        "against the simulator, by ticks dreamed. "
        f"Monsters are {'about' if f.get('monsters') else 'left out'}; seed {f['seed']}.</p>",
    ]
    told = [name for name in WAYS if "arms" in f.get(name, {})]
    missing = [f"{name}: {f[name]['not_measured']}" for name in (*WAYS, "changes") if "not_measured" in f.get(name, {})]
    parts += [f'<p class="soft">{escape(line)}</p>' for line in missing]
    charts = [_curve(WAYS[name], f[name]["arms"]) for name in told]
    charts += [_strayed(WAYS[name], f[name]["pose_drift"]) for name in told if f[name].get("pose_drift")]
    parts.append(f'<div class="charts">{"".join(charts)}</div>')
    parts += [_rows(WAYS[name], f[name]) for name in told]
    if "arms" in f.get("changes", {}):
        parts.append(_changes(f["changes"]))
    return "".join(parts)


def _gaps(arms: Figures) -> list[str]:
    return sorted({gap for arm in arms.values() for gap in arm}, key=int)


def _curve(title: str, arms: Figures) -> str:
    gaps = _gaps(arms)
    lines = [
        Line(name, [arms[arm].get(gap, {}).get("psnr_db") for gap in gaps], tone, dashed=dashed)
        for arm, (name, tone, dashed) in ARMS.items()
        if arm in arms and arm != "simulator"
    ]
    return line_chart(f"{title}: PSNR by ticks away", gaps, lines, unit="dB")


def _strayed(title: str, drift: Figures) -> str:
    gaps = list(drift)
    lines = [
        Line("position, map units", [drift[gap]["position_units"] for gap in gaps]),
        Line("heading, degrees", [drift[gap]["yaw_deg"] for gap in gaps], "b"),
    ]
    return line_chart(f"{title}: the reckoned pose off the simulator's, by ticks", gaps, lines)


def _rows(title: str, f: Figures) -> str:
    gaps = _gaps(f["arms"])
    rows = []
    for arm, (name, _, _) in ARMS.items():
        if arm in f["arms"]:
            cells = [f["arms"][arm].get(gap) for gap in gaps]
            rows.append([escape(name), *(_cell(cell) for cell in cells)])
    columns = [f"{title}, {f['places']} places", *(f"{gap} ticks" for gap in gaps)]
    return table(columns, rows, numbers=range(1, len(columns)))


def _cell(cell: Figures | None) -> str:
    """A figure, half of its interval, and how many places it is of."""
    if cell is None:
        return "-"
    return f"{number(cell['psnr_db'], 1)} &plusmn; {number(cell['ci_db'], 1)} <small>({cell['n']})</small>"


def _changes(f: Figures) -> str:
    arms = [arm for arm in ARMS if arm in f["arms"]]
    returns: Sequence[str] = sorted({gap for arm in arms for gap in f["arms"][arm]["by_return"]}, key=int)
    rows = []
    for arm in arms:
        of = f["arms"][arm]
        cells = [of["kept"], *(of["by_control"].get(name) for name in f["controls"])]
        cells += [of["by_return"].get(gap) for gap in returns]
        rows.append([escape(ARMS[arm][0]), *(_share(cell) for cell in cells)])
    columns = ["what was changed is found so", "first return", *f["controls"], *(f"{gap} ticks" for gap in returns)]
    made = ", ".join(f"{count} by '{escape(name)}'" for name, count in f["controls"].items())
    return (
        f"<p>{f['cases']} changes ({made}), each seen in the true history, left by turning away, and come back to: is "
        "the changed region nearer to the changed truth than to the same episode without the press? Chance is half.</p>"
        + table(columns, rows, numbers=range(1, len(columns)))
    )


def _share(cell: Figures | None) -> str:
    if cell is None:
        return "-"
    return f"{100 * cell['share']:.0f} % &plusmn; {100 * cell['ci']:.0f} <small>({cell['n']})</small>"
