"""Training of the built-in model: one-step, then on its own rollouts, then with a critic; all in one time box.

Resumes after kill -9 from the last atomic checkpoint. Knows nothing about simulators or worlds: episodes come in as
arrays. Runs on a CPU, a GPU, or several of either under torchrun.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.critic import Critic, critic_loss
from dreamloop.model.dataset import DataError, Episode, FramePool
from dreamloop.model.depth import depth_error, nearness
from dreamloop.model.descent import average_in, muon_and_adam
from dreamloop.model.device import choose_device, choose_dtype
from dreamloop.model.dream_net import DreamNet, pick_context
from dreamloop.model.dream_sources import Drawn
from dreamloop.model.dreams import Batch, Dreams
from dreamloop.model.held_out import held_out_figures, sample_sheet
from dreamloop.model.layers import warp
from dreamloop.model.pixels import quantise, to_float, to_uint8
from dreamloop.model.recalls import turning_of
from dreamloop.model.train_config import TrainConfig
from dreamloop.model.train_store import load_run, save_run

Report = Callable[[dict[str, float]], None]


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    frames: int = 0  # frames drawn so far, over all processes
    elapsed_s: float = 0.0

    def share(self, config: TrainConfig) -> float:
        """Share of the time box (or of the steps, where they are what ends the run) that is used up, 0..1."""
        if config.steps:
            return min(self.step / config.steps, 1.0)
        return min(self.elapsed_s / (60 * config.minutes), 1.0)


class Trainer:
    """Owns the net, its average, the critic, the optimisers and the dreams."""

    def __init__(
        self, config: TrainConfig, pool: FramePool, device: str = "cpu", dtype: torch.dtype = torch.bfloat16
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.pool, self.device = config, pool, torch.device(device)
        self.net = DreamNet(config.net).to(self.device).compute_in(dtype)
        self.ema = DreamNet(config.net).to(self.device).compute_in(dtype).requires_grad_(False)
        if config.net.pages:
            self.net.turning.weight.data.copy_(turning_of(pool))
        rank = dist.get_rank() if dist.is_initialized() else 0
        self.dreams = Dreams(
            pool,
            config.net,
            config.dream_slots,
            config.horizon,
            config.long_share,
            config.long_age,
            config.seed + 1000 * rank,
        )
        if config.net.depth and self.dreams.recalls is not None:
            self.net.pushing.weight.data.copy_(torch.from_numpy(self.dreams.recalls.pushing))
        self.ema.load_state_dict(self.net.state_dict())
        self.critic = Critic().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimisers = make_optimisers(config, self.net, self.critic)
        self.progress = Progress()
        self.bank = torch.randn(1 << 21, device=self.device)

    def step(self) -> dict[str, float]:
        """Draw one batch, improve the net (and the critic, in its time), and return the losses."""
        config, share = self.config, self.progress.share(self.config)
        if config.net.depth and share < config.depth_until:
            return self._teach_depth(share)
        batch = self._pick(share)
        parts, truth = self._draw(batch), to_float(batch.truth.to(self.device))
        drawn, weight = parts.frame, batch.weight.to(self.device)
        error, flat = knowable_error(parts, truth, config.unseen), texture_error(drawn, truth)
        taught = (
            error
            + config.flow * part_error(parts, truth, self._moved_truth(parts, batch), config.true_flow)
            + config.painting * (1 - parts.trust).mean(dim=(1, 2, 3))
            + config.choosing * choosing_error(parts, truth)
        )
        young = weight.sqrt()
        loss = (weight * taught + config.texture * (young * flat + (1 - young) * mood_error(drawn, truth))).mean()
        if batch.step is not None and parts.step is not None:
            told = batch.step.to(self.device)
            astray = torch.where(told.isnan(), 0.0, parts.step - told.nan_to_num()).abs().mean(1)
            loss = loss + config.walking * (weight * astray).mean()
        figures = {name: float(of.detach()[batch.weight == 1].mean()) for name, of in (("l1", error), ("flat", flat))}
        if parts.fetched is not None:
            figures["recalled"] = float(parts.fetched.choice.mean(dim=(2, 3, 4)).sum(1).mean())
        if share >= config.polish_from:
            for parameter in self.critic.parameters():
                parameter.requires_grad_(False)
            with torch.autocast(self.device.type, torch.bfloat16):
                fooled = -self.critic(drawn).float().mean()
            loss = loss + config.adversarial * fooled
        self._descend("net", loss, share)
        if share >= min(config.rollouts_from, config.polish_from):  # it learns before it is listened to
            figures["critic"] = self._teach_critic(truth, drawn.detach())
        where = self.pool.frames.device
        worn = None if parts.wear is None else parts.wear.to(where)
        self.dreams.put(batch.slots, to_uint8(drawn.detach()).to(where), worn)
        self._average()
        self.progress.step += 1
        self.progress.frames += config.batch * (dist.get_world_size() if dist.is_initialized() else 1)
        return figures

    def _pick(self, share: float) -> Batch:
        config = self.config
        own = round(config.batch * config.dreams) if share >= config.rollouts_from else 0
        fresh = self.dreams.fresh(config.batch - own)
        return join(fresh, self.dreams.dreamed(own)) if own else fresh

    def _draw(self, batch: Batch) -> Drawn:
        """Draw the next frame of every row as ``DreamNet.draw``; only the true histories are noised."""
        config = self.config
        history = pick_context(to_float(batch.history.to(self.device)), config.net.ages)
        fresh = torch.from_numpy(batch.slots < 0).to(self.device)
        level = config.context_noise * torch.rand(len(fresh), device=self.device) ** 2 * fresh
        context = history + level[:, None, None, None, None] * self._noise_like(history)
        h, w = config.net.height_px // config.net.fold, config.net.width_px // config.net.fold
        noise = torch.randn(len(fresh), config.net.noise, h, w, device=self.device)
        recall = None if batch.recall is None else batch.recall.each(lambda part: part.to(self.device))
        return self.net.draw(context, batch.actions.to(self.device), level, noise, recall)

    def _moved_truth(self, parts: Drawn, batch: Batch) -> Tensor | None:
        """Move the true last frame as the net moved its own: so a dream that lags behind is taught the right motion."""
        if parts.where is None or batch.before is None:
            return None
        return warp(to_float(batch.before.to(self.device)), parts.where, self.config.net.warp_mode)

    def _noise_like(self, history: Tensor) -> Tensor:
        """Cut normal noise out of a bank: to draw millions of numbers anew takes a CPU a quarter of the step."""
        if self.device.type != "cpu":
            return torch.randn_like(history)
        size = history[0].numel()
        starts = torch.randint(len(self.bank) - size, (len(history),)).tolist()
        return torch.stack([self.bank[start : start + size] for start in starts]).view_as(history)

    def _teach_critic(self, real: Tensor, fake: Tensor) -> float:
        for parameter in self.critic.parameters():
            parameter.requires_grad_(True)
        with torch.autocast(self.device.type, torch.bfloat16):
            scores = self.critic(torch.cat([real, quantise(fake)])).float()
        loss = critic_loss(*scores.chunk(2))
        self._descend("critic", loss, self.progress.share(self.config))
        return float(loss.detach())

    def _teach_depth(self, share: float) -> dict[str, float]:
        """Teach how far things are, from true frames; later it is not taught any more."""
        config, rows = self.config, self.pool.sample(self.config.depth_batch, 0, 1, self.dreams.rng)
        at = torch.from_numpy(rows)
        frames = to_float(self.pool.frames[at].to(self.device))
        truth = nearness(self.pool.distances[at].float().to(self.device), config.net.reach)[:, None]
        loss = depth_error(self.net.near(frames[:, None]), truth)
        self._descend("depth", loss, share)
        self.ema.depth.load_state_dict(self.net.depth.state_dict())
        self.progress.step += 1
        return {"depth": float(loss.detach())}

    def _descend(self, who: str, loss: Tensor, share: float) -> None:
        module: nn.Module = {"net": self.net, "critic": self.critic, "depth": self.net}[who]
        loss.backward()  # type: ignore[no-untyped-call]
        average_gradients(module)
        nn.utils.clip_grad_norm_(module.parameters(), self.config.clip)
        for optimiser in self.optimisers[who]:
            for group in optimiser.param_groups:
                group["lr"] = group["base_lr"] * learning_rate(self.config, share, self.progress.step, who)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def _average(self) -> None:
        decay = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        average_in(self.ema, self.net, decay)


ROOM = 0.5  # share of a device's memory that the pool may take
FITTED = ("turning.weight", "pushing.weight")  # to the play at hand, before anything is learnt


def adopt(net: DreamNet, weights: Mapping[str, Tensor]) -> None:
    """Begin with given weights. What the net has beside them stays; more pictures in view are fetched as they are laid.

    Raises:
        DataError: a weight of another shape.
    """
    own = net.state_dict()
    head = "walk.0.weight"  # of another shape it told whole steps, or saw less of what is near: it begins anew
    anew = head in own and head in weights and own[head].shape != weights[head].shape
    for name, mine in own.items():
        told = weights.get(name)
        if told is None or name in FITTED or (anew and name.startswith("walk.")):
            continue
        laid = net.config.laid
        if name in ("recall.weight", "fetch.weight", "fetch.bias") and told.shape != mine.shape:
            dim = 1 if name == "recall.weight" else 0
            part = mine.shape[dim] // laid
            unmoved = torch.zeros_like(told.narrow(dim, 0, part))
            if name == "fetch.bias":
                unmoved[2 * net.config.fold**2 :] = 0.5  # about as welcome as the last frame
            told = torch.cat([unmoved] * (laid - told.shape[dim] // part) + [told], dim)
        if told.shape != mine.shape:
            raise DataError(f"the weight {name} to begin with is of shape {tuple(told.shape)}, not {tuple(mine.shape)}")
        mine.copy_(told)


def join(a: Batch, b: Batch) -> Batch:
    """Put two batches one behind the other."""
    rows = {name: torch.cat([getattr(a, name), getattr(b, name)]) for name in ("history", "actions", "truth", "weight")}
    recall = step = None
    if a.recall is not None and b.recall is not None and a.step is not None and b.step is not None:
        theirs = b.recall._asdict()
        told = {name: torch.cat([x, theirs[name]]) for name, x in a.recall._asdict().items() if x is not None}
        recall = a.recall._replace(**told)
        step = torch.cat([a.step, b.step])
    before = torch.cat([a.before, b.before]) if a.before is not None and b.before is not None else None
    return Batch(np.concatenate([a.slots, b.slots]), **rows, recall=recall, step=step, before=before)


def make_optimisers(config: TrainConfig, net: DreamNet, critic: Critic) -> dict[str, list[torch.optim.Optimizer]]:
    """Muon for the matrices inside, Adam for the rest and the critic."""
    inside = ("down.", "up.", "refine.", "shrink.", "grow.", "merge.")
    seeing = [p for name, p in net.named_parameters() if name.startswith("depth.")]
    others = [(name, p) for name, p in net.named_parameters() if not name.startswith("depth.")]
    more = {"critic": torch.optim.Adam(critic.parameters(), lr=config.critic_lr, betas=(0.0, 0.99))}
    if seeing:
        more["depth"] = torch.optim.Adam(seeing, lr=config.depth_lr, betas=(0.9, 0.99))
    for group in (group for one in more.values() for group in one.param_groups):
        group["base_lr"] = group["lr"]
    return {
        "net": muon_and_adam(others, inside if config.muon else (), config.muon_lr, config.adam_lr),
        **{who: [one] for who, one in more.items()},
    }


def knowable_error(parts: Drawn, truth: Tensor, unseen: float) -> Tensor:
    """Return the L1 error (b,) of the frame. What comes into view cannot be known, so it counts for ``unseen`` only."""
    seen = parts.seen
    if parts.fetched is not None:  # what a page covers was seen, unless a wall was before it
        seen = torch.maximum(seen, 0.5 * parts.fetched.inside.amax(1))
    known = unseen + (1 - unseen) * seen
    return ((parts.frame - truth).abs() * known).mean(dim=(1, 2, 3))


def part_error(parts: Drawn, truth: Tensor, moved_truth: Tensor | None = None, share: float = 0.0) -> Tensor:
    """Return the L1 error (b,) of the moved frame where it was seen, and a little of that of the painted one.

    ``share`` of the former is asked of ``moved_truth`` (b, 3, h, w), the true last frame under the same flow. A dream
    has left its truth by some pixels, and the flow that comes nearest to that truth is a timid one.
    """
    moved, painted = (parts.moved - truth).abs(), (parts.painted - truth).abs()
    if moved_truth is not None:
        moved = torch.lerp(moved, (moved_truth - truth).abs(), share)
    moved = moved * parts.seen
    parted = (moved + 0.2 * painted).mean(dim=(1, 2, 3))
    if parts.fetched is not None:
        recalled = (parts.fetched.frames - truth[:, None]).abs() * parts.fetched.inside
        parted = parted + recalled.mean(dim=(2, 3, 4)).sum(1)
    return parted


def choosing_error(parts: Drawn, truth: Tensor) -> Tensor:
    """Return (b,): the error to expect of what is chosen among the last frame and the pages, per pixel.

    The straight-through gradient of the picture knows only whether the chosen source was right. Here every source is
    held against the truth, in the small neighbourhood of each pixel; painting is left out, as it wins by being blurred.
    """
    if parts.soft is None or parts.fetched is None:
        return truth.new_zeros(len(truth))
    sources_of = torch.cat([parts.moved[:, None], parts.fetched.frames], 1).detach()  # (b, 1 + k, 3, h, w)
    wrong = F.avg_pool2d((sources_of - truth[:, None]).abs().mean(2), 3, stride=1, padding=1)
    likely = parts.soft[:, 1:, 0] / parts.soft[:, 1:, 0].sum(1, keepdim=True).clamp_min(1e-4)
    return (likely * wrong).sum(1).mean(dim=(1, 2))


def texture_error(drawn: Tensor, truth: Tensor) -> Tensor:
    """Return (b,): how far the energy of the edges in every 8x8 patch is from the true one.

    Unlike L1 it does not ask for the place of an edge, only that it is there. So blur costs even where the place of a
    texture cannot be known, and it can be asked of old rollouts whose view has drifted a little. Lightness and colour
    are asked separately: else coloured noise would pass for texture.
    """
    error = drawn.new_zeros(len(drawn))
    for scale in (1, 2):
        pair = [light_and_colour(F.avg_pool2d(x, scale) if scale > 1 else x) for x in (drawn, truth)]
        error = error + (edge_energy(pair[0], 8 // scale) - edge_energy(pair[1], 8 // scale)).abs().mean(dim=(1, 2, 3))
    return error


def mood_error(drawn: Tensor, truth: Tensor) -> Tensor:
    """Return (b,): how far edge energy and colour of coarse regions are from those of some true frame.

    For dreams that have left the truth behind: no place is right there any more, but a frame of the world has about the
    contrast and the colours of a frame of the world. Keeps rollouts from fading and from burning.
    """
    pair = [light_and_colour(x) for x in (drawn, truth)]
    edges = (edge_energy(pair[0], 32) - edge_energy(pair[1], 32)).abs().mean(dim=(1, 2, 3))
    colours = (F.avg_pool2d(pair[0], 32) - F.avg_pool2d(pair[1], 32)).abs().mean(dim=(1, 2, 3))
    return 2 * (edges + colours)


def light_and_colour(x: Tensor) -> Tensor:
    """Turn (b, 3, h, w) red, green, blue into lightness and two differences of colour."""
    red, green, blue = x.unbind(1)
    return torch.stack([(red + green + blue) / 3, red - green, blue - green], 1)


def edge_energy(x: Tensor, patch: int) -> Tensor:
    """Return the mean absolute difference of neighbours, across and down, in patches of (b, 3, h, w)."""
    across = F.avg_pool2d((x[..., 1:] - x[..., :-1]).abs(), patch, ceil_mode=True)
    down = F.avg_pool2d((x[..., 1:, :] - x[..., :-1, :]).abs(), patch, ceil_mode=True)
    return across + down


def learning_rate(config: TrainConfig, share: float, step: int, who: str) -> float:
    """Multiplier of the learning rates: a short warm-up, then flat (lower once a critic joins), then linear down."""
    warm = min((step + 1) / 100, 1.0)
    if who == "depth":
        return warm * (1 - 0.95 * share / config.depth_until)
    fall = 1 - 0.95 * max(share - config.decay_from, 0) / (1 - config.decay_from)
    calm = config.polish_lr if who == "net" and share >= config.polish_from else 1.0
    return warm * fall * calm


def average_gradients(module: nn.Module) -> None:
    """Average gradients over all processes of a torchrun; alone, do nothing."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        for parameter in module.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()


