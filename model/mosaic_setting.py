"""What rules are read from (see mosaic_rules.py): a picture as it lies in layers, and what is done to it now."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dreamloop.model.mosaic_cells import MARKS, factors, ink_of, shares
from dreamloop.model.mosaic_contexts import Setting
from dreamloop.model.mosaic_hand import controls, is_begun
from dreamloop.model.mosaic_pile import APPEAR, CAST, NEW_ONE, Idea, Pile

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
    deeds: NDArray[np.int64],
) -> Setting | None:
    """Return what rules are read from, None where nothing is done: a button that stays down does nothing anew.

    Args:
        cells: (rows, columns, pixels) what is seen.
        idea: that is believed.
        actions: (2, a) of the tick before, and of this one.
        pointed: column and row of the cell that is pointed at.
        deeds: (layers,) a number for what was done in each before.
    """
    if idea is None and not is_begun(config, actions):
        return None
    on, was_down, down = controls(config, actions)
    edge = down != was_down
    layer, then = pile.front, pile.front_after(idea)
    top = pile.top_of(layer or then, idea)
    kind = 0 if idea is None else _number(1 + idea.kind, idea.layer if idea.kind == CAST else 0)
    return Setting(
        cells=cells,
        layer=pile.owner,
        place=places_of(pile),
        height=np.stack([pile.at[0], *_sizes(pile)], -1) @ factors(3),
        row=pile.at[0],
        column=pile.at[1],
        **_written(pile, cells),
        new=pile.as_new(),
        off=_off(pile.grid, pointed) if edge else np.zeros(pile.grid, np.int64),
        mine=(pile.owner == (pile.front if then == NEW_ONE else then)).astype(np.int64),
        edge=pile.at[1] >= _sizes(pile)[1] - 2,
        blank=_blank(pile),
        pressed=(int(pointed[1]), int(pointed[0])) if edge and down else None,
        then=pile.top_of(then, idea)[:MARKS] if then else pile.begins(0),
        title=_most(top, pile.none),
        paper=_most(pile.contents[layer], pile.none),
        said=int(on.sum() > down),
        done=_number(*on.tolist(), was_down, kind),
        front=_number(*pile.size_of(layer, idea)),
        form=_form(pile.top_of(then, idea)[:MARKS]),
        own=_form(_top_of_own(pile, idea)),
        deed=0 if then == NEW_ONE else int(deeds[then]),
        next=_number(*pile.size_of(then, idea)),
        idea=kind,
        cast=idea is not None and idea.kind == CAST,
    )


def cast_contexts(
    config: "MosaicConfig", pile: Pile, actions: NDArray[np.float32], pointed: NDArray[np.int64], colour: int
) -> list[int]:
    """Return numbers for what is done in a tick, if colours may turn with it, the most telling first; none: nothing is.

    They go by what is asked for, the colour of the title of the layer in front, and that of most of the picture; and
    by the place that is pressed, or by the ``colour`` there and the size of its layer: few press the edge of a button.

    Args:
        actions, pointed: as for :func:`setting_of`.
    """
    on, was_down, down = controls(config, actions)
    if not on.any() or (down and was_down):
        return []
    asked, (column, row) = on.tolist(), pointed.tolist()
    title, ground = _most(pile.top_of(pile.front, None), pile.none), _most(pile.compose(), pile.none)
    if not down:
        return [_number(*asked, 0, title, ground)]
    place, size = int(places_of(pile)[row, column]), _number(*(int(part[row, column]) for part in _sizes(pile)))
    return [_number(*asked, place, title, ground), _number(*asked, size, colour, title, ground)]


def places_of(pile: Pile) -> NDArray[np.int64]:
    """Return a number (rows, columns) for where in which size of layer each cell lies."""
    return np.asarray(np.stack([*pile.at, *_sizes(pile)], -1) @ factors(4))


def _sizes(pile: Pile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return height and width (rows, columns) of the layer that is seen at each cell."""
    return pile.rects[pile.owner, 2], pile.rects[pile.owner, 3]


def deed_of(
    config: "MosaicConfig",
    pile: Pile,
    actions: NDArray[np.float32],
    pointed: NDArray[np.int64],
    changed: NDArray[np.bool_],
) -> int:
    """Return a number for what is done in a tick, 0: nothing: the controls that are on, or the button that is pressed.

    Args:
        actions, pointed: as for :func:`setting_of`.
        changed: (rows, columns) which cells changed; a button on the screen begins with the first beside the pointer.
    """
    on, was_down, down = controls(config, actions)
    if not down:
        return _number(*on.tolist()) if on.any() else 0
    if was_down or not changed.any():
        return 0
    (column, row), beside = pointed.tolist(), np.zeros_like(changed)
    beside[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    return int(places_of(pile)[changed & beside][:1].sum())


def _form(top: NDArray[np.uint8]) -> int:
    """Return a number for how a layer begins (cells, pixels), in whatever colours."""
    ink = ink_of(top)
    return int(ink.ravel() @ factors(ink.size)) if ink.size else 0


def _top_of_own(pile: Pile, idea: Idea | None) -> NDArray[np.uint8]:
    """Return how the layer begins (cells, pixels) that an idea is of; nothing where it is of none."""
    if idea is None or idea.kind == CAST:
        return pile.top_of(0, None)
    return pile.top_of(NEW_ONE if idea.kind == APPEAR else idea.layer, idea)[:MARKS]


def _written(pile: Pile, cells: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
    """Return how far the lines in layers go (rows, columns): "tail" and "last" of a :class:`Setting`.

    The last row and the last cell of a row are a layer's edges.
    """
    found = {name: np.zeros(pile.grid, np.int64) for name in ("tail", "last")}
    for k in np.flatnonzero(pile.level):
        y, x, h, w = pile.rects[k].tolist()
        inside = cells[y : y + h - 1, x : x + w - 1]
        other = (inside != inside[:, -1:]).any(-1) & (pile.owner[y : y + h - 1, x : x + w - 1] == k)
        found["last"][pile.owner == k] = 1 + np.flatnonzero(other[:, 1:].any(1)).max(initial=0)
        if k == pile.front:
            begins = np.where(other.any(1), inside.shape[1] - other[:, ::-1].argmax(1), 0)
            rows = np.flatnonzero(begins < inside.shape[1])
            found["tail"][y + rows, x + begins[rows]] = 1
    return found


def _off(grid: tuple[int, int], pointed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number (rows, columns) for where each cell lies from ``pointed``; 0 for those that are not near."""
    across, down = np.arange(grid[1]) - pointed[0], np.arange(grid[0])[:, None] - pointed[1]
    near = (abs(across) <= NEAR) & (abs(down) <= NEAR)
    return np.where(near, (down + NEAR) * (2 * NEAR + 1) + across + NEAR + 1, 0)


def _blank(pile: Pile) -> tuple[int, int]:
    """Return row and column of a cell that shows what most of the layer in front does."""
    mine = pile.owner == pile.front
    contents, counts = np.unique(pile.now[mine], return_counts=True)
    row, column = np.argwhere(mine & (pile.now == contents[counts.argmax()]))[0].tolist()
    return row, column


def _most(cells: NDArray[np.uint8], none: int) -> int:
    """Return the colour that most of some cells are of, ``none`` where there are none."""
    share = shares(cells, none)
    return int(share.argmax()) if share.any() else none


def _number(*parts: int) -> int:
    return int(np.array(parts, np.int64) @ factors(len(parts)))
