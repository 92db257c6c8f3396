"""The net of the built-in model: recent frames, actions and a little noise in, the next frame out.

A U-Net on 4x4 folded pixels says where every pixel of the next frame comes from (a flow into the last frame), how far
to trust that, and what is new; a refining stage then sees the composed picture and corrects it. Everything it draws
has the size of the frame: no tokenizer, no upsampler.

Knows nothing about players, seeds, uint8 or training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.camera import PLACE, lay, look_into
from dreamloop.model.depth import FINE, DepthNet
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
    warp,
    warp_chosen,
)
from dreamloop.model.wear import PART, liking, worn

REST_PX, SLIGHT = 0.5, 0.08  # what would move by less stays, and is mended only by more than this (of -1..1)
RESTING = 0.02  # strides a tick: who is to go on slower than this, and holds no key, stands
NEARBY = (6, 8)  # parts of the view, down and across, whose nearest thing may be in a player's way
SLOW = 0.2  # strides a tick: who is slower than this and goes on has just set out


@dataclass(frozen=True, slots=True)
class NetConfig:
    """The shape of the net. Frozen into the card of every checkpoint."""

    height_px: int = 96
    width_px: int = 128
    actions: int = 9  # length of the action vector
    ages: tuple[int, ...] = (
        1,
        2,
        4,
        8,
    )  # the frames it sees, in ticks before the one it draws; must begin with 1
    action_ticks: int = 4  # how many of the latest actions it sees
    fold: int = 4  # pixels of one side that are folded into channels
    widths: tuple[int, ...] = (64, 128, 256)  # channels at 1/4, 1/8, 1/16
    down: tuple[int, ...] = (1, 1, 3)  # residual blocks on the way down, per width
    up: tuple[int, ...] = (2, 2, 0)  # residual blocks on the way up, per width
    refine: int = 2  # residual blocks that see the composed picture
    cond: int = 128  # width of the condition made of actions and noise level
    noise: int = 4  # channels of noise, so that what is unseen can be drawn and not averaged
    warp: bool = True  # fetch pixels from the last frame by a flow (off: the ablation)
    warp_mode: str = "bicubic"
    pages: int = 0  # remembered frames that it sees beside the last ones (0: no memory, and no pose)
    fov_deg: float = 90.0  # of the world's camera, across
    lens: float = 1.6  # focal length over half the height: how far a tilt moves the horizon
    reach: float = 128.0  # map units that count as one
    stride: float = 16.0  # map units of the longest step of one tick
    tilt_limit_deg: float = 25.0
    girth: float = 16.0  # map units from a player's middle to what stops it
    low: float = 17.0  # map units below the eye: over what is no higher a player steps
    high: float = 15.0  # map units above the eye: under what is higher a player passes
    depth: bool = False  # pages are laid as far away as they show things, and the last frame is one of them
    setting_out: float = 0.0  # how much more the last frame, moved as its depth says, is liked by who is setting out
    wearing: float = 0.0  # how much a source is liked for every resampling that it is less worn by (model/wear.py)
    prefix: int = 256  # ticks of true history that a scene should bring, to be remembered

    @property
    def context(self) -> int:
        """How many past frames must be kept."""
        return max(self.ages)

    @property
    def laid(self) -> int:
        """How many pictures are laid into the view: the pages, and with depth the last frame before them."""
        return self.pages + 1 if self.pages and self.depth else self.pages

    @property
    def wears(self) -> bool:
        """Whether it is told how worn pictures are."""
        return bool(self.pages and self.depth and self.wearing)

    @property
    def history(self) -> int:
        """How many true frames a scene should bring."""
        return max(self.prefix, self.context) if self.pages else self.context


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
        self, context: Tensor, actions: Tensor, level: Tensor, noise: Tensor, recall: "Recall | None" = None
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
        recall: "Recall | None" = None,
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
        if found.rests is not None:
            slight = (frame - picture).abs().amax(1) < SLIGHT
            still = torch.stack([found.rests[:, i] & (hard[:, 0] == 1 + i) for i in range(found.rests.shape[1])]).any(0)
            frame = torch.where((slight & still)[:, None], picture, frame)
        return frame, step, _wear_of(found, hard)

    @property
    def _pictures(self) -> list[int]:
        """Which picture, of the last frame (0) and the pages, each source is fetched from."""
        return [0] * (1 + self.config.laid - self.config.pages) + list(range(1, 1 + self.config.pages))

    def draw(
        self, context: Tensor, actions: Tensor, level: Tensor, noise: Tensor, recall: "Recall | None" = None
    ) -> "Drawn":
        """Draw the next frame and return it with its parts, which training teaches one by one."""
        features, under, found, step = self._look_around(self.past(context), actions, level, noise, recall)
        parts = self._mix(found)
        return parts._replace(frame=self._finish(parts.frame, features, under, noise), step=step)

    def _look_around(
        self,
        past: "Past",
        actions: Tensor,
        level: Tensor,
        noise: Tensor,
        recall: "Recall | None",
        rests: bool = False,
    ) -> tuple[Tensor, Tensor | Filmed, "Sources", Tensor | None]:
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
            found = self._rest(found)
        if recall is None:
            return features, under, found, None
        foreseen = self.foreseen(recall)
        step = self.tell_step(coarse, self.about_step(cond, recall), foreseen)
        if self.config.setting_out:
            found = self._prefer_moving(found, recall.speed, foreseen, step)
        return features, under, self._prefer_unworn(found, recall), step

    def condition(self, actions: Tensor, level: Tensor) -> Tensor:
        """Return (b, cond): what the net makes of the actions (b, action_ticks, a) and the noise level (b,)."""
        cond: Tensor = self.know(torch.cat([actions.flatten(1), 10 * level[:, None]], 1).to(self.dtype))
        return cond

    def lay(self, last: Tensor, recall: "Recall | None") -> tuple["Recall | None", Tensor | None]:
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
        self, past: "Past", under: Tensor | Filmed, noise: Tensor, recall: "Recall | None", where: Tensor | None
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

    def about_step(self, cond: Tensor, recall: "Recall") -> Tensor:
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

    def _remembered(self, recall: "Recall", where: Tensor) -> Tensor:
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

    def _sources(self, last: Tensor, features: Tensor, recall: "Recall | None", laid: Tensor | None) -> "Sources":
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
        )

    def foreseen(self, recall: "Recall") -> Tensor:
        """Return the step (b, 2) from the last frame's pose to the one foreseen; zeros for nets without depth."""
        if not self.config.depth:
            return torch.zeros_like(recall.speed)
        yaw = torch.deg2rad(recall.pose[:, 2])
        cos, sin = yaw.cos(), yaw.sin()
        east, north = ((recall.pose - recall.poses[:, 0])[:, :2] / self.config.stride).unbind(1)
        return torch.stack([east * cos + north * sin, east * sin - north * cos], 1) * recall.place[:, 0, :1]

    def _prefer_moving(self, found: "Sources", speed: Tensor, foreseen: Tensor, step: Tensor) -> "Sources":
        """Prefer the last frame, laid as far on as its depth says, while a player gathers speed and meets no wall.

        The flow is learnt from play, which mostly runs; of a player who sets out it makes one who hardly moves.
        """
        goes = (step * foreseen).sum(1) > 0.5 * foreseen.square().sum(1).clamp_min(RESTING**2)
        sets_out = (goes & (speed.norm(dim=1) < SLOW)).float()[:, None, None, None]
        liked = found.logits[:, 2:3] + self.config.setting_out * sets_out[:, None] * found.inside[:, :1]
        return found._replace(logits=torch.cat([found.logits[:, :2], liked, found.logits[:, 3:]], 1))

    def _rest(self, found: "Sources") -> "Sources":
        """Leave where it is what the net would fetch from less than ``REST_PX`` aside in the last frame.

        It is no motion but the net's trembling, and a bicubic filter that shifts a picture to and fro burns it out in
        some seconds; so does a net that mends it again and again.
        """
        own = self.grid.permute(1, 2, 0)
        last = 1 + self.config.laid - self.config.pages if found.inside.shape[1] else 1
        near = own.new_tensor([2 / own.shape[1], 2 / own.shape[0]]) * REST_PX
        rests = ((found.where[:, :last] - own).abs() < near).all(-1)
        where = found.where.clone()
        where[:, :last] = torch.where(rests[..., None], own, where[:, :last])
        return found._replace(where=where, rests=rests)

    def _prefer_unworn(self, found: "Sources", recall: "Recall") -> "Sources":
        """Prefer what was fetched less often, where it is known, and what stands still to who is stopped by it."""
        if recall.wear is None or recall.held is None:
            return found
        each = worn(recall.wear[:, self._pictures], found.where.detach(), self.grid)
        liked = liking(each, found.where.detach(), self.grid, found.inside, recall.held, self.config.wearing)
        return found._replace(logits=torch.cat([found.logits[:, :2], found.logits[:, 2:] + liked], 1), worn=each)

    def _mix(self, found: "Sources") -> "Drawn":
        """Take every pixel from one source: a mixture would be blur. The gradient is that of the soft choice."""
        painted, hard = found.painted, found.hard
        if not self.config.warp:
            nothing = torch.zeros_like(painted[:, :1])
            return Drawn(painted, painted, painted, nothing, nothing + 1)
        fetched = [
            warp(found.images[:, i], found.where[:, i], self.config.warp_mode) for i in range(found.where.shape[1])
        ]
        soft, picture, wear = found.logits.softmax(1), painted, _wear_of(found, hard)
        for source, image in enumerate(fetched, 1):
            picture = torch.where(hard == source, image, picture)
        for source, image in enumerate([painted, *fetched]):
            picture = picture + (soft - soft.detach())[:, source] * image
        seen = (found.where[:, 0].detach().abs().amax(-1) <= 1)[:, None].float()
        pages = None
        if len(fetched) > 1:
            taken = torch.stack([(hard == 2 + page).float() for page in range(len(fetched) - 1)], 1)
            pages = Fetched(torch.stack(fetched[1:], 1), taken, found.inside)
        return Drawn(
            picture, fetched[0], painted, 1 - soft[:, 0], seen, pages, where=found.where[:, 0], soft=soft, wear=wear
        )


