"""What was measured is put onto the walls and the ground that are known; nothing is seen behind a wall."""

import numpy as np
import pytest
import torch

from dreamloop.model.depth import CLOSEST
from dreamloop.model.gait import EYES
from dreamloop.model.layers import coordinates
from dreamloop.model.surfaces import Camera, Surfaces

CAMERA = Camera(fov_deg=90.0, lens=4 / 3, reach=128.0, height_px=96, width_px=128)
WALLS = np.array([(200, -200, 200, 200), (200, 200, -200, 200), (-200, 200, -200, -200), (-200, -200, 200, -200)])
GRID = coordinates(48, 64)
MIDDLE = torch.zeros(1, 4)


def room(*levels: float) -> Surfaces:
    return Surfaces(CAMERA, WALLS.astype(float), np.array(levels))


@pytest.mark.parametrize(("yaw", "x"), [(0.0, 0.0), (90.0, 60.0), (180.0, -150.0)])
def test_walls_are_as_far_as_they_are(yaw: float, x: float) -> None:
    ahead = {0.0: 200 - x, 90.0: 200.0, 180.0: 200 + x}[yaw]
    least = room().least(torch.tensor([x, 0.0, yaw, 0.0]), torch.tensor([-1e-3, 0.0, 1e-3]))
    np.testing.assert_allclose(least.numpy(), 128 / ahead, rtol=2e-3)


def test_where_no_wall_is_known_nothing_is_behind_one() -> None:
    assert not Surfaces(CAMERA, np.zeros((0, 4)), np.zeros(0)).least(MIDDLE[0], GRID[0, 0]).any()
    behind = room().least(torch.tensor([300.0, 0.0, 0.0, 0.0]), GRID[0, 0])
    assert not behind.any(), "who looks away from a wall sees no wall"


@pytest.mark.parametrize("off", [-6.0, 0.0, 7.0])
def test_what_was_measured_beside_a_wall_is_put_onto_it_and_what_stands_before_it_is_not(off: float) -> None:
    near = torch.full((1, 48, 64), 128 / (200 + off))
    near[0, :, 30] = 128 / 170  # a thing
    near[0, :, 31] = torch.nan
    told, over, _ = room().put_on(near, MIDDLE, torch.zeros(1), GRID)
    np.testing.assert_allclose(told[0, 24, 20].item(), 128 / 200, rtol=1e-4)
    np.testing.assert_allclose(told[0, 24, 30].item(), 128 / 170, rtol=1e-4)
    assert told[0, 24, 31].isnan()
    assert not over.any()


def test_the_ground_is_as_far_below_as_it_is() -> None:
    """Seen from a step of 24 map units; what lies on neither level stays where it was measured."""
    down = GRID[1, 40, 0].item()
    true = {level: CAMERA.lens * (24 + EYES - level) / down for level in (0.0, 24.0)}
    near = torch.full((1, 48, 64), 128 / (true[0.0] + 4))
    near[0, :, 32:] = 128 / (true[24.0] - 4)
    told, *_ = Surfaces(CAMERA, np.zeros((0, 4)), np.array([0.0, 24.0, 24.0])).put_on(
        near, MIDDLE, torch.tensor([24.0]), GRID
    )
    np.testing.assert_allclose(told[0, 40, [10, 50]].numpy(), [128 / true[0.0], 128 / true[24.0]], rtol=1e-4)
    assert told[0, 10, 10] == near[0, 10, 10], "above the horizon there is no ground"


def test_what_is_seen_over_a_wall_is_told() -> None:
    near = torch.full((1, 48, 64), 128 / 200)
    near[0, :10] = 128 / 900
    _, over, _ = room().put_on(near, MIDDLE, torch.zeros(1), GRID)
    assert over[0, :10].all()
    assert not over[0, 10:].any()


def test_what_stands_free_is_told_from_what_is_behind_and_beside_it() -> None:
    """A thing ahead, and one so close to the wall that it is left as it was measured."""
    place = Surfaces(CAMERA, WALLS.astype(float), np.array([0.0]), np.array([[120.0, 0.0, 16.0], [190.0, 80.0, 16.0]]))
    near = torch.full((1, 48, 64), 128 / 200)
    near[0, 10:30, 28:36] = 128 / 124
    near[0, 10:30, 16:20] = 128 / 190
    told, _, whose = place.put_on(near, MIDDLE, torch.zeros(1), GRID)
    assert (whose[0, 10:30, 28:36] == 0).all()
    assert (whose == 0).sum() == 20 * 8
    assert not (whose == 1).any()
    np.testing.assert_allclose(told[0, 20, 30].item(), 128 / 120, rtol=1e-4)


def test_who_leans_on_a_wall_sees_that_wall_and_no_sky_in_the_corner_of_the_eye() -> None:
    """There it is nearer than nearness is told: as near as that may be, and so not farther than the wall."""
    pose = torch.tensor([[184.0, 0.0, 45.0, 0.0]])
    least = room().least(pose[0], GRID[0, 0])
    assert least.max() > 10.5
    near = least.clamp_max(CLOSEST).expand(1, 48, 64).clone()
    told, over, _ = room().put_on(near, pose, torch.zeros(1), GRID)
    assert not over.any()
    np.testing.assert_allclose(told[0, 20].numpy(), least.numpy(), rtol=1e-4)
