"""What pushes a player: how much faster every control, and every two of them together, make whoever holds them.

Fitted to steps that were really made. Many of them were not made as the controls would have it, for there were walls,
and who ran into one with rare keys held teaches nonsense: so errors count as they are and not squared, and of the
products only those are taken that explain steps to the hair. What a wall leaves of a step, no product does.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.camera import coasting, mirrored, pushes

ROUNDS = 40  # of weighing rows anew
EXACT = 5e-5  # strides within which a row is explained
EXPLAINED = 2e-3  # strides by which a step may be off that is told by what pushed
SEEN = 10  # steps with a product at least, and ...
GAIN = 0.2  # share of their number by which more steps must be explained with it
SLIGHT = 2e-3  # strides: what pushes by less pushes nobody
ROWS = 20_000  # that are looked at
WRONG = 2.0  # strides: nobody goes so far in a tick, and who was put somewhere else does

Matrix = NDArray[np.float64]


def pushing_of(
    walks: Iterable[tuple[NDArray[np.floating], NDArray[np.floating]]], stride: float
) -> NDArray[np.float32]:
    """Return what :func:`fit_pushing` finds in walks: actions (t, a) that led to poses (t, 4); NaN: not told."""
    actions, gained = [], []
    for acted, told in walks:
        poses = np.asarray(told, np.float64)
        steps = np.stack(mirrored(np.diff(poses[:, :2], axis=0).T / stride, np.radians(poses[1:, 2])), 1)
        more = steps[1:] - coasting(steps[:-1], np.diff(poses[1:, 2]))
        goes = np.abs(steps[1:]).max(1) > EXACT  # who stands before a wall would teach that some keys push back
        known = goes & np.isfinite(more).all(1) & (np.abs(more) < WRONG).all(1)
        actions.append(np.asarray(acted)[2:][known])
        gained.append(more[known])
    return fit_pushing(np.concatenate(actions), np.concatenate(gained))


def fit_pushing(actions: NDArray[np.floating], gained: Matrix) -> NDArray[np.float32]:
    """Return (2, a * (a + 1) / 2): strides ahead and to the right per unit of what ``camera.pushes`` gives.

    Args:
        actions: (n, a).
        gained: (n, 2) steps, less what was left of the step before; in strides, ahead and to the right.
    """
    every = max(len(actions) // ROWS, 1)
    given, gained = pushes(actions[::every]).astype(np.float64), gained[::every]
    taken = list(range(actions.shape[-1]))
    left = [column for column in range(given.shape[1]) if column not in taken and (given[:, column] != 0).sum() >= SEEN]
    fitted = _fit(given[:, taken], gained)
    while left:
        before = _explained(given[:, taken], gained, fitted)
        tried = {column: _fit(given[:, [*taken, column]], gained) for column in left}
        gains = {
            column: (_explained(given[:, [*taken, column]], gained, one) - before) / int((given[:, column] != 0).sum())
            for column, one in tried.items()
        }
        best = max(gains, key=lambda column: gains[column])
        if gains[best] < GAIN:
            break
        fitted = tried[best]
        taken.append(best)
        left.remove(best)
    whole = np.zeros((given.shape[1], 2))
    whole[taken] = np.where(np.abs(fitted) < SLIGHT, 0, fitted)
    return whole.T.astype(np.float32)


def _fit(given: Matrix, gained: Matrix) -> Matrix:
    """Return the least absolute deviations (columns, 2), by least squares of rows weighed again and again."""
    fitted = np.zeros((given.shape[1], 2))
    weight = np.ones_like(gained)
    for _ in range(ROUNDS):
        for side in (0, 1):
            weighed = given * weight[:, side, None]
            square = weighed.T @ given + 1e-9 * np.eye(given.shape[1])
            fitted[:, side] = np.linalg.solve(square, weighed.T @ gained[:, side])
        weight = 1 / np.maximum(np.abs(gained - given @ fitted), EXACT)
    return fitted


def _explained(given: Matrix, gained: Matrix, fitted: Matrix) -> int:
    """Return how many rows are told."""
    return int((np.abs(gained - given @ fitted) < EXPLAINED).all(1).sum())
