"""Trains an agent inside the dream and scores it in the real game, beside a random one.

    python -m dreamloop.demos.doom.train_agent --frames 36000

PPO in the manner of CleanRL: a small conv net over three small grey pictures, ten moves, eight dreams side by side in
one batch. The agent never meets the simulator before it is scored there, on maps that neither it nor the dream has
seen; every policy plays the same maps with the same chance, so they are compared in pairs. The same numbers and seed
give the same agent. Prints one line of JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional as F

from dreamloop.demos.doom.maps import TEST_SEEDS_FROM
from dreamloop.demos.doom.simulator import RATE_HZ, DoomEnv, make_env
from dreamloop.runtime.gym import register_worlds

# forward, back, left, right, run, turn, look, attack, use: the order of schema.toml
MOVES = np.array(
    [
        (1, 0, 0, 0, 1, 0, 0, 0, 0),
        (1, 0, 0, 0, 1, -0.4, 0, 0, 0),
        (1, 0, 0, 0, 1, 0.4, 0, 0, 0),
        (0, 0, 0, 0, 0, -0.7, 0, 0, 0),
        (0, 0, 0, 0, 0, 0.7, 0, 0, 0),
        (0, 1, 0, 0, 0, 0, 0, 0, 0),
        (0, 0, 1, 0, 1, 0, 0, 0, 0),
        (0, 0, 0, 1, 1, 0, 0, 0, 0),
        (0, 0, 0, 0, 0, 0, 0, 1, 0),
        (1, 0, 0, 0, 0, 0, 0, 0, 1),
    ],
    np.float32,
)
HOLD_TICKS = 4  # that a move is held
STACK, SHRINK = 3, 4  # pictures that the agent sees; frame pixels per picture pixel, a side
PLAYERS, STEPS = 8, 32  # of one rollout
GAMMA, LAMBDA = 0.95, 0.95  # worth of what comes a second later: 0.6
EPOCHS, MINIBATCHES = 8, 4
CLIP, VALUE_WEIGHT = 0.2, 0.5
LEARNING_RATE, ENTROPY_WEIGHT = 2.5e-3, 0.02  # at first; both fall to a tenth
PAY_SCALE = 10.0  # rewards are a twentieth; the value net likes ones
EPISODE_TICKS = 30 * RATE_HZ
SQUARE, SQUARE_PAY = 256, 0.05  # map units a side, and what entering a new one is paid: as simulator.py has it

Policy = Callable[[NDArray[np.uint8]], int]  # pictures (STACK, h, w) -> number of a move


class Agent(nn.Module):
    """Pictures (b, STACK, h, w) uint8 in; logits of the moves (b, m) and values (b,) out."""

    shares: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.see = nn.Sequential(
            nn.Conv2d(STACK, 16, 4, 2), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten()
        )
        seen = self.see(torch.zeros(1, STACK, height, width)).shape[1]
        self.think = nn.Sequential(nn.Linear(seen, 128), nn.ReLU())
        self.move, self.value = nn.Linear(128, len(MOVES)), nn.Linear(128, 1)
        for layer, gain in ((self.move, 0.01), (self.value, 1.0)):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        # how often it made each move at the end of training: what it would be without its eyes
        self.register_buffer("shares", torch.full((len(MOVES),), 1 / len(MOVES)))

    def forward(self, pictures: Tensor) -> tuple[Categorical, Tensor]:
        x = self.think(self.see(pictures.float() / 127.5 - 1))
        return Categorical(logits=self.move(x)), self.value(x)[:, 0]


class Eyes:
    """The last pictures of n players, small and grey."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.seen = np.repeat(small(frames)[:, np.newaxis], STACK, 1)

    def look(self, frames: NDArray[np.uint8], begun: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
        """Add the newest frames (n, h, w, 3); who has ``begun`` anew forgets the rest. Return (n, STACK, h, w)."""
        now = small(frames)
        self.seen = np.concatenate([self.seen[:, 1:], now[:, np.newaxis]], 1)
        if begun is not None:
            self.seen[begun] = now[begun, np.newaxis]
        return self.seen


def small(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey box averages (n, h / SHRINK, w / SHRINK) of frames (n, h, w, 3)."""
    n, h, w, _ = frames.shape
    boxes = frames.mean(3).reshape(n, h // SHRINK, SHRINK, w // SHRINK, SHRINK)
    grey: NDArray[np.uint8] = boxes.mean((2, 4)).astype(np.uint8)
    return grey


# -- in the dream ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rollout:
    """What t decisions of n players came to; every array is (t, n, ...)."""

    seen: NDArray[np.uint8]  # pictures
    moves: Tensor
    chances: Tensor  # logarithm of the chance that the move had
    values: Tensor
    pay: NDArray[np.float32]
    goes_on: NDArray[np.float32]  # 0 where an episode ended or was cut off with this decision
    counts: NDArray[np.float32]  # 0 where an episode began anew with it, whatever the move


class Dreamers:
    """Players that dream side by side in one batch, on one thread: so a seed decides everything, on any machine."""

    def __init__(self, seed: int) -> None:
        register_worlds()
        self._dreams = gymnasium.make_vec("dreamloop/Doom-v0", num_envs=PLAYERS, frame_skip=HOLD_TICKS, threads=1)
        self.eyes = Eyes(self._dreams.reset(seed=seed)[0])
        self._over = np.zeros(PLAYERS, np.bool_)

    @torch.no_grad()
    def play(self, agent: Agent) -> Rollout:
        """Let ``agent`` decide ``STEPS`` times for every player."""
        seen = np.zeros((STEPS, *self.eyes.seen.shape), np.uint8)
        moves, chances, values = (torch.zeros(STEPS, PLAYERS) for _ in range(3))
        pay, goes_on, counts = (np.zeros((STEPS, PLAYERS), np.float32) for _ in range(3))
        for t in range(STEPS):
            seen[t], counts[t] = self.eyes.seen, ~self._over
            policy, values[t] = agent(torch.from_numpy(self.eyes.seen))
            moves[t] = policy.sample()
            chances[t] = policy.log_prob(moves[t])
            frames, rewards, ended, cut, _ = self._dreams.step(MOVES[moves[t].long().numpy()])
            self.eyes.look(frames, self._over)
            self._over = ended | cut
            pay[t], goes_on[t] = PAY_SCALE * rewards, ~self._over
        return Rollout(seen, moves, chances, values, pay, goes_on, counts)

    def close(self) -> None:
        """Wake up."""
        self._dreams.close()


def train(frames: int, seed: int) -> tuple[Agent, dict[str, Any]]:
    """Train an agent for so many dreamed frames and return it with the course of its training."""
    torch.manual_seed(seed)
    dreamers = Dreamers(seed)
    agent = Agent(*dreamers.eyes.seen.shape[2:])
    optimiser = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE, eps=1e-5)
    rounds = max(round(frames / (STEPS * PLAYERS * HOLD_TICKS)), 1)
    paid, entropies, shares = list[float](), list[float](), list[Tensor]()
    for number in range(rounds):
        rollout = dreamers.play(agent)
        with torch.no_grad():
            last = agent(torch.from_numpy(dreamers.eyes.seen))[1]
        fading = 1 - 0.9 * number / rounds
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * fading
        entropies.append(improve(agent, optimiser, rollout, advantages(rollout, last), ENTROPY_WEIGHT * fading))
        paid.append(float(rollout.pay.sum() / PAY_SCALE / rollout.counts.sum() / HOLD_TICKS))
        shares.append(torch.bincount(rollout.moves.long().flatten(), minlength=len(MOVES)) / rollout.moves.numel())
        sys.stderr.write(f"{(number + 1) / rounds:5.0%}  paid per tick {paid[-1]:.5f}  entropy {entropies[-1]:.2f}\n")
    dreamers.close()
    fifth = max(rounds // 5, 1)
    agent.shares.copy_(torch.stack(shares[-fifth:]).mean(0))
    return agent, {
        "dreamed_frames": rounds * STEPS * PLAYERS * HOLD_TICKS,
        "decisions": rounds * STEPS * PLAYERS,
        "paid_per_tick_first_fifth": float(np.mean(paid[:fifth])),
        "paid_per_tick_last_fifth": float(np.mean(paid[-fifth:])),
        "entropy_first_last": [entropies[0], entropies[-1]],
    }


def advantages(rollout: Rollout, last: Tensor) -> Tensor:
    """Generalised advantage estimation: (t, n); ``last`` (n,) are the values after the rollout."""
    values = rollout.values
    gains, following, gain = torch.zeros_like(values), last, torch.zeros_like(last)
    for t in reversed(range(len(values))):
        alive = torch.from_numpy(rollout.goes_on[t])
        error = torch.from_numpy(rollout.pay[t]) + GAMMA * alive * following - values[t]
        gain = error + GAMMA * LAMBDA * alive * gain
        gains[t], following = gain, values[t]
    return gains


def improve(agent: Agent, optimiser: torch.optim.Optimizer, rollout: Rollout, gains: Tensor, curious: float) -> float:
    """Take PPO's steps on one rollout; return the mean entropy of the policy before. ``curious`` weighs entropy."""
    rows = torch.nonzero(torch.from_numpy(rollout.counts).flatten())[:, 0]
    pictures = torch.from_numpy(rollout.seen).flatten(0, 1)
    moves, chances, aims = rollout.moves.flatten(), rollout.chances.flatten(), (gains + rollout.values).flatten()
    with torch.no_grad():
        entropy_before = float(agent(pictures[rows])[0].entropy().mean())
    for _ in range(EPOCHS):
        for part in rows[torch.randperm(len(rows))].chunk(MINIBATCHES):
            policy, values = agent(pictures[part])
            ratio = (policy.log_prob(moves[part]) - chances[part]).exp()
            gain = gains.flatten()[part]
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            worst = torch.min(gain * ratio, gain * ratio.clamp(1 - CLIP, 1 + CLIP))
            surprise = F.mse_loss(values, aims[part])
            loss = -worst.mean() + VALUE_WEIGHT * surprise - curious * policy.entropy().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimiser.step()
    return entropy_before


# -- in the game -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Played:
    """What one episode of the real game came to."""

    true_return: float
    exploring: float  # the part of it that squares paid: what the dream pays for
    kills: float
    items: float
    deaths: float


def policies(agent: Agent, seed: int) -> dict[str, Policy]:
    """Return who is scored: the agent, the agent without its eyes, and one that knows nothing."""
    rng = np.random.default_rng(seed)
    shares = agent.shares.double().numpy()

    @torch.no_grad()
    def trained(pictures: NDArray[np.uint8]) -> int:
        chances = agent(torch.from_numpy(pictures[np.newaxis]))[0].probs[0].double().numpy()
        return int(rng.choice(len(MOVES), p=chances / chances.sum()))

    return {
        "trained": trained,
        "blind": lambda pictures: int(rng.choice(len(MOVES), p=shares / shares.sum())),
        "random": lambda pictures: int(rng.integers(len(MOVES))),
    }


def play(env: DoomEnv, policy: Policy, map_seed: int, seed: int) -> Played:
    """Let ``policy`` play one episode of 30 s."""
    frame, info = env.reset(seed=seed, options={"map_seed": map_seed})
    eyes, true_return, tick, over = Eyes(frame[np.newaxis]), 0.0, 0, False
    squares = {_square(info)}
    while not over and tick < EPISODE_TICKS:
        move = MOVES[policy(eyes.seen[0])]
        for _ in range(HOLD_TICKS):
            frame, reward, over, _, info = env.step(move)
            true_return, tick = true_return + reward, tick + 1
            squares.add(_square(info))
            if over:
                break
        eyes.look(frame[np.newaxis])
    exploring = SQUARE_PAY * (len(squares) - 1)  # the first square is not earned
    return Played(true_return, exploring, float(info["kills"]), float(info["items"]), float(over))


def score(who: Mapping[str, Policy], episodes: int, seed: int) -> dict[str, Any]:
    """Let everybody play the same ``episodes`` unseen maps; return means, and differences from "random" in pairs."""
    rows: dict[str, list[Played]] = {name: [] for name in who}
    env = make_env(maps="test", seed=seed)
    for episode in range(episodes):
        for name, policy in who.items():
            map_seed = TEST_SEEDS_FROM + 5_000_000 + seed * 1_000 + episode
            rows[name].append(play(env, policy, map_seed, seed + episode))
        sys.stderr.write(f"episode {episode + 1} of {episodes}\n")
    env.close()
    tables = {
        name: {key: [asdict(one)[key] for one in played] for key in asdict(played[0])} for name, played in rows.items()
    }
    report: dict[str, Any] = {}
    for name, table in tables.items():
        report[name] = {key: mean_and_ci(values) for key, values in table.items()}
        if name != "random":
            for key in ("true_return", "exploring"):
                apart = np.subtract(table[key], tables["random"][key])
                report[name][f"{key}_minus_random"] = mean_and_ci(apart.tolist())
    return report


def mean_and_ci(values: list[float]) -> dict[str, float]:
    """Return the mean of ``values`` and half the width of its 95 % interval."""
    half = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return {"mean": round(float(np.mean(values)), 4), "ci": round(half, 4)}


def _square(info: Mapping[str, Any]) -> tuple[int, int]:
    x, y, *_ = info["pose"]
    return int(x // SQUARE), int(y // SQUARE)


def main() -> int:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description="Train an agent in the dreamed Doom and score it in the real one.")
    parser.add_argument("--frames", type=int, default=36_000, help="dreamed frames of training")
    parser.add_argument("--episodes", type=int, default=64, help="real episodes of 30 s for every policy, at least 2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the trained agent here (.safetensors)")
    parser.add_argument("--agent", type=Path, help="score this one, which --keep wrote, and train none")
    options = parser.parse_args()
    begun_cpu_s = time.process_time()
    if options.agent:
        weights = load_file(options.agent)
        agent, course = Agent(96 // SHRINK, 128 // SHRINK), dict[str, Any]()
        agent.load_state_dict(weights)
    else:
        agent, course = train(options.frames, options.seed)
        course["cpu_minutes"] = round((time.process_time() - begun_cpu_s) / 60, 2)
    if options.keep:
        save_file(agent.state_dict(), options.keep)
    shares = [round(float(share), 3) for share in agent.shares]
    real = score(policies(agent, options.seed), options.episodes, options.seed)
    report = {"training": course, "move_shares": shares, "real": real, "episodes": options.episodes}
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
