"""What rules are read from (see mosaic_rules.py): a picture as it lies in layers, and what is done to it now."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import factors, shares
from dreamloop.model.mosaic_known import MARKS
from dreamloop.model.mosaic_pile import CAST, Idea, Pile
from dreamloop.model.mosaic_rules import Setting

if TYPE_CHECKING:
    from dreamloop.model.mosaic_net import MosaicConfig

NEAR = 2  # cells on every side of what is pressed that are told apart


def setting_of(
    config: "MosaicConfig",
    pile: Pile,
    cells: NDArray[np.uint8],
    idea: Idea | None,
    actions: NDArray[np.float32],
    pointed: NDArray[np.int64],
) -> Setting | None:
    """Return what rules are read from, None where nothing is done: a button that stays down does nothing anew.

    Args:
        cells: (rows, columns, pixels) what is seen.
        idea: that is believed.
        actions: (2, a) of the tick before, and of this one.
        pointed: column and row of the cell that is pointed at.
    """
    on = actions > 0.5
    was_down, down = on[:, config.button].tolist() if config.button >= 0 else (False, False)
    if config.pointer >= 0:
        on[:, config.pointer : config.pointer + 2] = False
    edge = down != was_down
    if idea is None and not (edge or (on[1].any() and not down)):
        return None
    layer, then = pile.front, pile.front_after(idea)
    top = pile.top_of(layer or then, idea)
    kind = 0 if idea is None else _number(1 + idea.kind, idea.layer if idea.kind == CAST else 0)
    return Setting(
        cells=cells,
        place=places_of(pile),
        row=pile.at[0],
        column=pile.at[1],
        off=_off(pile.grid, pointed) if edge else np.zeros(pile.grid, np.int64),
        pressed=(int(pointed[1]), int(pointed[0])) if edge and down else None,
        then=pile.top_of(then, idea)[:MARKS] if then else pile.begins(0),
        title=int(shares(top, pile.none).argmax()) if top.size else pile.none,
        said=int(on[1].sum() > down),
        done=_number(*on[1].tolist(), was_down, kind),
        front=_number(*pile.size_of(layer, idea)),
        next=_number(*pile.size_of(then, idea)),
        idea=kind,
    )


def places_of(pile: Pile) -> NDArray[np.int64]:
    """Return a number (rows, columns) for where in which size of layer each cell lies."""
    return np.asarray(np.stack([*pile.at, *(pile.rects[pile.owner, i] for i in (2, 3))], -1) @ factors(4))


def _off(grid: tuple[int, int], pointed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number (rows, columns) for where each cell lies from ``pointed``; 0 for those that are not near."""
    across, down = np.arange(grid[1]) - pointed[0], np.arange(grid[0])[:, None] - pointed[1]
    near = (abs(across) <= NEAR) & (abs(down) <= NEAR)
    return np.where(near, (down + NEAR) * (2 * NEAR + 1) + across + NEAR + 1, 0)


def _number(*parts: int) -> int:
    return int(np.array(parts, np.int64) @ factors(len(parts)))
