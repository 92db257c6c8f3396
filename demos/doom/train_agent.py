"""Trains an agent inside the dream and scores it in the real game, beside a random one.

    python -m dreamloop.demos.doom.train_agent --minutes 8

PPO in the manner of CleanRL: a small conv net over three small grey pictures, ten moves, eight dreams side by side in
one batch. The agent never meets the simulator before it is scored there, on maps that neither it nor the dream has
seen. Prints one line of JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional as F

from dreamloop.demos.doom.maps import TEST_SEEDS_FROM
from dreamloop.demos.doom.simulator import RATE_HZ, make_env
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
FORWARD, SHOOT = 0, 8
HOLD_TICKS = 4  # that a move is held
STACK, SHRINK = 3, 4  # pictures that the agent sees; frame pixels per picture pixel, a side
PLAYERS, STEPS = 8, 32  # of one rollout
GAMMA, LAMBDA = 0.97, 0.95
EPOCHS, MINIBATCHES = 6, 4
CLIP, VALUE_WEIGHT, ENTROPY_WEIGHT = 0.2, 0.5, 0.03
LEARNING_RATE = 2e-3
PAY_SCALE = 10.0  # rewards are a twentieth; the value net likes ones
EPISODE_TICKS = 30 * RATE_HZ

Policy = Callable[[NDArray[np.uint8]], int]  # pictures (STACK, h, w) -> number of a move


class Agent(nn.Module):
    """Pictures (b, STACK, h, w) uint8 in; logits of the moves (b, m) and values (b,) out."""

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


def train(minutes: float, seed: int) -> tuple[Agent, dict[str, object]]:
    """Train an agent in the dream for ``minutes`` and return it with the course of its training."""
    torch.manual_seed(seed)
    register_worlds()
    dreams = gymnasium.make_vec("dreamloop/Doom-v0", num_envs=PLAYERS, frame_skip=HOLD_TICKS)
    frames, _ = dreams.reset(seed=seed)
    eyes = Eyes(frames)
    agent = Agent(*eyes.seen.shape[2:])
    optimiser = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE, eps=1e-5)
    begun_s, paid, entropies, share = time.monotonic(), list[float](), list[float](), 0.0
    over = np.zeros(PLAYERS, np.bool_)
    while share < 1.0:
        seen = np.zeros((STEPS, *eyes.seen.shape), np.uint8)
        moves, chances, values = (torch.zeros(STEPS, PLAYERS) for _ in range(3))
        pay, goes_on, counts = (np.zeros((STEPS, PLAYERS), np.float32) for _ in range(3))
        for t in range(STEPS):
            seen[t] = eyes.seen
            with torch.no_grad():
                policy, values[t] = agent(torch.from_numpy(eyes.seen))
            moves[t] = policy.sample()
            chances[t] = policy.log_prob(moves[t])
            counts[t] = ~over  # an environment that was over begins anew with this step, whatever the move
            frames, rewards, ended, cut, _ = dreams.step(MOVES[moves[t].long().numpy()])
            eyes.look(frames, over)
            over = ended | cut
            pay[t], goes_on[t] = PAY_SCALE * rewards, ~over
        with torch.no_grad():
            last = agent(torch.from_numpy(eyes.seen))[1]
        gains = advantages(pay, goes_on, values, last)
        share = min((time.monotonic() - begun_s) / (60 * minutes), 1.0)
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 - 0.9 * share)
        rollout = (seen, moves, chances, gains, gains + values, torch.from_numpy(counts))
        entropies.append(improve(agent, optimiser, *rollout))
        paid.append(float(pay.sum() / PAY_SCALE / counts.sum() / HOLD_TICKS))
        sys.stderr.write(f"{share:5.0%}  paid per tick {paid[-1]:.5f}  entropy {entropies[-1]:.2f}\n")
    dreams.close()
    fifth = max(len(paid) // 5, 1)
    return agent, {
        "decisions": len(paid) * STEPS * PLAYERS,
        "dreamed_frames": len(paid) * STEPS * PLAYERS * HOLD_TICKS,
        "paid_per_tick_first_fifth": float(np.mean(paid[:fifth])),
        "paid_per_tick_last_fifth": float(np.mean(paid[-fifth:])),
        "entropy_first_last": [entropies[0], entropies[-1]],
    }


def advantages(pay: NDArray[np.float32], goes_on: NDArray[np.float32], values: Tensor, last: Tensor) -> Tensor:
    """Generalised advantage estimation over (t, n); ``goes_on`` is 0 where an episode ended or was cut."""
    gains, following, gain = torch.zeros_like(values), last, torch.zeros_like(last)
    for t in reversed(range(len(pay))):
        alive = torch.from_numpy(goes_on[t])
        error = torch.from_numpy(pay[t]) + GAMMA * alive * following - values[t]
        gain = error + GAMMA * LAMBDA * alive * gain
        gains[t], following = gain, values[t]
    return gains


def improve(
    agent: Agent,
    optimiser: torch.optim.Optimizer,
    seen: NDArray[np.uint8],
    moves: Tensor,
    chances: Tensor,
    gains: Tensor,
    returns: Tensor,
    counts: Tensor,
) -> float:
    """Take PPO's steps on one rollout; return the mean entropy of the policy before."""
    rows = torch.nonzero(counts.flatten())[:, 0]
    pictures = torch.from_numpy(seen).flatten(0, 1)
    entropy_before = 0.0
    for epoch in range(EPOCHS):
        for part in rows[torch.randperm(len(rows))].chunk(MINIBATCHES):
            policy, values = agent(pictures[part])
            ratio = (policy.log_prob(moves.flatten()[part]) - chances.flatten()[part]).exp()
            gain = gains.flatten()[part]
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            worst = torch.min(gain * ratio, gain * ratio.clamp(1 - CLIP, 1 + CLIP))
            entropy = policy.entropy().mean()
            surprise = F.mse_loss(values, returns.flatten()[part])
            loss = -worst.mean() + VALUE_WEIGHT * surprise - ENTROPY_WEIGHT * entropy
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimiser.step()
            entropy_before = entropy_before or float(entropy.detach()) if epoch == 0 else entropy_before
    return entropy_before


