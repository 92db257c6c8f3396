"""Trains the reward of a dream on play that a simulator paid for, and says how good it is on play it never saw.

Knows nothing about simulators, files or world models.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.input.schema import ActionSchema
from dreamloop.model.eval_play import EvaluationError
from dreamloop.model.inverse_dynamics import MOTIONS, InverseDynamics
from dreamloop.model.reward_net import AGES, ARCH, NEVER, RewardConfig, RewardHead, RewardNet, Seen, Witness
from dreamloop.model.world_model import Card

Report = Callable[[dict[str, float]], None]
LEARNING_RATE = 1e-3
PASSES = 6  # over the play; with more of them it learns the few hundred payments by heart
# Times that a reward must have been paid to be learnt. From 60 kills the net learnt that whoever fires will kill, for
# so it was in the hands of the scripted player; an agent then stood still and fired at nothing.
LEAST = 100
MOST_KINDS = 6
SIDE_BY_SIDE = 8  # plays that are followed at the same time
WINDOW_TICKS = 175  # of returns that are compared: five seconds of Doom


@dataclass(frozen=True, slots=True)
class PaidPlay:
    """A stretch of true play with what it was paid: ``actions[i]`` led to ``frames[i]`` and brought ``rewards[i]``."""

    frames: NDArray[np.uint8]  # (t, h, w, 3)
    actions: NDArray[np.float32]  # (t, a)
    rewards: NDArray[np.float32]  # (t,); the first tick is a start and pays nothing
    ended: bool  # the last tick ended the episode


@dataclass(frozen=True, slots=True)
class Lessons:
    """Paid play as the net is told it; the frames are let go."""

    pictures: NDArray[np.uint8]  # (r, 3, h, w): one row a tick, starts among them
    back: NDArray[np.int64]  # (r, len(AGES)): rows of the pictures that tick r sees
    facts: NDArray[np.float32]  # (r, f)
    rewards: NDArray[np.float32]  # (r,)
    ends: NDArray[np.bool_]  # (r,)
    play: NDArray[np.int64]  # (r,): number of the play
    usable: NDArray[np.int64]  # rows that are no start

    def stack(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the pictures (b, 3 * len(AGES), h, w) that the net sees at ``rows``."""
        b, (_, _, h, w) = len(rows), self.pictures.shape
        stacked: NDArray[np.uint8] = self.pictures[self.back[rows]].reshape(b, -1, h, w)
        return stacked


def make_config(schema: ActionSchema, reader: InverseDynamics) -> RewardConfig:
    """Return the shape of a head for play that ``reader`` reads; its kinds are found later."""
    step = float(reader.config.motion_scale[MOTIONS.index("ahead")])
    return RewardConfig(reader.config.height_px, reader.config.width_px, schema.columns, (), step)


