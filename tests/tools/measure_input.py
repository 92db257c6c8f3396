"""Measures what a tick of input costs: polling the window's sources and encoding a schema of 50 controls.

    python tests/tools/measure_input.py

A busy player: between two ticks come mouse motion, a wheel notch, stick deflections and keys that go down and up; a
phrase XX
"""

import argparse
import json
import time

import numpy as np

from dreamloop.input.poll import Poller
from dreamloop.input.schema import ActionSchema
from dreamloop.input.source import DeviceEvent
from dreamloop.runtime.measured_on import hardware

KEYS = [*"abcdefghijklmnopqrstuvwxyz1234567890", *(f"f{i}" for i in range(1, 13))]


def a_schema(controls: int) -> ActionSchema:
    """Return a schema of so many controls: seven buttons of ten, two axes, and a choice of four."""
    rows: list[dict[str, object]] = []
    for i in range(controls):
        name, key = f"control{i}", KEYS[i % len(KEYS)]
        if i % 10 == 9:
            options = [{"name": f"slot{k}", "keys": [f"keypad {k}"]} for k in range(1, 5)]
            rows.append({"name": name, "kind": "choice", "sticky": True, "options": options})
        elif i % 10 in (4, 8):
            way = {"motion": "x" if i % 20 < 10 else "y", "per_px": 0.1, "pad": ["left_x" if i % 20 < 10 else "left_y"]}
            rows.append({"name": name, "kind": "axis", "range": [-10, 10], **way})
        else:
            phrase = {"say": f"control {i}", "act": "hold"}
            rows.append({"name": name, "kind": "button", "keys": [key], "pad": ["a"], "phrases": [phrase]})
    return ActionSchema.from_dict({"format": 1, "name": "wide", "control": rows})


def events(chance: np.random.Generator, count: int, time_s: float) -> list[DeviceEvent]:
    """Return what a busy player's devices do in a tick."""
    found = []
    for _ in range(count):
        kind = str(chance.choice(["motion", "motion", "down", "up", "wheel", "axis"]))
        part = {"down": "key", "up": "key", "axis": "pad:left_x"}.get(kind, "")
        part = f"key:{chance.choice(KEYS)}" if part == "key" else part
        x, y = (float(chance.uniform(-1, 1)), 0.0) if kind == "axis" else chance.integers(-9, 9, 2).tolist()
        found.append(DeviceEvent(kind, part, x, y, time_s))
    return found


def measure(controls: int, ticks: int, per_tick: int) -> dict[str, object]:
    """Return the figures."""
    schema, chance = a_schema(controls), np.random.default_rng(0)
    stream = [events(chance, per_tick, tick / 60) for tick in range(ticks)]
    poller = Poller(None, schema)
    poller.feed(DeviceEvent("phrase", "control 0"))
    wall = []
    began_cpu = time.thread_time()
    for tick, happened in enumerate(stream):
        for one in happened:
            poller.feed(one)
        began = time.perf_counter()
        action = schema.encode(poller.poll(tick, 1 / 60, tick / 60))
        wall.append(time.perf_counter() - began)
    processor = time.thread_time() - began_cpu
    poller.close()
    assert action.shape == (schema.size,)
    return {
        "hardware": hardware(),
        "controls": controls,
        "action_size": schema.size,
        "events_per_tick": per_tick,
        "ticks": ticks,
        "poll_and_encode_ms": quantiles(wall),
        "processor_with_feeding_ms": round(processor / ticks * 1e3, 4),
    }


def quantiles(seconds: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(seconds, q)) * 1e3, 4) for q in (50, 95, 99)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--controls", type=int, default=50)
    parser.add_argument("--ticks", type=int, default=5000)
    parser.add_argument("--events", type=int, default=10, help="per tick")
    given = parser.parse_args()
    print(json.dumps(measure(given.controls, given.ticks, given.events), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
