"""Teaches a teller what cells show next (see mosaic_teller.py), from tellings that come in as it learns."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.descent import average_in, muon_and_adam
from dreamloop.model.mosaic_teller import Glance, Teller
from dreamloop.model.mosaic_telling import CHANGES
from dreamloop.model.teller_lessons import Lesson, Shelf
from dreamloop.model.train_mosaic import any_cells, fair_weights, gate_loss

if TYPE_CHECKING:
    from dreamloop.model.mosaic_net import MosaicConfig

Report = Callable[[dict[str, float]], None]
INSIDE = ("first.", "last.", "shrink.", "grow.", "merge.", "among.")  # whose matrices Muon trains
FEW = 24  # cells; where more change much of what comes cannot be seen


@dataclass(frozen=True, slots=True)
class TellerTraining:
    """How to teach it."""

    batch: int = 256
    cells: int = 40  # of each lesson that are told, of those that change
    smudged: float = 0.4  # share of the lessons in which some cells are wrong, as in a dream
    fair: float = 0.75  # how much alike lessons count, whatever the number of their cells
    muon_lr: float = 2e-3
    adam_lr: float = 1e-3
    decay_from: float = 0.25  # share of the time after which the learning rates fall, to a hundredth
    ema: float = 0.999
    clip: float = 1.0
    look_s: float = 60.0  # between two looks at what is not taught


def teach_teller(
    teller: Teller,
    shelf: Shelf,
    unseen: Shelf,
    *,
    minutes: float,
    now_s: Callable[[], float],
    config: TellerTraining | None = None,
    keep: Callable[[Teller], None] = lambda teller: None,
    report: Report = lambda figures: None,
    seed: int = 0,
) -> tuple[Teller, int]:
    """Teach for ``minutes`` and return the average of the weights, which is what is played, and the number of steps.

    Args:
        shelf: what is taught; may be filled meanwhile.
        unseen: tellings that are not taught, for the figures.
        keep: told the average now and then.
    """
    torch.manual_seed(seed)
    config = config or TellerTraining()
    average = copy.deepcopy(teller).requires_grad_(False)
    optimisers = muon_and_adam(teller.named_parameters(), INSIDE, config.muon_lr, config.adam_lr)
    begun_s = looked_s = now_s()
    step, share = 0, 0.0
    while share < 1.0:
        lesson = shelf.draw(config.batch, config.smudged)
        loss, figures = lose(teller, lesson, config)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(teller.parameters(), config.clip)
        rate = min(1.0, (step + 1) / 200) * (1 - max(share - config.decay_from, 0) / (1 - config.decay_from))
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["base_lr"] * max(rate, 0.01)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        step += 1
        decay = min(config.ema, step / (10 + step))
        average_in(average, teller, decay)
        share = (now_s() - begun_s) / max(60 * minutes, 1e-9)
        looks = now_s() - looked_s > config.look_s or share >= 1.0
        if looks:
            looked_s = now_s()
            keep(average)
        if looks or step % 50 == 1:
            told = {name: float(figure) for name, figure in figures.items()}
            told |= teller_figures(average, unseen) if looks else {}
            report({"share": min(share, 1.0), "step": step, "seen": shelf.added, **told})
    return average, step


def lose(teller: Teller, lesson: Lesson, config: TellerTraining) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch, and what it is made of."""
    glance, then, counts = lesson
    told, changes = teller.look(glance), (then != glance.now).any(-1) & counts
    gate, rows = gate_loss(told.change, changes, counts), any_cells(changes, config.cells)
    truth = then[tuple(rows.unbind(1))].long()
    logits = teller.contents(told, rows)
    surprise = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none").view(truth.shape).sum(1)
    whole = (fair_weights(rows[:, 0], config.fair) * surprise).sum()
    return gate + whole, {"gate": gate.detach(), "whole": whole.detach()}


@torch.no_grad()
def teller_figures(teller: Teller, unseen: Shelf, batch: int = 128) -> dict[str, float]:
    """Return shares over unseen tellings: of changed cells told right, of ticks wholly right, by what is begun."""
    changed = right = wrong = 0
    ticks: dict[str, list[Tensor]] = {}
    for first in range(0, unseen.filled, batch):
        lesson = unseen.at(torch.arange(first, min(first + batch, unseen.filled), device=unseen.device))
        seen, told = lesson.glance, teller.look(lesson.glance)
        rows = (told.change.sigmoid() > CHANGES).nonzero()
        cells = seen.now.clone()
        if len(rows):
            cells[tuple(rows.unbind(1))] = teller.contents(told, rows).argmax(-1).to(torch.uint8)
        turns, good = (lesson.then != seen.now).any(-1), (cells == lesson.then).all(-1)
        changed, right = changed + int(turns.sum()), right + int((turns & good).sum())
        wrong += int((~turns & ~good).sum())
        telling, whole = turns.flatten(1).any(1), good.flatten(1).all(1)
        few = telling & (turns.flatten(1).sum(1) <= FEW)
        for name, those in (("all", telling), ("few", few), *_by_control(teller.config, seen, few)):
            ticks.setdefault(name, []).append(whole[those].float())
    shares = {f"ticks_{name}": float(torch.cat(those).mean()) for name, those in ticks.items() if len(torch.cat(those))}
    return {"cells": right / max(changed, 1), "false": wrong / max(unseen.filled, 1), **shares}


def _by_control(config: "MosaicConfig", seen: Glance, which: Tensor) -> list[tuple[str, Tensor]]:
    """Return those of ``which`` (b,) in which the pointer's button is down, and in which another control is on."""
    on = seen.actions[:, 1] > 0.5
    down = on[:, config.button] if config.button >= 0 else torch.zeros_like(which)
    if config.pointer >= 0:
        on[:, config.pointer : config.pointer + 2] = False
    return [("down", which & down), ("other", which & ~down & on.any(1))]