@dataclass
class Every:
    """Says yes once every ``seconds`` of the time it is given."""

    seconds: float
    last_s: float = 0.0

    def __call__(self, now_s: float) -> bool:
        due = now_s - self.last_s >= self.seconds
        if due:
            self.last_s = now_s
        return due


def train(
    config: TrainConfig,
    episodes: Iterable[Episode],
    held_out: Iterable[Episode],
    folder: Path,
    *,
    device: str = "cpu",
    resume: bool = True,
    start: Mapping[str, Tensor] | None = None,
    report: Report = lambda figures: None,
) -> Path:
    """Train until the time box is used up and return the folder with checkpoints, pictures and the log.

    Args:
        episodes: true play to learn from; read until the pool of ``config.pool_frames`` is full.
        held_out: true play from places that are never trained on, for the figures in the log.
        start: weights of a net of the same shape to begin with, instead of random ones.
        report: called with the figures of every step.
    """
    pool, test = (
        make_pool(config, n, source, where)
        for n, source, where in ((config.pool_frames, episodes, device), (config.test_frames, held_out, "cpu"))
    )
    trainer = Trainer(config, pool, device, choose_dtype("auto", choose_device(device)))
    folder.mkdir(parents=True, exist_ok=True)
    if start is not None:
        for net in (trainer.net, trainer.ema):
            adopt(net, start)
    if resume:
        load_run(folder, trainer)
    started_s = time.monotonic() - trainer.progress.elapsed_s
    save, show = (
        Every(config.checkpoint_s, trainer.progress.elapsed_s),
        Every(config.sample_s, trainer.progress.elapsed_s),
    )
    stages = [config.rollouts_from, config.polish_from]
    log = Log(folder)
    while trainer.progress.share(config) < 1:
        before = trainer.progress.share(config)
        figures = trainer.step()
        trainer.progress.elapsed_s = now_s = agreed_s(time.monotonic() - started_s, trainer.device)
        share = trainer.progress.share(config)
        report({"share": share, "step": trainer.progress.step, "frames": trainer.progress.frames, **figures})
        ends = next((k for k, stage in enumerate(stages, 1) if before < stage <= share), None)
        if is_first() and (save(now_s) or ends or share >= 1):
            save_run(folder, trainer, f"stage{ends}" if ends else None)
        if is_first() and (show(now_s) or ends or share >= 1):
            figures |= held_out_figures(trainer.ema, test)
            sample_sheet(trainer.ema, test, folder / f"sample_{trainer.progress.step:06d}.png")
            log.write(trainer.progress, figures)
    return folder


