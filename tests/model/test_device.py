"""How many threads a model takes where nobody says: those that nobody else needs."""

import os
from collections.abc import Callable

import pytest
import torch

from dreamloop.model.device import idle_threads


def _no_load() -> tuple[float, float, float]:
    raise OSError


@pytest.mark.parametrize(
    ("load", "threads"),
    [
        (lambda: (0.4, 9.0, 9.0), 4),
        (lambda: (1.2, 0.0, 0.0), 3),
        (lambda: (30.0, 0.0, 0.0), 1),
        (_no_load, 4),
    ],
)
def test_a_model_takes_the_processors_that_are_idle(
    load: Callable[[], tuple[float, float, float]], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", load, raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert idle_threads() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert idle_threads() == 4, "who says how many means it"