def gather(plays: Iterable[PaidPlay], config: RewardConfig, reader: InverseDynamics) -> Lessons:
    """Follow plays, a few side by side, and keep what the net is told of them.

    Raises:
        EvaluationError: no play at all.
    """
    source, parts = iter(plays), list[_Part]()
    while group := list(islice(source, SIDE_BY_SIDE)):
        parts += _follow(group, config, reader)
    if not parts:
        raise EvaluationError("rewards are learnt from a simulator's play, and there is none")
    rows, back, begin = [], [], 0
    for part in parts:
        ticks = np.arange(len(part.pictures))
        back.append(begin + np.maximum(ticks[:, None] - np.array(AGES), 0))
        rows.append(begin + ticks[1:])
        begin += len(ticks)
    return Lessons(
        np.concatenate([part.pictures for part in parts]),
        np.concatenate(back),
        np.concatenate([part.facts for part in parts]),
        np.concatenate([part.rewards for part in parts]),
        np.concatenate([part.ends for part in parts]),
        np.concatenate([np.full(len(part.pictures), i) for i, part in enumerate(parts)]),
        np.concatenate(rows),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What the net is told of one play."""

    pictures: NDArray[np.uint8]
    facts: NDArray[np.float32]
    rewards: NDArray[np.float32]
    ends: NDArray[np.bool_]


def _follow(group: Sequence[PaidPlay], config: RewardConfig, reader: InverseDynamics) -> list[_Part]:
    """Follow a few plays tick by tick; one that is over stands still until the last is over, too."""
    witness = Witness(config, reader, len(group))
    firsts = np.stack([witness.reset(i, play.frames[0]) for i, play in enumerate(group)])
    seen = [Seen(firsts, np.zeros((len(group), config.facts), np.float32))]
    for tick in range(1, max(len(play.frames) for play in group)):
        at = [min(tick, len(play.frames) - 1) for play in group]
        actions = np.stack([play.actions[t] for play, t in zip(group, at, strict=True)])
        seen.append(witness.step(actions, np.stack([play.frames[t] for play, t in zip(group, at, strict=True)])))
    pictures, facts = np.stack([one.pictures for one in seen], 1), np.stack([one.facts for one in seen], 1)
    parts = []
    for i, play in enumerate(group):
        ends = np.zeros(len(play.frames), np.bool_)
        ends[-1] = play.ended
        parts.append(_Part(pictures[i, : len(ends)], facts[i, : len(ends)], play.rewards, ends))
    return parts


def find_kinds(rewards: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the rewards that were paid often enough to be learnt, the commonest first.

    Raises:
        EvaluationError: there are none.
    """
    counted = Counter(np.round(rewards[rewards != 0].astype(float), 3).tolist()).most_common(MOST_KINDS)
    kinds = tuple(float(value) for value, count in counted if count >= LEAST)
    if not kinds:
        raise EvaluationError(f"no reward was paid {LEAST} times or more; collect more play")
    return kinds


def kind_of(rewards: NDArray[np.float32], kinds: Sequence[float]) -> NDArray[np.int64]:
    """Return 1 + the number of the nearest kind; 0 where nothing was paid, or something far from every kind."""
    far = np.abs(rewards[:, None] - np.array(kinds, np.float32))
    return np.where(far.min(1) < 0.6 * np.abs(rewards), far.argmin(1) + 1, 0)


def train_head(
    lessons: Lessons,
    config: RewardConfig,
    schema: ActionSchema,
    *,
    minutes: float,
    now_s: Callable[[], float],
    batch: int = 256,
    passes: float = PASSES,
    seed: int = 0,
    report: Report = lambda figures: None,
) -> RewardHead:
    """Train a head for ``minutes`` or ``passes`` over the play, whichever is shorter; ``now_s`` tells the time.

    Adam, learning rate down to zero. Half of every batch is drawn from the few ticks at which something happened;
    weights undo that, so that the chances come out as they are.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    rows = lessons.usable
    config = replace(config, kinds=find_kinds(lessons.rewards[rows]))
    kinds, ends = kind_of(lessons.rewards, config.kinds), lessons.ends
    special = rows[(kinds[rows] > 0) | ends[rows]]
    weight = 1 / (0.5 + 0.5 * np.isin(np.arange(len(ends)), special) * len(rows) / len(special))
    net = RewardNet(config)
    net.mean.copy_(torch.from_numpy(lessons.facts[rows].mean(0)))
    net.spread.copy_(torch.from_numpy(lessons.facts[rows].std(0)).clamp_min(1e-2))
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    begun_s, step, share = now_s(), 0, 0.0
    while share < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 50) * (1 - share)
        drawn = np.concatenate([rng.choice(rows, batch // 2), rng.choice(special, batch // 2)])
        said = net(torch.from_numpy(lessons.stack(drawn)), torch.from_numpy(lessons.facts[drawn]))
        loss = _loss(said, kinds[drawn], ends[drawn], weight[drawn])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        share = max((now_s() - begun_s) / max(60 * minutes, 1e-9), step * batch / (passes * len(rows)))
        if step % 50 == 1:
            report({"share": min(share, 1.0), "step": float(step), "loss": float(loss.detach())})
    head = RewardHead(net, replace(config, end_threshold=_end_threshold(RewardHead(net, config), lessons)))
    head.card = _card(head.config, schema, lessons, step * batch, minutes)
    return head


def _loss(said: Tensor, kinds: NDArray[np.int64], ends: NDArray[np.bool_], weight: NDArray[np.float64]) -> Tensor:
    weights = torch.from_numpy(weight).float()
    paid = F.cross_entropy(said[:, :-1], torch.from_numpy(kinds), reduction="none")
    over = F.binary_cross_entropy_with_logits(said[:, -1], torch.from_numpy(ends).float(), reduction="none")
    return ((paid + over) * weights).mean()


def _judged(head: RewardHead, lessons: Lessons) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the chances of every kind (r, kinds) and of the end (r,) at the usable rows."""
    outcomes = [
        head.judge(lessons.stack(rows), lessons.facts[rows])
        for rows in np.array_split(lessons.usable, max(len(lessons.usable) // 512, 1))
    ]
    return np.concatenate([one.chances for one in outcomes]), np.concatenate([one.end_chance for one in outcomes])


def _end_threshold(head: RewardHead, lessons: Lessons) -> float:
    """Return the chance of an end from which on most ends are found and few are made up (best F1), or never."""
    ends = lessons.ends[lessons.usable]
    if ends.sum() < LEAST:
        return NEVER
    _, chance = _judged(head, lessons)
    order = np.argsort(-chance)
    hits = ends[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + ends.sum())
    return float(chance[order][f1.argmax()])


def measure_head(head: RewardHead, lessons: Lessons) -> dict[str, Any]:
    """Say how good a head is on play that it never saw.

    Returns:
        ``kinds``: per reward how often it was paid, the area under the ROC curve and the average precision (whose
        floor is the share of such ticks) at the very tick; ``ends``: the same with precision and recall at the
        threshold; ``return_correlation``: of true and expected returns, over whole plays and over five seconds.
    """
    chances, end_chance = _judged(head, lessons)
    rows, config = lessons.usable, head.config
    kinds, ends = kind_of(lessons.rewards[rows], config.kinds), lessons.ends[rows]
    expected, true = chances @ np.array(config.kinds, np.float32), lessons.rewards[rows]
    said = end_chance >= config.end_threshold
    hits = int((said & ends).sum())
    play = lessons.play[rows]
    first = np.searchsorted(play, play)  # where each row's play begins
    window = play * 10_000 + (np.arange(len(play)) - first) // WINDOW_TICKS
    return {
        "ticks": len(rows),
        "plays": len(np.unique(play)),
        "kinds": {f"{value:g}": ranking(chances[:, i], kinds == i + 1) for i, value in enumerate(config.kinds)},
        "ends": ranking(end_chance, ends)
        | {"precision": hits / max(int(said.sum()), 1), "recall": hits / max(int(ends.sum()), 1)},
        "return_correlation": {
            "play": _correlation(*_sums(play, expected, true)),
            "five_seconds": _correlation(*_sums(window, expected, true)),
        },
        "mean_return": {"true": float(_sums(play, true)[0].mean()), "said": float(_sums(play, expected)[0].mean())},
    }


def ranking(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> dict[str, float | int | None]:
    """Return ``count``, ``share``, ``auc`` and ``average_precision``; the last two None without both classes."""
    count, total = int(labels.sum()), len(labels)
    figures: dict[str, float | int | None] = {"count": count, "share": count / max(total, 1)}
    if count in (0, total):
        return figures | {"auc": None, "average_precision": None}
    order = np.argsort(scores, kind="stable")
    _, where, times = np.unique(scores[order], return_inverse=True, return_counts=True)
    ranks = np.empty(total)
    ranks[order] = (times.cumsum() - (times - 1) / 2)[where]  # ties share their mean rank
    auc = (ranks[labels].sum() - count * (count + 1) / 2) / (count * (total - count))
    hits = labels[np.argsort(-scores, kind="stable")]
    precision = hits.cumsum() / np.arange(1, total + 1)
    return figures | {"auc": float(auc), "average_precision": float(precision[hits].mean())}


def _sums(groups: NDArray[np.int64], *values: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    _, where = np.unique(groups, return_inverse=True)
    return [np.bincount(where, weights=value).astype(np.float64) for value in values]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    if len(one) < 3 or not one.std() or not other.std():
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _card(config: RewardConfig, schema: ActionSchema, lessons: Lessons, samples: int, minutes: float) -> Card:
    provenance = {
        "what": "expected reward and end of an episode, from what was shown and pressed",
        "true_frames": len(lessons.rewards),
        "samples": samples,
        "minutes": minutes,
    }
    return Card(
        name=f"{schema.name}-reward",
        arch=ARCH,
        width_px=config.width_px,
        height_px=config.height_px,
        rate_hz=0.0,
        schema=schema.to_dict(),
        context_frames=AGES[-1] + 1,
        provenance=provenance,
        config=asdict(config),
    )
