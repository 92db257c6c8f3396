"""Oasis-500M: a block world dreamed in latent pictures, one at a time, after any start picture.

Plays the published weights (``oasis500m.safetensors`` and ``vit-l-20.safetensors``, read key for key) for n players.
Finished frames are never evaluated twice while the window of 32 frames fills: their keys and values are kept
(oasis_cache.py), which gives the published numbers. What happens after that is ``recompute_every`` in
oasis_config.py. Knows nothing about windows or files of recordings.
"""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamloop.input.errors import ConfigError
from dreamloop.input.schema import ActionSchema
from dreamloop.model.checkpoint import CheckpointError, weights_hash
from dreamloop.model.device import choose_engine
from dreamloop.model.noise import SeededNoise
from dreamloop.model.oasis_cache import KeyValueCache
from dreamloop.model.oasis_config import OasisConfig
from dreamloop.model.oasis_dit import Dynamics
from dreamloop.model.oasis_sampler import advance, plan
from dreamloop.model.oasis_vae import Autoencoder, to_levels
from dreamloop.model.pixels import to_float
from dreamloop.model.published import fill, random_weights, read_tensors, read_weights
from dreamloop.model.table import adjust
from dreamloop.model.world_model import (
    STEP_CHOICES,
    Card,
    Frame,
    ModelError,
    ModelState,
    OpenOptions,
    Scene,
    check_actions,
    check_player,
    check_scene,
    check_state,
)

DYNAMICS, AUTOENCODER = "oasis500m.safetensors", "vit-l-20.safetensors"
ROTARY = "rotary_emb.freqs"  # the published files hold frequencies under several names; they are worked out here


def build(card: Card, weights: Path | None, options: OpenOptions) -> "OasisModel":
    """Open a checkpoint of ours, or a folder with the two published files.

    Raises:
        CheckpointError: weights that are missing, damaged, foreign or of another shape.
        ConfigError: a configuration with an unknown key or value.
    """
    if weights is None:
        raise CheckpointError(f"the world '{card.name}' names no weights; see 'dreamloop weights'")
    if weights.is_dir():
        parts = {"dynamics": weights / DYNAMICS, "autoencoder": weights / AUTOENCODER}
        tensors = {name: read_tensors(path) for name, path in parts.items()}
        if not card.weights_hash:
            together = {f"{name}.{key}": value for name, part in tensors.items() for key, value in part.items()}
            card = replace(card, weights_hash=weights_hash(together))
    else:
        together, card = read_weights(weights, card)
        parts = {"dynamics": weights, "autoencoder": weights}
        tensors = {name: _under(name, together) for name in parts}
    nets = empty_nets(read_config(card), card)
    for name, net in nets.items():
        fill(parts[name], net, {key: value for key, value in tensors[name].items() if not key.endswith(ROTARY)})
    return OasisModel(nets, card, options)


def build_untrained(card: Card, options: OpenOptions) -> "OasisModel":
    """Open a model with seeded random weights, for timing."""
    nets = empty_nets(read_config(card), card)
    nets.load_state_dict(random_weights(nets.state_dict()), assign=True)
    return OasisModel(nets, replace(card, weights_hash="untrained"), options)


def read_config(card: Card) -> OasisConfig:
    """Return the configuration on the card.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, or one that cannot work.
    """
    config = adjust(OasisConfig(), card.config, "model")
    if not 1 <= config.steps <= 1000:
        raise ConfigError(f"[model] steps = {config.steps} must be from 1 to 1000; 10, 4, 2 and 1 are common")
    if not 0 <= config.recompute_every < config.window:
        raise ConfigError(
            f"[model] recompute_every = {config.recompute_every} must be from 0 (slide) to {config.window - 1}"
        )
    unit = config.vae_patch * config.patch
    if card.height_px % unit or card.width_px % unit:
        raise ConfigError(f"frames of {card.width_px} x {card.height_px} are not made of squares of {unit} pixels")
    return config


