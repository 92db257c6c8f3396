"""The net of the built-in model: recent frames, actions and a little noise in, the next frame out.

A U-Net on 4x4 folded pixels says where every pixel of the next frame comes from (a flow into the last frame), how far
to trust that, and what is new; a refining stage then sees the composed picture and corrects it. Everything it draws
has the size of the frame: no tokenizer, no upsampler.

Knows nothing about players, seeds, uint8 or training.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.camera import OUTSIDE, PLACE, lay, look_into
from dreamloop.model.depth import FINE, DepthNet
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_sources import (
    Drawn,
    Recall,
    Sources,
    leave_still,
    mix,
    prefer_measured,
    prefer_moving,
    prefer_unworn,
    rest,
    take_measured,
    wear_of,
)
from dreamloop.model.layers import (
    Blocks,
    Conv,
    Filmed,
    Films,
    Linear,
    Shrink,
    coordinates,
    fold,
    sources,
    unfold,
    warp_chosen,
)

NEARBY = (6, 8)  # parts of the view, down and across, whose nearest thing may be in a player's way


class DreamNet(nn.Module):
    """One evaluation draws one frame."""

    grid: Tensor
    places: Tensor
    fine: Tensor

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self._dtype = torch.float32
        self._films: Films | None = None  # for play
        s, widths = config.fold, config.widths
        h, w = config.height_px // s, config.width_px // s
        self.register_buffer("grid", coordinates(config.height_px, config.width_px), persistent=False)
        self.register_buffer("places", coordinates(h, w), persistent=False)
        self.register_buffer("fine", coordinates(config.height_px // FINE, config.width_px // FINE), persistent=False)
        pixels = 3 * s * s
        self.know = nn.Sequential(
            Linear(config.actions * config.action_ticks + 1, config.cond),
            nn.SiLU(),
            Linear(config.cond, config.cond),
            nn.SiLU(),
        )
        self.stem = Conv(pixels * len(config.ages) + 2 + config.noise, widths[0], 1)
        self.down = nn.ModuleList(Blocks(n, c, config.cond) for n, c in zip(config.down, widths, strict=True))
        self.up = nn.ModuleList(Blocks(n, c, config.cond) for n, c in zip(config.up, widths, strict=True))
        self.shrink = nn.ModuleList(Shrink(a, b) for a, b in pairwise(widths))
        self.grow = nn.ModuleList(Conv(b, 4 * a, 1) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(Conv(2 * a, a, 1) for a in widths[:-1])
        self.head = Conv(widths[0], pixels + 3 * s * s, 1, gain=0.1)  # new pixels, flow, trust
        self.look = Conv(pixels + widths[0] + config.noise, widths[0], 1)
        self.refine = Blocks(config.refine, widths[0], config.cond)
        self.mend = Conv(widths[0], pixels, 1, gain=0.02)
        if config.pages:
            k = config.laid
            self.recall = Conv(k * (pixels + 1 + PLACE), widths[0], 1, gain=0.0)
            self.fetch = Conv(widths[0], k * 3 * s * s, 1, gain=0.02)  # per page: flow and choice
            self.turning = Linear(config.actions, 2, gain=0.0)  # degrees of turn and tilt that an action makes
            if config.depth:
                self.depth = DepthNet(s)
                self.pushing = Linear(config.actions * (config.actions + 1) // 2, 2, gain=0.0)  # strides, by ``pushes``
            self.ground = Conv(widths[-1], 8, 1)
            cells = (h // 2 ** (len(widths) - 1)) * (w // 2 ** (len(widths) - 1))
            around = 8 * cells + (NEARBY[0] * NEARBY[1] if config.depth else 0)
            self.walk = nn.Sequential(
                Linear(around + config.cond + 2, config.cond), nn.SiLU(), Linear(config.cond, 2, gain=0.1)
            )

    def forward(
        self, context: Tensor, actions: Tensor, level: Tensor, noise: Tensor, recall: Recall | None = None
    ) -> Tensor:
        """Draw the next frame.

        Args:
            context: (b, t, 3, h, w) float32 in -1..1, the frames of ``config.ages`` in that order (newest first).
            actions: (b, action_ticks, a), oldest first; the last one leads to the frame that is drawn.
            level: (b,) standard deviation of the noise that was added to ``context``.
            noise: (b, config.noise, h / fold, w / fold) standard normal.
            recall: what is remembered of the place; for nets with ``config.pages`` only.

        Returns:
            (b, 3, h, w) float32, about -1..1.
        """
        return self.draw(context, actions, level, noise, recall).frame

    def past(self, context: Tensor) -> "Past":
        """Prepare the frames (b, t, 3, h, w) that the net sees, newest first."""
        return Past(context[:, 0], fold(context.flatten(1, 2).to(self.dtype), self.config.fold))

    def play(
        self,
        past: "Past",
        actions: Tensor,
        level: Tensor,
        noise: Tensor,
        recall: Recall | None = None,
        *,
        rests: bool = True,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Draw the next frame, fetching of every pixel only what is shown.

        Args:
            past, actions, level, noise, recall: as for :meth:`forward`.
            rests: what hardly moves stays as it is, which training does not do.

        Returns:
            The frame (b, 3, h, w); the step (b, 2), None without a recall; how worn the frame is (b, h / PART,
            w / PART), None where the recall does not tell how worn its pictures are.
        """
        features, under, found, step = self._look_around(past, actions, level, noise, recall, rests)
        if not self.config.warp:
            return self._finish(found.painted, features, under, noise), step, None
        hard = found.hard
        fetched = warp_chosen(found.images, found.where, (hard[:, 0] - 1).clamp_min(0), self.config.warp_mode)
        picture = torch.where(hard == 0, found.painted, fetched)
        frame = self._finish(picture, features, under, noise)
        return leave_still(frame, picture, found, hard, recall), step, wear_of(found, hard)

    def draw(
        self, context: Tensor, actions: Tensor, level: Tensor, noise: Tensor, recall: Recall | None = None
    ) -> Drawn:
        """Draw the next frame and return it with its parts, which training teaches one by one."""
        features, under, found, step = self._look_around(self.past(context), actions, level, noise, recall)
        if self.config.warp:
            parts = mix(found, self.config.warp_mode)
        else:
            nothing = torch.zeros_like(found.painted[:, :1])
            parts = Drawn(found.painted, found.painted, found.painted, nothing, nothing + 1)
        return parts._replace(frame=self._finish(parts.frame, features, under, noise), step=step)

    def _look_around(
        self,
        past: "Past",
        actions: Tensor,
        level: Tensor,
        noise: Tensor,
        recall: Recall | None,
        rests: bool = False,
    ) -> tuple[Tensor, Tensor | Filmed, Sources, Tensor | None]:
        """Return features, what blocks are told, where pixels of the frame may come from, and the step that is made.

        Args:
            rests: what hardly moves is to stay as it is.
        """
        cond = self.condition(actions, level)
        under = cond if self._films is None else self._films(cond)
        recall, laid = self.lay(past.last, recall)
        coarse, skips = self.descend(past, under, noise.to(self.dtype), recall, laid)
        features = self._ascend(coarse, skips, under)
        found = self._sources(past.last, features, recall, laid)
        if rests and self.config.warp:
            found = rest(found, self.grid)
        if recall is None:
            return features, under, found, None
        foreseen = self.foreseen(recall)
        step = self.tell_step(coarse, self.about_step(cond, recall), foreseen)
        if self.config.setting_out:
            found = prefer_moving(found, self.config.setting_out, recall.speed, foreseen, step)
        found = take_measured(found, recall, self.grid)
        found = prefer_unworn(found, recall, self.grid, self.config.wearing)
        found = prefer_measured(found, recall)
        return features, under, found, step

    def condition(self, actions: Tensor, level: Tensor) -> Tensor:
        """Return (b, cond): what the net makes of the actions (b, action_ticks, a) and the noise level (b,)."""
        cond: Tensor = self.know(torch.cat([actions.flatten(1), 10 * level[:, None]], 1).to(self.dtype))
        return cond

    def lay(self, last: Tensor, recall: Recall | None) -> tuple[Recall | None, Tensor | None]:
        """Put the last frame before the pages, and say where in each of them every pixel of the view lies."""
        config = self.config
        if recall is None:
            return None, None
        if not config.depth:
            return recall, look_into(recall.poses, recall.pose, self.grid, config.fov_deg, config.lens)
        with torch.no_grad():
            near = recall.near
            if near is None:
                near = self.near(torch.cat([last[:, None], recall.frames], 1))
            laid = lay(recall.poses, near, recall.pose, self.fine, config.fov_deg, config.lens, config.reach)
            b, k, h, w, _ = laid.shape
            across = laid.view(b * k, h, w, 2).permute(0, 3, 1, 2).contiguous()  # four times as quick as without
            wide = F.interpolate(across, scale_factor=FINE, mode="bilinear")
            laid = wide.permute(0, 2, 3, 1).reshape(b, k, FINE * h, FINE * w, 2)
            if recall.shows is not None:
                first = k - config.pages
                laid[:, first] = torch.where(recall.shows[..., None] > 0, laid[:, first], OUTSIDE)
        return recall._replace(frames=torch.cat([last[:, None], recall.frames], 1), near=near), laid

    def near(self, frames: Tensor) -> Tensor:
        """Return the nearness (b, k, h / FINE, w / FINE) of frames (b, k, 3, h, w)."""
        b, k = frames.shape[:2]
        told: Tensor = self.depth(fold(frames.flatten(0, 1).to(self.dtype), self.config.fold))
        return told.view(b, k, *told.shape[-2:])

    def _finish(self, picture: Tensor, features: Tensor, under: Tensor | Filmed, noise: Tensor) -> Tensor:
        """Mend a composed picture (b, 3, h, w)."""
        known = fold(picture.to(self.dtype), self.config.fold)
        x = self.refine(self.look(torch.cat([known, features, noise.to(self.dtype)], 1)), under)
        return picture + unfold(self.mend(x).float(), self.config.fold)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the arithmetic inside; the pictures stay float32."""
        return self._dtype

    def compute_in(self, dtype: torch.dtype) -> "DreamNet":
        """Choose the dtype of the arithmetic and return self."""
        self._dtype = dtype
        return self

    def freeze(self) -> "DreamNet":
        """Cast the weights to the dtype of the arithmetic, once and for all, and return self: for play only."""
        for parameter in self.parameters():
            parameter.data = parameter.data.to(self._dtype)
        if self._dtype == torch.bfloat16 and self.grid.device.type == "cpu":
            for module in self.modules():
                if isinstance(module, Conv):
                    module.packs = hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
        self._films = Films(self.down, self.up, self.refine)
        if self.config.pages and self.config.depth:
            self.depth.films = Films(self.depth)
        return self.requires_grad_(False).eval()

    def descend(
        self, past: "Past", under: Tensor | Filmed, noise: Tensor, recall: Recall | None, where: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return what the net sees at its coarsest (b, c, h', w'), and at every finer size on the way there."""
        places = self.places.to(noise.dtype).expand(len(noise), -1, -1, -1)
        x: Tensor = self.stem(torch.cat([past.folded, places, noise], 1))
        if recall is not None and where is not None:
            x = x + self.recall(self._remembered(recall, where).to(noise.dtype))
        skips = []
        for level, blocks in enumerate(self.down):
            if level:
                skips.append(x)
                x = self.shrink[level - 1](x)
            x = blocks(x, under)
        return x, skips

    def tell_step(self, coarse: Tensor, about: Tensor, foreseen: Tensor) -> Tensor:
        """Return the step (b, 2) that is made, ahead and to the right, in strides.

        Args:
            coarse: (b, c, h', w') as :meth:`descend` gives it.
            about: (b, ...) as :meth:`about_step` gives it.
            foreseen: (b, 2) the step that is made where there is no wall; zeros for nets without depth.
        """
        told: Tensor = self.walk(torch.cat([self.ground(coarse).flatten(1), about], 1)).float()
        return told + foreseen

    def about_step(self, cond: Tensor, recall: Recall) -> Tensor:
        """Return (b, ...): the condition, the step before, and the nearest things in view, for nets with depth."""
        parts = [cond, recall.speed.to(cond.dtype)]
        if self.config.depth:
            assert recall.near is not None
            parts.append(F.adaptive_max_pool2d(recall.near[:, 0], NEARBY).flatten(1).to(cond.dtype))
        return torch.cat(parts, 1)

    def _ascend(self, x: Tensor, skips: list[Tensor], under: Tensor | Filmed) -> Tensor:
        """Return features (b, c, h / fold, w / fold)."""
        for level in reversed(range(len(self.up) - 1)):
            x = unfold(self.grow[level](x), 2)
            x = self.merge[level](torch.cat([x, skips[level]], 1))
            x = self.up[level](x, under)
        return x

    def _remembered(self, recall: Recall, where: Tensor) -> Tensor:
        """Lay the pages into the present view, as if they had been seen from here: (b, k * (...), h / s, w / s)."""
        b, k, c, h, w = recall.frames.shape
        s = self.config.fold
        pages = F.grid_sample(
            recall.frames.reshape(b * k, c, h, w), where.view(b * k, h, w, 2), padding_mode="zeros", align_corners=False
        )
        coarse = where[:, :, s // 2 :: s, s // 2 :: s].abs().amax(-1) <= 1
        inside = coarse.view(b * k, 1, h // s, w // s).to(pages.dtype) * recall.place.view(b * k, -1)[:, :1, None, None]
        pages = fold(pages, s) * inside
        place = recall.place.view(b * k, PLACE, 1, 1).expand(-1, -1, h // s, w // s)
        return torch.cat([pages, inside, place], 1).view(b, -1, h // s, w // s)

    def _sources(self, last: Tensor, features: Tensor, recall: Recall | None, laid: Tensor | None) -> Sources:
        """Say of every pixel what is painted, where in the last frame and the pages it points, and what it prefers."""
        s = self.config.fold
        painted, flow, trust = unfold(self.head(features), s).float().tensor_split((3, 5), 1)
        where = sources(10 * flow, self.grid)[:, None]
        logits = torch.cat([torch.zeros_like(trust[:, None]), trust[:, None] + 2.0], 1)
        if recall is None or laid is None:
            return Sources(painted, last[:, None], where, logits, torch.zeros_like(logits[:, :0]))
        b, k, _, h, w = recall.frames.shape
        flow, choice = unfold(self.fetch(features), s).float().reshape(b * k, 3, h, w).tensor_split((2,), 1)
        beside = (flow * flow.new_tensor([20 / w, 20 / h]).view(1, 2, 1, 1)).permute(0, 2, 3, 1)
        at = laid + beside.view(b, k, h, w, 2)
        inside = (at.detach().abs().amax(-1) <= 1).float() * recall.place[:, :, 0, None, None]
        preferred = (4 * choice).view(b, k, 1, h, w).masked_fill(inside[:, :, None] == 0, -30.0)
        return Sources(
            painted,
            torch.cat([last[:, None], recall.frames], 1),
            torch.cat([where, at.clamp(-1.5, 1.5)], 1),
            torch.cat([logits, preferred], 1),
            inside[:, :, None],
            of_last=1 + self.config.laid - self.config.pages,
        )

    def foreseen(self, recall: Recall) -> Tensor:
        """Return the step (b, 2) from the last frame's pose to the one foreseen; zeros for nets without depth."""
        if not self.config.depth:
            return torch.zeros_like(recall.speed)
        yaw = torch.deg2rad(recall.pose[:, 2])
        cos, sin = yaw.cos(), yaw.sin()
        east, north = ((recall.pose - recall.poses[:, 0])[:, :2] / self.config.stride).unbind(1)
        return torch.stack([east * cos + north * sin, east * sin - north * cos], 1) * recall.place[:, 0, :1]


class Past(NamedTuple):
    """The frames that the net sees, newest first."""

    last: Tensor  # (b, 3, h, w) float32 in -1..1, the newest
    folded: Tensor  # (b, t * 3 * fold^2, h / fold, w / fold) all of them


def pick_context(frames: Tensor, ages: tuple[int, ...]) -> Tensor:
    """Pick the frames of ``ages`` out of a history (b, t, ...), oldest first, in the order of ``ages``."""
    return torch.stack([frames[:, -age] for age in ages], 1)


def draw_noise(config: NetConfig, seed: int, tick: int) -> Tensor:
    """Return the noise (noise, h / fold, w / fold) of one player's tick: a function of seed and tick alone."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + tick) % 2**63)
    return torch.randn(
        config.noise, config.height_px // config.fold, config.width_px // config.fold, generator=generator
    )


def count_flop(net: DreamNet) -> float:
    """Return the floating-point operations of one evaluation for one player (a multiply-add counts as two)."""
    from torch.utils.flop_counter import FlopCounterMode

    config = net.config
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(
            torch.zeros(1, len(config.ages), 3, config.height_px, config.width_px),
            torch.zeros(1, config.action_ticks, config.actions),
            torch.zeros(1),
            draw_noise(config, 0, 0)[None],
        )
    return float(counter.get_total_flops())
