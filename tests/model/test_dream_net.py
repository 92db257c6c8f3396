"""The net: what its parts promise, on tiny shapes."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamloop.model.camera import PLACE
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_net import DreamNet, count_flop, draw_noise, pick_context
from dreamloop.model.dream_sources import Recall
from dreamloop.model.layers import Block, Conv, Linear, coordinates, fold, sources, unfold, warp, warp_chosen
from dreamloop.model.pixels import to_float, to_uint8

TINY = NetConfig(
    height_px=32, width_px=48, actions=3, widths=(8, 8, 16), down=(1, 0, 1), up=(1, 0, 0), refine=1, cond=8
)


def inputs(b: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    noise = torch.stack([draw_noise(TINY, 1, tick) for tick in range(b)])
    return torch.rand(b, 4, 3, 32, 48) * 2 - 1, torch.rand(b, 4, 3), torch.zeros(b), noise


@pytest.mark.parametrize("moves", [True, False])
def test_a_frame_has_the_size_of_its_context(moves: bool) -> None:
    net = DreamNet(dataclasses.replace(TINY, warp=moves))
    drawn = net.draw(*inputs())
    assert drawn.frame.shape == (2, 3, 32, 48)
    assert drawn.frame.dtype == torch.float32
    assert drawn.trust.shape == drawn.seen.shape == (2, 1, 32, 48)


def test_every_pixel_is_fetched_or_painted_never_mixed() -> None:
    """Mixing the two is how blur begins."""
    net = DreamNet(TINY)
    torch.nn.init.zeros_(net.mend.weight)
    drawn = net.draw(*inputs())
    taken = torch.where(drawn.trust > 0.5, drawn.moved, drawn.painted)
    assert torch.allclose(drawn.frame, taken, atol=1e-6)


def test_the_gate_still_learns() -> None:
    net = DreamNet(TINY)
    net(*inputs()).square().mean().backward()
    assert net.head.weight.grad is not None
    assert net.head.weight.grad[-16:].abs().sum() > 0  # the rows of the trust


def test_no_flow_fetches_every_pixel_from_its_own_place() -> None:
    image, grid = torch.rand(1, 3, 12, 20), coordinates(12, 20)
    still = torch.zeros(1, 2, 12, 20)
    assert torch.allclose(warp(image, sources(still, grid)), image, atol=1e-5)


def test_flow_is_in_pixels_and_points_to_the_source() -> None:
    image, grid = torch.rand(1, 3, 12, 20), coordinates(12, 20)
    flow = torch.zeros(1, 2, 12, 20)
    flow[:, 0], flow[:, 1] = 3, -2  # from three to the right, two up
    moved = warp(image, sources(flow, grid))
    assert torch.allclose(moved[..., 4:10, 2:15], image[..., 2:8, 5:18], atol=1e-5)


def test_outside_of_the_frame_lies_its_mirror() -> None:
    image, grid = torch.rand(1, 3, 12, 20), coordinates(12, 20)
    flow = torch.zeros(1, 2, 12, 20)
    flow[:, 0] = 4
    where = sources(flow, grid)
    moved = warp(image, where)
    assert torch.allclose(moved[..., 18], image[..., 17], atol=1e-5)  # 22 mirrors to 17
    assert ((where.abs().amax(-1) <= 1) == (torch.arange(20) < 16)).all()


def test_folding_goes_there_and_back() -> None:
    x = torch.rand(2, 3, 8, 12)
    assert torch.equal(unfold(fold(x, 4), 4), x)


def test_a_kernel_kept_as_a_matrix_is_the_plain_convolution() -> None:
    conv, x = Conv(3, 5), torch.rand(1, 3, 6, 7)
    kernel = conv.weight.view(5, 3, 3, 3).permute(0, 3, 1, 2)
    assert torch.allclose(conv(x), torch.nn.functional.conv2d(x, kernel, conv.bias, padding=1))


def test_noise_is_a_function_of_seed_and_tick() -> None:
    assert torch.equal(draw_noise(TINY, 3, 7), draw_noise(TINY, 3, 7))
    assert not torch.equal(draw_noise(TINY, 3, 7), draw_noise(TINY, 3, 8))
    assert not torch.equal(draw_noise(TINY, 3, 7), draw_noise(TINY, 4, 7))


def test_ages_count_from_the_newest_frame() -> None:
    history = torch.arange(8).view(1, 8, 1)
    assert pick_context(history, (1, 2, 4, 8)).flatten().tolist() == [7, 6, 4, 0]


def test_bf16_draws_nearly_what_float32_draws() -> None:
    net = DreamNet(TINY)
    exact = net(*inputs())
    rough = net.compute_in(torch.bfloat16).freeze()(*inputs())
    assert (exact - rough).abs().mean() < 0.05


def test_flop_are_counted_by_hand_for_one_convolution() -> None:
    small, large = (count_flop(DreamNet(dataclasses.replace(TINY, refine=n))) for n in (1, 2))
    block = 2 * 2 * 9 * 8 * 8 * (8 * 12) + 2 * 8 * 16  # two 3x3 convolutions at 1/4 of the size, and its film
    assert large - small == block


@given(st.integers(1, 4), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_fetching_what_is_shown_is_fetching_everything_and_choosing(images: int, seed: int) -> None:
    """Play's fast way against training's slow one: borders are mirrored alike, no image bleeds into another."""
    random = torch.Generator().manual_seed(seed)
    pictures = torch.rand(2, images, 3, 12, 16, generator=random)
    where = 3 * torch.rand(2, images, 12, 16, 2, generator=random) - 1.5
    which = torch.randint(images, (2, 12, 16), generator=random)
    slow = torch.stack([warp(pictures[:, i], where[:, i]) for i in range(images)], 1)
    slow = slow.gather(1, which[:, None, None].expand(-1, 1, 3, -1, -1))[:, 0]
    torch.testing.assert_close(warp_chosen(pictures, where, which), slow, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("pages", "depth"), [(0, False), (2, False), (2, True)])
def test_play_shows_what_training_draws(pages: int, depth: bool) -> None:
    """A net that is taught one picture and plays another learns in vain."""
    net = DreamNet(dataclasses.replace(TINY, pages=pages, depth=depth))
    for layer in (net.head, net.fetch) if pages else (net.head,):
        torch.nn.init.normal_(layer.weight, std=0.05)
    context, actions, level, noise = inputs(seed=3)
    recall = None
    if pages:
        net.fetch.bias.data.view(net.config.laid, -1)[:, 2 * TINY.fold**2 :] = 0.5  # about as welcome as the last frame
        frames, laid = torch.rand(2, pages, 3, 32, 48) * 2 - 1, net.config.laid
        recall = Recall(frames, torch.rand(2, laid, 4), torch.rand(2, 4), torch.ones(2, laid, PLACE), torch.zeros(2, 2))
    with torch.no_grad():
        drawn = net.draw(context, actions, level, noise, recall)
        frame, step, _ = net.play(net.past(context), actions, level, noise, recall, rests=False)
    torch.testing.assert_close(frame, drawn.frame, atol=2e-3, rtol=0)
    assert (step is None) == (pages == 0)
    if drawn.fetched is not None:
        assert 0.0 < float(drawn.fetched.choice.mean()) < 1.0


def test_a_net_frozen_for_play_draws_the_same_up_to_rounding() -> None:
    """Packed kernels, joined films, a SiLU inside the convolution: for speed alone. And always the same bytes."""
    torch.manual_seed(1)
    config = dataclasses.replace(TINY, pages=2, depth=True, down=(1, 1, 1))
    frozen, plain = (DreamNet(config).compute_in(torch.bfloat16) for _ in range(2))
    plain.load_state_dict(frozen.state_dict())
    frozen.freeze()
    past = frozen.past(inputs()[0])
    films, cond = frozen._films, torch.randn(2, TINY.cond).bfloat16()
    assert films is not None
    told = films(cond)
    inside = [block for part in (frozen.down, frozen.up, frozen.refine) for block in part.modules()]
    assert set(told) == {block for block in inside if isinstance(block, Block)}
    for block, film in told.items():
        torch.testing.assert_close(film, block.film(cond), atol=0.02, rtol=0.02)
    with torch.no_grad():
        near = [net.depth(past.folded[:, : 3 * TINY.fold**2]) for net in (frozen, plain)]
        first, again, asked = frozen(*inputs()), frozen(*inputs()), plain(*inputs())
        more = frozen(*inputs(3)), plain(*inputs(3))
    assert torch.equal(first, again)
    rounding = 2**-7  # of bf16, where pixels are about 1
    for drawn, wanted in ((first, asked), more):
        assert (drawn - wanted).abs().mean() < rounding
    assert (near[0] - near[1]).abs().mean() < rounding / 8


@pytest.mark.parametrize(("pace", "blocked", "liked"), [(0.1, False, True), (0.1, True, False), (0.5, False, False)])
def test_who_sets_out_trusts_depth_until_there_is_a_wall_or_speed(pace: float, blocked: bool, liked: bool) -> None:
    """The last frame laid by its depth is the third source, after paint and the flow."""
    net = DreamNet(dataclasses.replace(TINY, pages=2, depth=True, setting_out=3.0))
    plain = DreamNet(dataclasses.replace(TINY, pages=2, depth=True))
    for one in (net, plain):
        last = one.get_submodule("walk.2")
        assert isinstance(last, Linear)
        torch.nn.init.zeros_(last.weight)
        if blocked:
            last.bias.data = torch.tensor([-0.1, 0.0])
    plain.load_state_dict(net.state_dict())
    context, actions, level, noise = inputs(1)
    poses = torch.zeros(1, 3, 4)
    ahead = torch.tensor([[0.1 * net.config.stride, 0.0, 0.0, 0.0]])
    recall = Recall(torch.rand(1, 2, 3, 32, 48), poses, ahead, torch.ones(1, 3, PLACE), torch.tensor([[pace, 0.0]]))
    with torch.no_grad():
        fresh, usual = (one.draw(context, actions, level, noise, recall) for one in (net, plain))
    assert usual.step is not None
    torch.testing.assert_close(usual.step, torch.tensor([[0.0 if blocked else 0.1, 0.0]]))
    assert fresh.soft is not None
    assert usual.soft is not None
    assert bool((fresh.soft[:, 2] > usual.soft[:, 2]).any()) == liked
    assert torch.equal(fresh.soft, usual.soft) == (not liked)


@pytest.mark.parametrize(("pages", "depth"), [(0, False), (2, True)])
def test_what_hardly_moves_stays_as_it_is(pages: int, depth: bool) -> None:
    """A net that trembles by a tenth of a pixel and mends a little every tick burns a standing picture out."""
    net = DreamNet(dataclasses.replace(TINY, pages=pages, depth=depth))
    with torch.no_grad():
        net.head.weight.normal_(std=0.003)
        net.head.bias[5 * TINY.fold**2 :] = 9.0  # the last frame is trusted
        net.mend.weight.mul_(0.1)
    context, actions, level, noise = inputs(seed=3)
    context = to_float(to_uint8(context))
    recall = None
    if pages:
        laid = net.config.laid
        still = torch.zeros(2, 4)
        recall = Recall(
            torch.zeros(2, pages, 3, 32, 48), torch.zeros(2, laid, 4), still, torch.ones(2, laid, PLACE), still[:, :2]
        )
    with torch.no_grad():
        trembling, _, _ = net.play(net.past(context), actions, level, noise, recall, rests=False)
        resting, _, _ = net.play(net.past(context), actions, level, noise, recall)
        net.head.bias[3 * TINY.fold**2 : 4 * TINY.fold**2] = 0.3  # now it moves by three pixels
        moving, _, _ = net.play(net.past(context), actions, level, noise, recall)
        drawn = net.play(net.past(context), actions, level, noise, recall, rests=False)[0]
    assert (to_uint8(trembling) == to_uint8(context[:, 0])).float().mean() < 0.9
    assert (to_uint8(resting) == to_uint8(context[:, 0])).all()
    torch.testing.assert_close(moving, drawn)
