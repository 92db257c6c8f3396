"""Training of the mosaic model: which cells change, and what every pixel of those is made of. One time box.

Which ideas come true is taught apart, by train_ideas.py: here the true one is given.

Resumes after kill -9 from the last atomic checkpoint. Episodes come in as arrays. Runs on a CPU or a GPU.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.dataset import Episode
from dreamloop.model.descent import average_in, muon_and_adam
from dreamloop.model.device import choose_device, choose_dtype
from dreamloop.model.mosaic_book import Book
from dreamloop.model.mosaic_config import MosaicTrainConfig
from dreamloop.model.mosaic_known import TABLES, Known
from dreamloop.model.mosaic_lessons import Lessons, alike, find_sprite
from dreamloop.model.mosaic_net import Drawn, MosaicNet, Seen, sources_of, surprise, with_inks
from dreamloop.model.mosaic_player import Palette
from dreamloop.model.mosaic_sprite import Sprite
from dreamloop.model.train import Every, Log, Progress, Report
from dreamloop.model.train_store import load_run, save_run

INSIDE = ("down.", "up.", "fine.", "shrink.", "grow.", "merge.", "among.")  # whose matrices Muon trains


class MosaicTrainer:
    """Owns the net, its average, and the optimisers."""

    def __init__(self, config: MosaicTrainConfig, device: str = "cpu", dtype: torch.dtype = torch.bfloat16) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, torch.device(device)
        self.net = MosaicNet(config.net).to(self.device).compute_in(dtype)
        self.ema = MosaicNet(config.net).to(self.device).compute_in(dtype).requires_grad_(False)
        self.ema.load_state_dict(self.net.state_dict())
        named = self.net.named_parameters()
        self.optimisers = {"net": muon_and_adam(named, INSIDE, config.muon_lr, config.adam_lr)}
        self.progress = Progress()

    def know(self, palette: Palette, book: Book, sprite: Sprite) -> None:
        """Take over the colours, the contents and the pointer, which the net looks at."""
        for net in (self.net, self.ema):
            net.palette.copy_(torch.from_numpy(palette.colours))
            net.book.copy_(torch.from_numpy(book.pages))
            net.sprite.copy_(torch.from_numpy(sprite.pixels))

    def keep(self, lore: Known) -> None:
        """Take over what is known of layers, which lies in a checkpoint beside the net."""
        for net in (self.net, self.ema):
            for name in TABLES:
                getattr(net, name).copy_(torch.from_numpy(getattr(lore, name)))

    def step(self, batches: Sequence[tuple[Seen, Tensor]]) -> dict[str, float]:
        """Learn from batches and return the losses, each of the whole.

        Args:
            batches: what is seen, and the true cells (b, rows, columns, pixels) it led to; of any sizes.
        """
        lessons = sum(len(truth) for _, truth in batches)
        total: dict[str, float] = {}
        of: dict[str, float] = {}  # share of the lessons that have a figure
        loss = torch.zeros((), device=self.device)
        for seen, truth in batches:
            share = len(truth) / lessons
            part, figures = self._learn(seen, truth)
            loss = loss + share * part
            for name, figure in figures.items():
                total[name], of[name] = total.get(name, 0.0) + share * figure, of.get(name, 0.0) + share
        self._descend(loss)
        self.progress.step += 1
        self.progress.frames += lessons
        return {name: figure / of[name] for name, figure in total.items()}

    def _learn(self, seen: Seen, truth: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one batch, and what it is made of."""
        config, drawn = self.config, self.net.look(seen)
        changed = (truth != seen.sources[:, :, :, 0]).any(-1)
        new = torch.zeros_like(changed)
        new[changed] = ~self.net.knows(sources_of(seen, changed.nonzero()), truth[changed])
        rows = pick_cells(new, changed & ~new, drawn.change.detach(), config)
        gate = gate_loss(drawn.change, changed)
        figures, loss = {"gate": float(gate.detach())}, config.gate * gate
        if len(rows):
            whole, pixels = self._surprise(drawn, seen, truth, rows)
            loss = loss + config.whole * (fair_weights(rows[:, 0], config.fair) * whole).sum()
            figures |= {"whole": float(whole.detach().mean()), "drawn": len(pixels) / len(rows)}
            if len(pixels):
                loss = loss + config.pixels * pixels.mean()
                figures["pixels"] = float(pixels.detach().mean())
        return loss, figures

    def _surprise(self, drawn: Drawn, seen: Seen, truth: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return minus the log of the chance of what n cells show as a whole, and of the pixels of those k drawn."""
        b, y, x = rows.unbind(1)
        sources, shown = sources_of(seen, rows), truth[b, y, x].long()
        right = self.net.holds(sources, shown)
        drawing = ~right.any(1)
        options = self.net.whole(drawn, seen, rows)
        right = torch.cat([drawing[:, None], right], 1) & options.isfinite()
        whole = options.logsumexp(1) - options.masked_fill(~right, -torch.inf).logsumexp(1)
        if not drawing.any():
            return whole, whole[:0]
        logits = self.net.draw(drawn, seen, rows[drawing])
        options = with_inks(sources[drawing], seen, b[drawing])
        return whole, surprise(logits, options, shown[drawing], self.config.net.colours).sum(1)

    def _descend(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        share = share_of(self.progress, self.config)
        warm = min((self.progress.step + 1) / 100, 1.0)
        fall = 1 - 0.95 * max(share - self.config.decay_from, 0) / (1 - self.config.decay_from)
        for optimiser in self.optimisers["net"]:
            for group in optimiser.param_groups:
                group["lr"] = group["base_lr"] * warm * fall
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        decay = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        average_in(self.ema, self.net, decay)


def share_of(progress: Progress, config: MosaicTrainConfig) -> float:
    """Return the share of the time box (or of the steps) that is used up, 0..1."""
    if config.steps:
        return min(progress.step / config.steps, 1.0)
    return min(progress.elapsed_s / (60 * config.minutes), 1.0)


def fair_weights(lessons: Tensor, fair: float) -> Tensor:
    """Return weights (n,) of cells that sum up to one: those of a lesson with many together count not so much more.

    A letter that is typed changes two cells, a window that opens hundreds.

    Args:
        lessons: (n,) the lesson that every cell is of.
        fair: 0: every cell counts alike; 1: every lesson does.
    """
    count = torch.bincount(lessons)[lessons].float()
    weights = count**-fair
    return weights / weights.sum()


def gate_loss(logits: Tensor, changed: Tensor, counts: Tensor | None = None) -> Tensor:
    """Return how badly it was foreseen which cells change (b, rows, columns), over lessons of few cells and of many.

    Args:
        counts: (b, rows, columns) which cells are learnt from; None: all.
    """
    weight = None if counts is None else counts.float()
    loss = F.binary_cross_entropy_with_logits(logits, changed.float(), weight, reduction="none").flatten(1).sum(1)
    return (loss * (1 + changed.flatten(1).sum(1)) ** -0.5).mean()


def pick_cells(new: Tensor, known: Tensor, logits: Tensor, config: MosaicTrainConfig) -> Tensor:
    """Return (n, 3) player, row and column of cells to learn from.

    Args:
        new: (b, rows, columns) which cells change to what is in no book; up to ``config.drawn`` of each player's.
        known: (b, rows, columns) which change to what is known; up to ``config.cells``.
        logits: (b, rows, columns) how likely the net thinks a change; ``config.others`` that do not, but seem to.
    """
    still = logits.masked_fill(new | known, -torch.inf)
    parts = (any_cells(new, config.drawn), any_cells(known, config.cells), top_cells(still, config.others))
    return torch.cat(parts)


def any_cells(which: Tensor, most: int) -> Tensor:
    """Return (n, 3) player, row and column of up to ``most`` of each player's cells ``which`` (b, rows, columns)."""
    return top_cells(torch.rand(which.shape, device=which.device).masked_fill(~which, -torch.inf), most)


def top_cells(rank: Tensor, most: int) -> Tensor:
    """Return (n, 3) player, row and column of up to ``most`` cells of each that rank highest and above -inf."""
    top = rank.flatten(1).topk(min(most, rank[0].numel()), 1)
    there, columns = torch.isfinite(top.values), rank.shape[2]
    players = torch.arange(len(rank), device=rank.device)[:, None].expand_as(top.indices)
    at = top.indices[there]
    return torch.stack([players[there], at.div(columns, rounding_mode="floor"), at % columns], 1)


@torch.no_grad()
def held_out_figures(net: MosaicNet, lessons: Lessons, ticks: int) -> dict[str, float]:
    """Return, over held-out ticks with true history, shares of cells right and of ticks without a wrong pixel."""
    config, device = net.config, net.palette.device
    right = changes = found = drawn_cells = ticks_right = telling = 0
    for kept in alike([*lessons.kept[:ticks], *list(lessons.turns)[:ticks]], 8):
        seen, truth = lessons.batch_of(kept, device)
        drawn = net.look(seen)
        rows = (drawn.change.sigmoid() > config.threshold).nonzero()
        cells = seen.sources[:, :, :, 0].clone()
        if len(rows):
            b, y, x = rows.unbind(1)
            cells[b, y, x] = net.choose(drawn, seen, rows).to(torch.uint8)
        changed, good = (truth != seen.sources[:, :, :, 0]).any(-1), (cells == truth).all(-1)
        changes += int(changed.sum())
        right += int((good & changed).sum())
        found += int((changed & (drawn.change.sigmoid() > config.threshold)).sum())
        drawn_cells += len(rows)
        telling += int(changed.flatten(1).any(1).sum())
        ticks_right += int((good.flatten(1).all(1) & changed.flatten(1).any(1)).sum())
    return {
        "changed_cells_right": right / max(changes, 1),
        "changed_cells_found": found / max(changes, 1),
        "cells_drawn_per_change": drawn_cells / max(changes, 1),
        "ticks_right": ticks_right / max(telling, 1),
    }


def train_mosaic(
    config: MosaicTrainConfig,
    episodes: Iterable[Episode],
    held_out: Iterable[Episode],
    folder: Path,
    *,
    device: str = "cpu",
    resume: bool = True,
    start: Mapping[str, Tensor] | None = None,
    report: Report = lambda figures: None,
) -> Path:
    """Train until the time box is used up and return the folder with checkpoints and the log.

    Args:
        episodes: true play to learn from, read as training goes on.
        held_out: true play that is never trained on, for the figures in the log.
        start: weights to begin with.
        report: called with the figures of every step.
    """
    trainer = MosaicTrainer(config, device, choose_dtype("auto", choose_device(device)))
    folder.mkdir(parents=True, exist_ok=True)
    if not (resume and load_run(folder, trainer)) and start is not None:
        for net in (trainer.net, trainer.ema):
            net.load_state_dict(start)
    palette = Palette(trainer.net.palette.cpu().numpy(), grows=True)
    book = Book(trainer.net.book.cpu().numpy(), grows=True)
    sprite, progress = Sprite(trainer.net.sprite.cpu().numpy()), trainer.progress
    lore = trainer.net.known(grows=True)
    if not sprite.found and config.net.pointer >= 0 and not progress.step:
        sprite, episodes = find_sprite(config, episodes, palette)
    lessons = Lessons(config, episodes, palette, book, sprite, lore)
    test = Lessons(
        replace(config, lessons=config.test_ticks), held_out, palette, Book(book.pages), sprite, trainer.net.known()
    )
    test.add(config.test_ticks - len(test.kept) - len(test.turns))
    log = Log(folder)
    started_s = time.monotonic() - progress.elapsed_s
    save, show = Every(config.checkpoint_s, progress.elapsed_s), Every(config.sample_s, progress.elapsed_s)
    while share_of(progress, config) < 1:
        lessons.add(config.fresh)
        trainer.know(palette, book, sprite)
        figures = trainer.step(lessons.batch(config.batch, trainer.device))
        progress.elapsed_s = now_s = time.monotonic() - started_s
        share = share_of(progress, config)
        report({"share": share, "step": progress.step, "frames": progress.frames, **figures})
        if save(now_s) or share >= 1:
            trainer.keep(lore)
            save_run(folder, trainer)
        if show(now_s) or share >= 1:
            log.write(
                progress,
                figures
                | held_out_figures(trainer.ema, test, config.test_ticks)
                | {"sprite_pixels": sprite.size}
                | lore.counts,
            )
    return folder