def score(policies: dict[str, Policy], episodes: int, seed: int) -> dict[str, dict[str, float]]:
    """Play ``episodes`` maps that nobody has seen, once with every policy; return the true rewards."""
    returns: dict[str, list[float]] = {name: [] for name in policies}
    env = make_env(maps="test", seed=seed)
    for episode in range(episodes):
        for name, policy in policies.items():
            place = {"map_seed": TEST_SEEDS_FROM + 5_000_000 + seed * 1_000 + episode}
            frame, _ = env.reset(seed=seed + episode, options=place)
            eyes, total, over, tick = Eyes(frame[np.newaxis]), 0.0, False, 0
            while not over and tick < EPISODE_TICKS:
                move = MOVES[policy(eyes.seen[0])]
                for _ in range(HOLD_TICKS):
                    frame, reward, ended, _, _ = env.step(move)
                    total, tick, over = total + reward, tick + 1, over or ended
                    if over:
                        break
                eyes.look(frame[np.newaxis])
            returns[name].append(total)
    env.close()
    half = {name: 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 for name, values in returns.items()}
    return {name: {"mean_return": float(np.mean(values)), "ci": half[name]} for name, values in returns.items()}


def main() -> int:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description="Train an agent in the dreamed Doom and score it in the real one.")
    parser.add_argument("--minutes", type=float, default=8.0, help="of training")
    parser.add_argument("--episodes", type=int, default=24, help="real episodes of 30 s for every policy")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    agent, course = train(options.minutes, options.seed)
    spent = {"minutes": (time.monotonic() - begun_s) / 60, "cpu_minutes": (time.process_time() - begun_cpu_s) / 60}

    @torch.no_grad()
    def trained(pictures: NDArray[np.uint8]) -> int:
        return int(agent(torch.from_numpy(pictures[np.newaxis]))[0].sample())

    policies: dict[str, Policy] = {
        "trained": trained,
        "random": lambda pictures: int(rng.integers(len(MOVES))),
        "forward": lambda pictures: FORWARD,
        "shoot": lambda pictures: SHOOT,
    }
    scores = score(policies, options.episodes, options.seed)
    sys.stdout.write(json.dumps({"training": spent | course, "real": scores, "episodes": options.episodes}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
