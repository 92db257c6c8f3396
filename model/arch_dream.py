"""The built-in world model: plays a DreamNet for n players. Frames that are fed back are the uint8 frames it showed.

Knows nothing about windows or files of recordings; how the net draws a frame is in dream_net.py.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamloop.model.camera import Poses
from dreamloop.model.checkpoint import load_net
from dreamloop.model.compiled import open_package, package_name
from dreamloop.model.device import choose_engine
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_net import DreamNet, Past, draw_noise
from dreamloop.model.dream_sources import Recall
from dreamloop.model.found_again import PageRead
from dreamloop.model.layers import fold
from dreamloop.model.memory import DEFAULT_POLICY, PageMemory
from dreamloop.model.pixels import to_float, to_uint8
from dreamloop.model.train_config import net_config
from dreamloop.model.traveller import Remembered, Traveller, stack_recall
from dreamloop.model.world_model import (
    Card,
    Frame,
    ModelState,
    OpenOptions,
    Scene,
    check_actions,
    check_player,
    check_scene,
    check_state,
)

NEARS = 600  # pages per player whose nearness is kept, 12 KB each


def build(card: Card, weights: Path | None, options: OpenOptions) -> "DreamModel":
    """Open a checkpoint; its own card replaces the world's.

    Raises:
        CheckpointError: no weights, or weights that are damaged, foreign or of another shape.
    """
    net, card = load_net(card, weights, "dream", lambda config: DreamNet(net_config(config)))
    return DreamModel(net, card, options)


class Known(NamedTuple):
    """What is known of a step before its actions are."""

    past: Past
    noise: Tensor  # (n, ...)
    near: Tensor | None  # (n, 1, h, w) how near things are in the last frames, for a net that asks
    read_off: bool = True  # whether the net read that off the first player's frame


class DreamModel:
    """A WorldModel. All players are drawn in one evaluation of the net."""

    def __init__(self, net: DreamNet, card: Card, options: OpenOptions) -> None:
        self.card, self.players = card, options.players
        self.config = net.config
        self.device, self.dtype = choose_engine(options)
        self.net = net.to(self.device).compute_in(self.dtype).freeze()
        self._fast = open_package(options.compiled, self.package())
        self.compiled = self.package() if self._fast else ""
        h, w, n = card.height_px, card.width_px, self.players
        # One buffer for everything that is remembered: the newest frame is the last of each row.
        self.history = torch.zeros(n, self.config.context, h, w, 3, dtype=torch.uint8, device=self.device)
        self._folded: deque[Tensor] = deque(maxlen=self.config.context)  # of every tick (n, ...), as the net sees them
        self._known: Known | None = None  # of the next step, once it was prepared
        self.actions = torch.zeros(n, self.config.action_ticks, self.config.actions, device=self.device)
        self.seeds, self.ticks = [0] * n, [0] * n
        self.memory = options.memory or DEFAULT_POLICY
        self.travellers = [self._traveller() for _ in range(n)] if self.config.pages else []
        self._nears: OrderedDict[int, tuple[Frame, Tensor]] = OrderedDict()  # of pages, by the identity of the picture
        self._again: OrderedDict[bytes, Tensor] = OrderedDict()  # ... of scenes, by what they show, for who starts over
        self.step_ms = self.recall_ms = 0.0

    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start over in ``scene``; a scene with less history than the net sees is padded with its first frame."""
        check_player(player, self.players)
        self.seeds[player], self.ticks[player] = seed, 0
        self.actions[player].zero_()
        self.history[player].fill_(0)
        if scene is not None:
            check_scene(scene, self.card, self.config.actions)
            self.history[player] = torch.from_numpy(_pad(scene.frames, self.config.context))
            self.actions[player] = torch.from_numpy(_pad(scene.actions, self.config.action_ticks))
        self._forget()
        if self.travellers:
            self.travellers[player] = self._traveller()
            if scene is not None:
                self.travellers[player].arrive(scene)
                if self.config.depth and (scene.poses is None or scene.distances is None):  # nothing was measured
                    self.travellers[player].look_around(self._near_page)
                elif self.config.depth:
                    self._look_at_pages(self.travellers[player].memory)
        return self._shown(player)

    @torch.no_grad()
    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Draw the frames (n, h, w, 3) that ``actions`` (n, a) lead to."""
        check_actions(actions, self.players, self.config.actions)
        started_s = time.perf_counter()
        self.prepare()  # if nobody has: before the actions are known
        latest = torch.from_numpy(np.ascontiguousarray(actions, np.float32)).to(self.device)
        self.actions = torch.cat([self.actions[:, 1:], latest[:, None]], 1)
        remembered = self._remember(actions)
        self.recall_ms = 1e3 * (time.perf_counter() - started_s)
        drawn, step, wear = self._evaluate(remembered)
        frames = to_uint8(drawn)
        self.history = torch.cat([self.history[:, 1:], frames[:, None]], 1)
        with torch.inference_mode():
            self._folded.append(self._fold(frames))
        self._known = None
        self.ticks = [tick + 1 for tick in self.ticks]
        shown: NDArray[np.uint8] = frames.cpu().numpy()
        if step is not None:
            steps, worn = step.cpu().numpy(), [None] * self.players if wear is None else wear.cpu().numpy()
            for one, *told in zip(self.travellers, actions, steps, shown, worn, strict=True):
                one.settle(*told)
        self.step_ms = 1e3 * (time.perf_counter() - started_s)
        return shown

    def prepare(self) -> None:
        """Look at the last frames: what they show, how near it is, and what noise comes next."""
        if self._known is None:
            with torch.inference_mode():
                self._known = self._look_back()

    def save(self, player: int) -> ModelState:
        """Return the history, the actions, the seed and the tick of ``player``."""
        check_player(player, self.players)
        values = {
            "history": self.history[player].cpu().numpy().copy(),
            "actions": self.actions[player].cpu().numpy().copy(),
            "seed": self.seeds[player],
        }
        if self.travellers:
            values |= self.travellers[player].state()
        return ModelState(self.card.arch, self.card.weights_hash, self.ticks[player], values)

    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state``."""
        check_player(player, self.players)
        check_state(state, self.card)
        self.history[player] = torch.from_numpy(np.array(state.values["history"]))
        self._forget()
        self.actions[player] = torch.from_numpy(np.array(state.values["actions"]))
        self.seeds[player], self.ticks[player] = int(state.values["seed"]), state.tick
        if self.travellers:
            self.travellers[player].restore(dict(state.values))
        return self._shown(player)

    def stats(self) -> Mapping[str, float]:
        """Return the time of the last step and the size of what is remembered."""
        figures = {"dynamics_ms": self.step_ms, "memory_bytes": float(self.history.nbytes + self.actions.nbytes)}
        if self.travellers:
            told = [one.memory.stats(one.tick) for one in self.travellers]
            figures["memory_bytes"] += sum(stats["page_bytes"] for stats in told)
            figures["memory_bytes"] += sum(one.gallery.nbytes for one in self.travellers if one.gallery is not None)
            figures["pages"] = sum(stats["pages"] for stats in told)
            figures["pages_read"] = sum(stats["pages_read"] for stats in told)
            figures["oldest_page_ticks"] = max(stats["oldest_page_ticks"] for stats in told)
            figures["recall_ms"] = self.recall_ms
        return figures

    def remembered(self, player: int) -> list[Frame]:
        """Return the pages (h, w, 3) that are being read for the frame that is showing, for those who look in."""
        if not self.travellers:
            return []
        memory = self.travellers[player].memory
        return [memory.frames[slot] for slot in memory.reading if slot in memory.frames]

    def pages_read(self, player: int) -> tuple[Poses, list[PageRead]]:
        """Return the pose (4,) that is showing, and the pages that were read for it."""
        if not self.travellers:
            return np.zeros(4), []
        one = self.travellers[player]
        memory = one.memory
        return one.pose.copy(), [
            PageRead(memory.frames[slot], memory.policy.pose_of(slot).copy(), one.tick - memory.policy.tick_of(slot))
            for slot in memory.reading
            if slot in memory.frames
        ]

    def pose(self, player: int) -> Poses | None:
        """Return where ``player`` is by the model's own reckoning (4,), None for a net that reckons none."""
        return self.travellers[player].pose.copy() if self.travellers else None

    def _traveller(self) -> Traveller:
        turning = self.net.turning.weight.float().cpu().numpy()
        pushing = self.net.pushing.weight.float().cpu().numpy() if self.config.depth else None
        return Traveller(self.config, turning, pushing, self.memory)

    def package(self) -> str:
        """Return the name of the compiled net that fits (model/compiled.py)."""
        return package_name(self.card, self.device, self.dtype, self.players)

    def compilable(self) -> tuple[nn.Module, tuple[Tensor, ...]]:
        """Return the net as a module of tensors only, and tensors to try it with."""
        idle = np.zeros(self.config.actions, np.float32)
        inputs = self._inputs([one.remember(idle) for one in self.travellers])
        return Flat(self.net), tuple(tensor.clone() for tensor in inputs)  # what inference mode made cannot be traced

    def _remember(self, actions: NDArray[np.float32]) -> list[Remembered]:
        """Return what every player remembers of where ``actions`` (n, a) lead; what is seen in the way stops them."""
        if not self.travellers:
            return []
        assert self._known is not None
        near = self._known.near
        seen = [None] * self.players if near is None else [one.numpy() for one in near[:, 0].float().cpu()]
        return [one.remember(action, way) for one, action, way in zip(self.travellers, actions, seen, strict=True)]

    def _evaluate(self, remembered: list[Remembered]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return the pictures (n, 3, h, w), the steps (n, 2) and how worn each is, where the net tells them."""
        with torch.inference_mode():  # less work per operation than no_grad, and there are hundreds
            inputs = self._inputs(remembered)
            if self._fast is None:
                return play(self.net, *inputs)
            told = (*self._fast(*inputs), None, None)
            return told[0], told[1], told[2]

    def _inputs(self, remembered: list[Remembered]) -> tuple[Tensor, ...]:
        """Return what the net takes: past, actions, level, noise, and the fields of a recall where there is one."""
        self.prepare()
        known, level = self._known, torch.zeros(self.players, device=self.device)
        assert known is not None
        recall = stack_recall(remembered, self.device) if remembered else None
        if recall is not None and known.near is not None:
            recall = recall._replace(near=self._near(known.near, remembered))
        told = () if recall is None else tuple(part for part in recall if part is not None)
        return (*known.past, self.actions, level, known.noise, *told)

    def _look_back(self) -> "Known":
        if not self._folded:
            self._folded.extend(self._fold(frames) for frames in self.history.unbind(1))
        folded = torch.cat([self._folded[-age] for age in self.config.ages], 1)
        drawn = zip(self.seeds, self.ticks, strict=True)
        noise = torch.stack([draw_noise(self.config, seed, tick) for seed, tick in drawn]).to(self.device)
        near = self._near_now() if self.travellers and self.config.depth else None
        latest = self.actions[:, -2:].cpu().numpy() if self.travellers else ()
        for row, one in enumerate(self.travellers):
            one.look(latest[row])
        read_off = not self.travellers or self.travellers[0].near is None
        return Known(Past(to_float(self.history[:, -1]), folded), noise, near, read_off)

    def _near_now(self) -> Tensor:
        """Return how near things in the last frames are (n, 1, h, w): as pages tell, or as the net reads it off."""
        told = {row: one.near for row, one in enumerate(self.travellers) if one.near is not None}
        if len(told) == self.players:
            return torch.from_numpy(np.stack(list(told.values()))[:, None]).to(self.device)
        seen: Tensor = self.net.depth(self._folded[-1])
        for row, near in told.items():  # each player's is its own, whoever else there is
            seen[row, 0] = torch.from_numpy(near)
        return seen

    def _forget(self) -> None:
        """Another past is to be looked at."""
        self._folded.clear()
        self._known = None

    def _fold(self, frames: Tensor) -> Tensor:
        """Fold frames (n, h, w, 3) as the net sees them: once for all the ticks in which it does."""
        return fold(to_float(frames).to(self.dtype), self.config.fold)

    def _near(self, now: Tensor, remembered: list[Remembered]) -> Tensor:
        """Return how near things are in the last frames (n, 1, h, w) and in the pages; pages are looked at once."""
        newest = self.travellers[0].memory.newest
        # Among several it would come out in other bytes than alone, and what pages tell is not what the net reads off.
        if self.players == 1 and newest is not None and self._known is not None and self._known.read_off:
            self._nears[id(newest)] = (newest, now[0, 0])
        near = now.new_zeros(len(now), self.config.laid, *now.shape[2:])
        near[:, :1] = now
        for row, one in enumerate(remembered):
            for column, page in enumerate(one.pages):
                told = None if column or one.view is None else torch.from_numpy(one.view.near).to(near)
                near[row, 1 + column] = self._near_of(page) if told is None else told
        return near

    def _look_at_pages(self, memory: PageMemory) -> None:
        """Tell how near things are in all pages now, and not one by one in the middle of play; once for all starts."""
        for page in memory.frames.values():
            shown = blake2b(page.tobytes(), digest_size=16).digest()
            if shown not in self._again:
                with torch.inference_mode():
                    self._again[shown] = self._near_of(page)
            self._nears[id(page)] = page, self._again[shown]
            self._again.move_to_end(shown)
        for kept in (self._nears, self._again):
            self._forget_oldest(kept)

    def _forget_oldest(self, kept: OrderedDict[Any, Any]) -> None:
        while len(kept) > NEARS * self.players:
            kept.popitem(last=False)

    def _near_page(self, page: Frame) -> NDArray[np.float32]:
        with torch.inference_mode():
            near: NDArray[np.float32] = self._near_of(page).float().cpu().numpy()
        return near

    def _near_of(self, page: Frame) -> Tensor:
        known = self._nears.get(id(page))
        if known is None or known[0] is not page:
            frame = torch.from_numpy(np.array(page)).to(self.device)
            known = self._nears[id(page)] = (page, self.net.depth(self._fold(frame[None]))[0, 0])
        self._forget_oldest(self._nears)
        return known[1]

    def _shown(self, player: int) -> Frame:
        frame: Frame = self.history[player, -1].cpu().numpy().copy()
        return frame


def play(net: DreamNet, *inputs: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Let ``net`` play from what :meth:`DreamModel._inputs` returns."""
    last, folded, actions, level, noise, *known = inputs
    return net.play(Past(last, folded), actions, level, noise, Recall(*known) if known else None)


class Flat(nn.Module):
    """A net as a module that takes tensors only, a recall's fields after the rest, and returns what play tells."""

    def __init__(self, net: DreamNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Draw."""
        frame, *more = play(self.net, *inputs)
        return (frame, *(part for part in more if part is not None))


def _pad(rows: NDArray[Any], length: int) -> NDArray[Any]:
    """Return the last ``length`` rows; where there are fewer, the first one is repeated before them."""
    short = max(length - len(rows), 0)
    return np.ascontiguousarray(np.concatenate([np.repeat(rows[:1], short, 0), rows[-length:]]))


def tiny_card() -> Card:
    """Return the card of a net of a few thousand weights, for tests of the contract."""
    controls = [{"name": name, "kind": "button", "keys": [name[0]]} for name in ("forward", "turn", "use")]
    schema = {"format": 1, "name": "tiny", "control": controls}
    return Card("tiny", "dream", 48, 32, 35.0, schema, _TINY.history, config=asdict(_TINY))


def tiny_weights() -> dict[str, Tensor]:
    """Return untrained weights for :func:`tiny_card`."""
    torch.manual_seed(0)
    return dict(DreamNet(_TINY).state_dict())


_TINY = NetConfig(
    pages=2,
    depth=True,
    wearing=0.4,
    height_px=32,
    width_px=48,
    actions=3,
    widths=(8, 8, 16),
    down=(1, 0, 1),
    up=(1, 0, 0),
    refine=1,
    cond=8,
)