def empty_nets(config: OasisConfig, card: Card) -> nn.ModuleDict:
    """Return dynamics and autoencoder without memory for their weights, named as published."""
    rows, columns = card.height_px // config.vae_patch, card.width_px // config.vae_patch
    with torch.device("meta"):
        dynamics = Dynamics(config, rows, columns)
        autoencoder = Autoencoder(config, card.height_px, card.width_px)
    return nn.ModuleDict({"dynamics": dynamics, "autoencoder": autoencoder})


class OasisModel:
    """A WorldModel. The noisy frames of all players are evaluated together."""

    def __init__(self, nets: nn.ModuleDict, card: Card, options: OpenOptions) -> None:
        self.card, self.players, self.config = card, options.players, read_config(card)
        self.device, self.dtype = choose_engine(options)
        self.size = ActionSchema.from_dict(card.schema, where=f"card of {card.name}").size
        if self.size != self.config.actions:
            raise ModelError(f"the schema has {self.size} entries, the net takes {self.config.actions}")
        nets = nets.to(device=self.device, dtype=self.dtype).eval().requires_grad_(False)
        self.dynamics: Dynamics = nets["dynamics"]  # type: ignore[assignment]
        self.autoencoder: Autoencoder = nets["autoencoder"]  # type: ignore[assignment]
        self.steps = self.config.steps
        self._allocate(self.dtype)

    def _allocate(self, dtype: torch.dtype) -> None:
        config, n = self.config, self.players
        places = self.dynamics.rows * self.dynamics.columns
        kind = torch.empty(0, dtype=dtype, device=self.device)
        rows, width = places * config.heads, config.hidden // config.heads
        self.cache = KeyValueCache(config.depth, n, rows, config.window, width, kind)
        shape = (n, config.window, config.channels, self.autoencoder.rows, self.autoencoder.columns)
        self.latents = torch.zeros(shape, device=self.device)
        self.actions = torch.zeros(n, config.window, config.actions, device=self.device)
        self.based = [0] * n  # how many of a player's stored frames were evaluated together
        self.frames: NDArray[np.uint8] = np.zeros((n, self.card.height_px, self.card.width_px, 3), np.uint8)
        self.seeds, self.ticks = [0] * n, [0] * n
        self._ms = dict.fromkeys(("dynamics_ms", "decode_ms", "behind_ms", "wait_ms"), 0.0)
        self._put_off: Future[None] | None = None
        self._behind = ThreadPoolExecutor(1, "dreamloop-behind", _use_threads, (torch.get_num_threads(),))

    @property
    def steps(self) -> int:
        """Evaluations a frame; may be changed between two frames."""
        return len(self._plan)

    @steps.setter
    def steps(self, count: int) -> None:
        self._plan = plan(count)
        self._labels = torch.tensor([step.label for step in self._plan], device=self.device)

    @property
    def step_choices(self) -> tuple[int, ...]:
        """Numbers of evaluations that are worth offering, most first."""
        return tuple(sorted({*STEP_CHOICES, self.config.steps}, reverse=True))

    @torch.no_grad()
    def reset(self, player: int, scene: Scene | None, seed: int) -> Frame:
        """Start over after the pictures of ``scene`` (None: after a black one); one picture is enough."""
        check_player(player, self.players)
        self.settle()
        frames = np.zeros((1, *self.frames.shape[1:]), np.uint8)
        actions = np.zeros((1, self.size), np.float32)
        if scene is not None:
            check_scene(scene, self.card, self.size)
            most = self.config.window - 1
            frames, actions = scene.frames[-most:], scene.actions[-most:]
        self.seeds[player], self.ticks[player] = seed, 0
        shown = torch.from_numpy(np.ascontiguousarray(frames)).to(self.device)
        latents = self.autoencoder.encode(to_float(shown).to(self.autoencoder.predictor.weight.dtype))
        self._base(player, latents, torch.from_numpy(np.array(actions, np.float32)).to(self.device))
        self.frames[player] = frames[-1]
        return self._shown(player)

    @torch.no_grad()
    def step(self, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Dream the frames (n, h, w, 3) that ``actions`` (n, a) lead to."""
        check_actions(actions, self.players, self.size)
        started_s = time.perf_counter()
        self.settle()
        started_s = self._stamp("wait_ms", started_s)
        self._make_room()  # only after a load; else it was done behind the frame before
        now = torch.from_numpy(np.array(actions, np.float32)).to(self.device)
        latents = self._denoise(now)
        started_s = self._stamp("dynamics_ms", started_s)
        self.frames = to_levels(self.autoencoder.decode(latents)).cpu().numpy()
        self._stamp("decode_ms", started_s)
        self._put_off = self._behind.submit(self._prepare_next, latents, now)
        self.ticks = [tick + 1 for tick in self.ticks]
        return self.frames.copy()

    def settle(self) -> None:
        """Wait until what was put off behind the last frame is done: nothing else may look at the window before."""
        if self._put_off is not None:
            done, self._put_off = self._put_off, None
            done.result()

    @torch.no_grad()
    def _prepare_next(self, latents: Tensor, actions: Tensor) -> None:
        """Do what the next frame needs of this one and the player need not wait for: store it, make room.

        Runs on a thread of its own while the frame is shown and the player thinks; with the same number of processor
        threads as all else, so that it gives the same bytes.
        """
        started_s = time.perf_counter()
        for player in range(self.players):
            # One by one, as when a state is loaded: a batch of another size may round in another way.
            self._commit(player, latents[player], actions[player])
        self._make_room()
        self._stamp("behind_ms", started_s)

    def save(self, player: int) -> ModelState:
        """Return the latent frames and actions of the window; with a sliding window the keys and values as well."""
        check_player(player, self.players)
        self.settle()
        count = min(self.cache.counts[player], self.config.window)
        values: dict[str, Any] = {
            "latents": self.latents[player, :count].cpu().numpy().copy(),
            "actions": self.actions[player, :count].cpu().numpy().copy(),
            "frame": self.frames[player].copy(),
            "seed": self.seeds[player],
            "count": self.cache.counts[player],
            "based": self.based[player],
        }
        if not self.config.recompute_every:
            values["keys"] = self.cache.keys[:, player].float().cpu().numpy().copy()
            values["values"] = self.cache.values[:, player].float().cpu().numpy().copy()
        return ModelState(self.card.arch, self.card.weights_hash, self.ticks[player], values)

    @torch.no_grad()
    def load(self, player: int, state: ModelState) -> Frame:
        """Go back to ``state``; the window's keys and values are worked out again the way they first were."""
        check_player(player, self.players)
        check_state(state, self.card)
        self.settle()
        if self.config.recompute_every == 0 and "keys" not in state.values:
            raise ModelError("the state was saved without keys and values; load it with recompute_every above 0")
        latents = torch.from_numpy(np.array(state.values["latents"])).to(self.device)
        actions = torch.from_numpy(np.array(state.values["actions"])).to(self.device)
        based = int(state.values["based"])
        if self.config.recompute_every:
            self._base(player, latents[:based], actions[:based])
            for i in range(based, len(latents)):
                self._commit(player, latents[i], actions[i])
        else:
            self.latents[player, : len(latents)], self.actions[player, : len(actions)] = latents, actions
            self.cache.keys[:, player] = torch.from_numpy(state.values["keys"]).to(self.cache.keys)
            self.cache.values[:, player] = torch.from_numpy(state.values["values"]).to(self.cache.values)
        self.cache.counts[player], self.based[player] = int(state.values["count"]), based
        self.frames[player] = state.values["frame"]
        self.seeds[player], self.ticks[player] = int(state.values["seed"]), state.tick
        return self._shown(player)

    def stats(self) -> Mapping[str, float]:
        """Return the time of each stage of the last step, evaluations a frame and the size of what is remembered."""
        memory = self.cache.nbytes + self.latents.nbytes + self.actions.nbytes
        return self._ms | {
            "steps": float(self.steps),
            "evaluations": float(self.steps + 1),
            "memory_bytes": float(memory),
        }

    def _denoise(self, actions: Tensor) -> Tensor:
        """Return clean latents (n, c, h, w), all players at once; what was stored of earlier frames is only read."""
        noise = SeededNoise(self.seeds, self.ticks, self.device)
        limit = self.config.noise_limit
        latents = noise(*self.latents.shape[2:]).clamp(-limit, limit)
        ticks = torch.tensor(self.cache.counts, device=self.device)[:, None]
        attend = self.cache.step(slice(None))
        # Every noise level of the frame at once: the widest matrices are read once and not once a step.
        led = self.dynamics.lead(self._labels[:, None, None], actions[None, :, None])
        for i, step in enumerate(self._plan):
            velocity = self.dynamics(latents[:, None], [part[i] for part in led], ticks, attend)
            latents = advance(step, latents, velocity[:, 0])
        return latents

    def _commit(self, player: int, latents: Tensor, actions: Tensor) -> None:
        """Store one finished frame of one player."""
        number = self.cache.counts[player]
        slot = number % self.config.window
        self.latents[player, slot], self.actions[player, slot] = latents, actions
        attend = self.cache.step(slice(player, player + 1))
        self._look(latents[None, None], actions[None, None], torch.tensor([[number]], device=self.device), attend)
        self.cache.counts[player] = number + 1

    def _base(self, player: int, latents: Tensor, actions: Tensor) -> None:
        """Forget what a player has stored and store these finished frames (t, c, h, w) together."""
        t = len(latents)
        self.latents[player, :t], self.actions[player, :t] = latents, actions
        ticks = torch.arange(t, device=self.device)[None]
        self._look(latents[None], actions[None], ticks, self.cache.fill(player))
        self.cache.counts[player] = self.based[player] = t

    def _look(self, latents: Tensor, actions: Tensor, ticks: Tensor, attend: Any) -> None:
        """Evaluate finished frames for their keys and values only."""
        labels = torch.full(latents.shape[:2], self.config.context_label, device=self.device)
        self.dynamics(latents, self.dynamics.lead(labels, actions), ticks, attend, last=False)

    def _make_room(self) -> None:
        """Evaluate the newest frames anew where a player's window is full."""
        every, window = self.config.recompute_every, self.config.window
        for player, count in enumerate(self.cache.counts):
            if every and count == window:
                self._base(player, self.latents[player, every:].clone(), self.actions[player, every:].clone())

    def _stamp(self, name: str, started_s: float) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now_s = time.perf_counter()
        self._ms[name] = 1e3 * (now_s - started_s)
        return now_s

    def _shown(self, player: int) -> Frame:
        frame: Frame = self.frames[player].copy()
        return frame


def _use_threads(count: int) -> None:
    torch.set_num_threads(count)
    torch.get_num_threads()  # torch settles the number for this thread at its first question


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


_TINY = OasisConfig(
    hidden=32,
    depth=2,
    heads=2,
    channels=4,
    actions=3,
    window=5,
    vae_patch=4,
    vae_hidden=32,
    vae_heads=2,
    encoder_depth=1,
    decoder_depth=1,
    steps=2,
    recompute_every=2,
)


def tiny_card() -> Card:
    """Return the card of a net of a few thousand weights whose window is soon full, for tests of the contract."""
    controls = [{"name": name, "kind": "button", "keys": [name[0]]} for name in ("forward", "jump", "use")]
    schema = {"format": 1, "name": "tiny", "control": controls}
    return Card("tiny", "oasis", 24, 16, 20.0, schema, config=asdict(_TINY))


def tiny_weights() -> dict[str, Tensor]:
    """Return untrained weights for :func:`tiny_card`."""
    torch.manual_seed(0)
    nets = empty_nets(_TINY, tiny_card())
    return {name: torch.randn(tensor.shape) / 4 for name, tensor in nets.state_dict().items()}