def make_pool(config: TrainConfig, frames: int, episodes: Iterable[Episode], device: str = "cpu") -> FramePool:
    """Fill a pool of ``frames`` frames from ``episodes``, on the GPU that learns from it if there is room."""
    net = config.net
    held = frames * net.height_px * net.width_px * 4  # bytes of pictures and distances
    fits = torch.device(device).type == "cuda" and held <= ROOM * torch.cuda.mem_get_info(device)[0]
    where = device if fits else "cpu"
    pool = FramePool(frames, net.height_px, net.width_px, net.actions, distances=net.depth, device=where)
    pool.fill(episodes)
    return pool


def agreed_s(seconds: float, device: torch.device) -> float:
    """Return the first process's time to all of them: else one would still be in a stage that another has left."""
    if dist.is_initialized():
        told = torch.tensor([seconds], dtype=torch.float64, device=device)
        dist.broadcast(told, 0)
        return float(told)
    return seconds


def is_first() -> bool:
    """Say whether this process is the one that writes files."""
    return not dist.is_initialized() or dist.get_rank() == 0


class Log:
    """Figures over time: one JSON line each, and tensorboard where it is installed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.jsonl"
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(folder / "tensorboard"))
        except ImportError:
            self.board = None

    def write(self, progress: Progress, figures: dict[str, float]) -> None:
        """Append one line."""
        line = {**asdict(progress), **{name: round(value, 4) for name, value in figures.items()}}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            for name, value in figures.items():
                self.board.add_scalar(name, value, progress.step)
            self.board.flush()
