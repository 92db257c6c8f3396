"""How worn a picture is, and what is liked for it."""

import pytest
import torch
from torch import Tensor

from dreamloop.model.layers import coordinates
from dreamloop.model.wear import LIMIT, MOST, PART, TRUST, liking, worn

H, W = 32, 48
GRID = coordinates(H, W)


def moved_by(*across_px: float) -> Tensor:
    """Where s sources (1, s, H, W, 2) are fetched from, each so many pixels from the right."""
    here = GRID.permute(1, 2, 0)
    return torch.stack([here + torch.tensor([2 * px / W, 0.0]) for px in across_px])[None]


def test_what_stays_does_not_wear_and_what_moves_does() -> None:
    wear = torch.full((1, 2, H // PART, W // PART), 3.0)
    got = worn(wear, moved_by(0.0, 2.0), GRID)
    torch.testing.assert_close(got[0, 0], wear[0, 0])
    torch.testing.assert_close(got[0, 1], wear[0, 1] + 1)


def test_wear_moves_along_with_the_picture_and_has_an_end() -> None:
    wear = torch.zeros(1, 1, H // PART, W // PART)
    wear[..., 5] = 20.0
    got = worn(wear, moved_by(float(PART)), GRID)
    torch.testing.assert_close(got[0, 0, :, 4], torch.full((H // PART,), 21.0), rtol=0, atol=1e-3)
    assert worn(torch.full_like(wear, MOST), moved_by(9.0), GRID).max() == MOST


def liked(wears: tuple[float, float, float], flow: float, laid: float, held: float = 0.0) -> list[float]:
    """What speaks for the laid last frame and for a page, in the middle of the picture."""
    each = torch.stack([torch.full((H // PART, W // PART), wear) for wear in wears])[None]
    inside = torch.ones(1, 2, 1, H, W)
    told = liking(each, moved_by(flow, laid, laid), GRID, inside, torch.tensor([held]), 0.5)
    assert told.shape == (1, 2, 1, H, W)
    return [round(float(one), 4) for one in told[0, :, 0, H // 2, W // 2]]


def test_the_less_worn_is_liked_more_up_to_a_limit() -> None:
    assert liked((4.0, 4.0, 1.0), 5.0, 5.0) == [TRUST / 2, 1.5]
    assert liked((50.0, 50.0, 1.0), 5.0, 5.0) == [TRUST, LIMIT]
    assert liked((1.0, 1.0, 4.0), 5.0, 5.0) == [round(TRUST / 8, 4), -1.5]
    assert liked((0.0, 0.0, 0.0), 5.0, 5.0) == [0.0, 0.0]


def test_what_hangs_on_the_camera_is_left_alone() -> None:
    """The weapon in the hand stays where it is while all that lies behind it moves: it is no wall gone blurred."""
    assert liked((30.0, 30.0, 0.0), 0.5, 6.0) == [0.0, 0.0]
    assert liked((30.0, 30.0, 0.0), 4.0, 6.0) != [0.0, 0.0]


def test_who_is_held_up_sees_things_stand_still() -> None:
    assert liked((0.0, 0.0, 0.0), 6.0, 0.0, held=1.0) == [LIMIT, 0.0]


def test_what_a_source_does_not_show_is_not_liked() -> None:
    each = torch.tensor([20.0, 20.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, H // PART, W // PART)
    inside = torch.zeros(1, 2, 1, H, W)
    assert liking(each, moved_by(5.0, 5.0, 5.0), GRID, inside, torch.zeros(1), 0.5).abs().max() == 0


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_rows_do_not_know_of_each_other(shift: float) -> None:
    torch.manual_seed(0)
    wear, where = torch.rand(3, 2, H // PART, W // PART), moved_by(shift, 1.0).expand(3, -1, -1, -1, -1)
    together = worn(wear, where, GRID)
    for row in range(3):
        assert torch.equal(worn(wear[row : row + 1], where[row : row + 1], GRID), together[row : row + 1])