class Past(NamedTuple):
    """The frames that the net sees, newest first."""

    last: Tensor  # (b, 3, h, w) float32 in -1..1, the newest
    folded: Tensor  # (b, t * 3 * fold^2, h / fold, w / fold) all of them


class Sources(NamedTuple):
    """Where every pixel of a frame may come from: paint, the last frame (source 1), k pages (from source 2 on)."""

    painted: Tensor  # (b, 3, h, w)
    images: Tensor  # (b, 1 + k, 3, h, w) the last frame and the pages
    where: Tensor  # (b, 1 + k, h, w, 2) where in each the net points, for ``warp``
    logits: Tensor  # (b, 2 + k, 1, h, w) how much paint and each image are preferred
    inside: Tensor  # (b, k, 1, h, w) 1 where a page holds the place that is pointed at
    worn: Tensor | None = None  # (b, 1 + k, h / PART, w / PART) how worn what each image would show is, if known
    rests: Tensor | None = None  # (b, n, h, w) where what the first n, which are the last frame, show stays, in play

    @property
    def hard(self) -> Tensor:
        """The source (b, 1, h, w) that is preferred."""
        best, hard = self.logits[:, 0], torch.zeros_like(self.logits[:, 0], dtype=torch.long)
        for source in range(1, self.logits.shape[1]):  # an argmax over so few channels takes longer
            better = self.logits[:, source] > best
            best, hard = torch.where(better, self.logits[:, source], best), hard.masked_fill(better, source)
        return hard


