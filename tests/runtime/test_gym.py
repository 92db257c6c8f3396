"""The dream as an environment: gymnasium's own check, seeds, one batched model for many, rewards and ends."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.input.errors import ConfigError
from dreamloop.model.arch_echo import EchoModel, read_back
from dreamloop.model.reward_net import Outcome

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402 (behind the skip)

from dreamloop.runtime import gym  # noqa: E402
from dreamloop.runtime.gym import DreamEnv, DreamVectorEnv  # noqa: E402

ECHO = "dreamloop/Echo-v0"


class FakeJudge:
    """Pays the first control's value, and ends an episode when the second one is pressed."""

    def __init__(self, players: int) -> None:
        self.resets: list[int] = []
        self.players = players

    def reset(self, player: int, frame: NDArray[np.uint8]) -> None:
        """Note who began."""
        self.resets.append(player)

    def step(self, actions: NDArray[np.float32], frames: NDArray[np.uint8]) -> Outcome:
        """Judge by the actions alone."""
        over = actions[:, 1] > 0.5
        return Outcome(actions[:, 0], actions[:, :1], over.astype(np.float32), over)


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch) -> list[FakeJudge]:
    """Give every world a reward head that a test understands; the judges that were opened."""
    opened: list[FakeJudge] = []

    class Head:
        def open(self, reader: object, players: int) -> FakeJudge:
            opened.append(FakeJudge(players))
            return opened[-1]

    monkeypatch.setattr(gym, "open_head", lambda world: (Head(), None))
    return opened


def press(env: Any, *values: float) -> NDArray[np.float32]:
    """An action with these first values and nothing else."""
    action = np.zeros(env.action_space.shape[-1], np.float32)
    action[: len(values)] = values
    return action


def test_every_world_that_can_be_played_by_name_is_registered() -> None:
    ids = gym.register_worlds()
    assert {"dreamloop/Doom-v0", ECHO} <= set(ids)
    assert all(one in gymnasium.registry for one in ids)
    assert gym.world_id("matrix-game_2") == "dreamloop/MatrixGame2-v0"


def test_it_passes_gymnasiums_own_check_in_every_render_mode() -> None:
    env = gymnasium.make(ECHO, render_mode="rgb_array").unwrapped
    check_env(env)
    assert env.metadata["render_fps"] == env.dream.world.rate_hz
    env.close()


def test_the_module_is_found_by_its_name_in_the_id() -> None:
    gymnasium.make(f"dreamloop.runtime.gym:{ECHO}").close()


def test_a_seed_decides_the_dream_and_the_observation_shows_the_action() -> None:
    env = DreamEnv("echo")
    first, info = env.reset(seed=5)
    again, same = env.reset(seed=5)
    other, _ = env.reset(seed=6)
    assert np.array_equal(first, again)
    assert info == same
    assert not np.array_equal(first, other)
    action = env.action_space.sample()
    shown, reward, ended, cut, info = env.step(action)
    tick, read = read_back(shown, len(action))
    assert np.array_equal(read, action), "the frame shows this action, not the one before"
    assert (tick, info["tick"]) == (1, 1)
    assert (reward, ended, cut) == (0.0, False, False), "a world without a reward head pays nothing"


def test_an_episode_is_cut_off_after_its_time() -> None:
    env = DreamEnv("echo", episode_s=0.1, frame_skip=2)
    env.reset(seed=0)
    ticks = round(0.1 * env.dream.world.rate_hz)
    cuts = [env.step(press(env))[3] for _ in range(-(-ticks // 2))]
    assert cuts == [False] * (len(cuts) - 1) + [True]


def test_rewards_of_skipped_ticks_are_summed_until_the_end(judges: list[FakeJudge]) -> None:
    env = DreamEnv("echo", frame_skip=3)
    env.reset(seed=0)
    assert env.step(press(env, 1.0))[1:3] == (3.0, False)
    assert env.step(press(env, 1.0, 1.0))[1:3] == (1.0, True), "nothing is paid after the end"
    assert judges[0].resets == [0]


def test_a_vector_is_one_model_and_dreams_what_single_environments_do(
    judges: list[FakeJudge], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against players that share a seed, an action or a reset, and against a model per environment."""
    batches: list[int] = []
    step: Callable[..., Any] = EchoModel.step

    def counted(model: EchoModel, actions: NDArray[np.float32]) -> NDArray[np.uint8]:
        batches.append(len(actions))
        frames: NDArray[np.uint8] = step(model, actions)
        return frames

    monkeypatch.setattr(EchoModel, "step", counted)
    many = gymnasium.make_vec(ECHO, num_envs=3)
    assert isinstance(many.unwrapped, DreamVectorEnv)
    seen, _ = many.reset(seed=11)
    singles = [DreamEnv("echo") for _ in range(3)]
    for i, one in enumerate(singles):
        assert np.array_equal(one.reset(seed=11 + i)[0], seen[i])
    rng, over = np.random.default_rng(0), [False] * 3
    for _ in range(30):
        actions = rng.uniform(-1, 1, many.action_space.shape).astype(np.float32)
        batches.clear()
        seen, rewards, ended, cut, infos = many.step(actions)
        assert batches == [3]
        for i, one in enumerate(singles):
            if over[i]:
                alone: Any = (*one.reset(),)
                expected = (alone[0], 0.0, False, False, alone[1])
            else:
                expected = one.step(actions[i])
            assert np.array_equal(expected[0], seen[i])
            assert expected[1] == pytest.approx(rewards[i])
            assert expected[2:4] == (ended[i], cut[i])
            assert expected[4]["seed"] == infos["seed"][i]
            over[i] = bool(ended[i] or cut[i])
    assert len(judges[0].resets) > 3, "episodes ended and began again"
    many.close()


def test_many_are_rendered_side_by_side() -> None:
    many = DreamVectorEnv("echo", 3, render_mode="rgb_array")
    seen, _ = many.reset(seed=[1, None, 3])
    shown = many.render()
    assert shown is not None
    assert np.array_equal(np.stack(shown), seen)
    h, w = seen.shape[1:3]
    sheet = gym.tile(seen)
    assert sheet.shape == (2 * h, 2 * w, 3)
    assert np.array_equal(sheet[:h, w:], seen[1])
    assert np.array_equal(sheet[h:, :w], seen[2])
    assert not sheet[h:, w:].any()


def test_many_are_shown_in_one_window() -> None:
    many = DreamVectorEnv("echo", 2, render_mode="human")
    many.reset(seed=0)
    assert many.render() is None
    many.close()
    many.close()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DreamEnv("echo", render_mode="ansi"), "render mode 'ansi'"),
        (lambda: DreamEnv("echo", frame_skip=0), "a step is one tick or more"),
        (lambda: DreamVectorEnv("echo", 2).reset(seed=[1]), "1 seeds were given for 2"),
    ],
)
def test_mistakes_are_said_in_a_sentence(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make()
