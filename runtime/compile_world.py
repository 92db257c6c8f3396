"""Compiles a world's net ahead of play and says what that brings. How a net is compiled is model/compiled.py's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dreamloop.model.compiled import Compilable, compile_net
from dreamloop.model.stage import dynamics_of
from dreamloop.model.world_model import ModelError, OpenOptions, WorldModel
from dreamloop.runtime import places
from dreamloop.runtime.clock import Clock, SystemClock
from dreamloop.runtime.world import World

ROUNDS, STEPS = 5, 20  # of each net, taking turns
CHECK_TICKS = 32  # frames that are compared with themselves and with the plain net's
Progress = Callable[[str, float | None], None]


def compile_world(
    world: World,
    options: OpenOptions | None = None,
    *,
    folder: Path | None = None,
    clock: Clock | None = None,
    progress: Progress = lambda what, share: None,
) -> dict[str, Any]:
    """Compile the net of ``world`` for one player into ``folder`` (default: where play looks) and try it.

    Returns:
        ``package``; ``compile_s``; ``plain_ms`` and ``compiled_ms``, medians of the step, the two nets taking turns,
        and their ``ratio``; ``repeats``, whether the compiled net gives the same bytes twice;
        ``frames_equal_to_plain``, the share of a dream's first frames that are those of the plain net, to the byte.

    Raises:
        ModelError: the architecture has nothing that could be compiled, or there is no compiler.
    """
    folder, clock = folder or places.compiled(), clock or SystemClock()
    options = replace(options or OpenOptions(), players=1, compiled=None)
    plain = dynamics_of(world.open_model(options))
    if not isinstance(plain, Compilable):
        raise ModelError(f"the architecture '{plain.card.arch}' has no net that can be compiled ahead")
    progress("compiling (a minute or several)", None)
    begun_s = clock.now_s()
    _start(world, plain)
    compile_net(*plain.compilable(), folder / plain.package())
    compile_s = clock.now_s() - begun_s
    fast = world.open_model(replace(options, compiled=folder))
    if not getattr(fast, "compiled", ""):
        raise ModelError(f"torch compiled {folder / plain.package()} but cannot load it")
    progress("trying", None)
    frames = [_frames(world, model) for model in (plain, fast, fast)]
    plain_ms, compiled_ms = _times_ms(world, plain, fast, clock)
    return {
        "package": str(folder / plain.package()),
        "compile_s": compile_s,
        "plain_ms": plain_ms,
        "compiled_ms": compiled_ms,
        "ratio": plain_ms / compiled_ms,
        "repeats": bool(np.array_equal(frames[1], frames[2])),
        "frames_equal_to_plain": float((frames[0] == frames[1]).all((1, 2, 3)).mean()),
    }


def _start(world: World, model: WorldModel) -> None:
    model.reset(0, world.scene(None, model.card.context_frames), 0)


def _frames(world: World, model: WorldModel) -> Any:
    _start(world, model)
    return np.stack([model.step(world.schema.neutral[np.newaxis].copy())[0] for _ in range(CHECK_TICKS)])


def _times_ms(world: World, plain: WorldModel, fast: WorldModel, clock: Clock) -> tuple[float, float]:
    """Return the median step of both nets, in turn, so that a busy minute of the machine hits both."""
    took: tuple[list[float], list[float]] = ([], [])
    action = world.schema.neutral[np.newaxis].copy()
    for _ in range(ROUNDS):
        for model, seconds in zip((plain, fast), took, strict=True):
            for _ in range(STEPS):
                begun_s = clock.now_s()
                model.step(action)
                seconds.append(clock.now_s() - begun_s)
    return 1e3 * float(np.median(took[0])), 1e3 * float(np.median(took[1]))