class Recall(NamedTuple):
    """What is remembered of the place that is about to be drawn, for k pages; an absent page is zeros."""

    frames: Tensor  # (b, k, 3, h, w) float32 in -1..1
    poses: Tensor  # (b, laid, 4) where they were taken; with depth the last frame's comes first, here and in ``place``
    pose: Tensor  # (b, 4) where the frame that is drawn will be taken
    place: Tensor  # (b, laid, PLACE) as ``camera.place`` gives it
    speed: Tensor  # (b, 2) the step of the last tick, ahead and to the right, in strides
    near: Tensor | None = None  # (b, laid, h / FINE, w / FINE) how near the things in them are, where it is known
    wear: Tensor | None = None  # (b, 1 + k, h / PART, w / PART) how worn the last frame and the pages are
    held: Tensor | None = None  # (b,) share of the step that something in the way takes; it comes with the wear

    def each(self, change: Callable[[Tensor], Tensor]) -> "Recall":
        """Return it with every part that it has changed."""
        told = {name: change(part) for name, part in self._asdict().items() if part is not None}
        return self._replace(**told)


class Fetched(NamedTuple):
    """The pages, every pixel fetched from where the net points."""

    frames: Tensor  # (b, k, 3, h, w)
    choice: Tensor  # (b, k, 1, h, w) 1 where it was taken
    inside: Tensor  # (b, k, 1, h, w) 1 where the page holds the place that is pointed at


class Drawn(NamedTuple):
    """A frame and what it was made of."""

    frame: Tensor  # (b, 3, h, w)
    moved: Tensor  # (b, 3, h, w) the last frame, every pixel fetched from where the flow points
    painted: Tensor  # (b, 3, h, w) what would be there without the last frame
    trust: Tensor  # (b, 1, h, w) how little of it is painted; without pages, above 0.5 the moved pixel is taken
    seen: Tensor  # (b, 1, h, w) 1 where the flow points inside the last frame, 0 where the mirror begins
    fetched: Fetched | None = None
    step: Tensor | None = None  # (b, 2) ahead and to the right, in strides
    where: Tensor | None = None  # (b, h, w, 2) where in the last frame the flow points, for ``warp``
    soft: Tensor | None = None  # (b, 2 + k, 1, h, w) likelihood of painting, the last frame and every page
    wear: Tensor | None = None  # (b, h / PART, w / PART) how worn the frame is, where that of its sources is known


def _wear_of(found: Sources, hard: Tensor) -> Tensor | None:
    """Return how worn (b, h / PART, w / PART) a frame is that takes the sources ``hard`` (b, 1, h, w)."""
    if found.worn is None:
        return None
    each = torch.cat([torch.zeros_like(found.worn[:, :1]), found.worn], 1)  # what is painted is new
    return each.gather(1, hard[..., PART // 2 :: PART, PART // 2 :: PART])[:, 0]


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
