"""Training: dreams and their bookkeeping, losses, resuming, kill -9, several processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamloop.model.dataset import DataError, Episode, FramePool
from dreamloop.model.dream_config import NetConfig
from dreamloop.model.dream_net import DreamNet
from dreamloop.model.dream_sources import Drawn, Fetched
from dreamloop.model.dreams import Dreams
from dreamloop.model.memory_policies import MemoryConfig, coverage, greedy
from dreamloop.model.pixels import quantise, to_float, to_uint8
from dreamloop.model.recalls import Recalls, choose, turning_of
from dreamloop.model.train import Trainer, choosing_error, learning_rate, part_error, texture_error, train
from dreamloop.model.train_config import TrainConfig
from dreamloop.model.train_store import load_run, load_weights, read_progress, save_run

NET = NetConfig(height_px=32, width_px=32, actions=2, widths=(8, 8, 16), down=(1, 0, 1), up=(1, 0, 0), refine=1, cond=8)
CONFIG = TrainConfig(
    net=NET,
    minutes=0.03,
    batch=4,
    dream_slots=8,
    horizon=4,
    long_age=8,
    pool_frames=200,
    test_frames=400,
    sample_s=100.0,
)


def scroll(seed: int, ticks: int = 120) -> Episode:
    """A pattern that slides to the side as the first control says."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(-1, 2, (ticks, 2)).astype(np.float32)
    pattern = np.repeat(rng.integers(0, 255, (32, 8, 3), dtype=np.uint8), 4, axis=1)
    places = np.cumsum(actions[:, 0]).astype(int)
    return np.stack([np.roll(pattern, place, axis=1) for place in places]), actions


def pool_of(*lengths: int) -> FramePool:
    pool = FramePool(sum(lengths), 32, 32, 2)
    for seed, length in enumerate(lengths):
        pool.add(scroll(seed, length))
    return pool


@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.integers(0, 5), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_samples_never_cross_the_border_of_an_episode(lengths: list[int], history: int, ahead: int) -> None:
    pool = FramePool(64, 4, 4, 1)
    for number, length in enumerate(lengths):
        frames = np.full((length, 4, 4, 3), number, np.uint8)
        pool.add((frames, np.zeros((length, 1), np.float32)))
    try:
        positions = pool.sample(32, history, ahead, np.random.default_rng(0))
    except DataError:
        assert all(end - start <= history + ahead for start, end in pool.spans)
        return
    clips, _ = pool.clip(positions, -history, ahead)
    assert (clips == clips[:, :1]).all()


def test_a_pool_forgets_what_it_overwrites() -> None:
    pool = FramePool(250, 32, 32, 2)
    for seed in range(5):
        pool.add(scroll(seed))
    assert pool.spans == [(120, 240), (0, 120)]
    assert len(pool) == 240
    with pytest.raises(DataError, match="does not fit"):
        pool.add(scroll(0, 300))


def test_a_pool_without_episodes_says_what_to_do() -> None:
    with pytest.raises(DataError, match="dreamloop collect"):
        FramePool(10, 4, 4, 1).fill([])


NET = NetConfig(ages=(1, 3), action_ticks=2)


def test_dreams_age_by_one_and_start_over_from_the_truth() -> None:
    pool = pool_of(100)
    dreams = Dreams(pool, NET, slots=6, horizon=4, long_share=0.0, long_age=9, seed=0)
    for _ in range(20):
        batch = dreams.dreamed(6)
        ages, places = dreams.age[batch.slots].copy(), dreams.position[batch.slots].copy()
        assert (ages < 4).all(), "a dream outlived its horizon"
        assert torch.allclose(batch.weight, torch.from_numpy(1 - ages / 4).float())
        drawn = torch.full((6, 32, 32, 3), 7, dtype=torch.uint8)
        dreams.put(batch.slots, drawn)
        assert (dreams.age[batch.slots] == ages + 1).all()
        assert (dreams.position[batch.slots] == places + 1).all()
        assert (dreams.history[batch.slots, -1] == 7).all()
        assert (batch.truth == pool.frames[places]).all()


def test_a_long_dream_goes_on_past_the_end_of_its_episode_without_truth() -> None:
    pool = pool_of(20, 20)
    dreams = Dreams(pool, NET, slots=4, horizon=4, long_share=1.0, long_age=60, seed=0)
    oldest = 0
    for _ in range(80):
        batch = dreams.dreamed(4)
        assert (batch.weight[torch.from_numpy(dreams.age[batch.slots] >= 4)] == 0).all()
        oldest = max(oldest, int(dreams.age.max()))
        dreams.put(batch.slots, batch.truth)
    assert oldest == 59


def test_fresh_rows_are_not_put_back() -> None:
    dreams = Dreams(pool_of(60), NET, slots=3, horizon=4, long_share=0.0, long_age=9, seed=0)
    before = dreams.history.clone()
    batch = dreams.fresh(3)
    dreams.put(batch.slots, batch.truth)
    assert (dreams.history == before).all()


def test_texture_error_charges_blur_and_forgives_a_shift() -> None:
    """L1 does the opposite, which is why a net trained on L1 alone goes soft."""
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 64, 64) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(truth, 5, 1, 2)
    shifted = truth.roll(1, -1)
    assert texture_error(truth, truth).item() == 0
    assert texture_error(blurred, truth).item() > 4 * texture_error(shifted, truth).item()
    assert (blurred - truth).abs().mean() < (shifted - truth).abs().mean()


def test_learning_rates_warm_up_calm_down_and_fall() -> None:
    config = replace(CONFIG, polish_from=0.5, decay_from=0.8, polish_lr=0.5)
    rates = [learning_rate(config, share, step, "net") for share, step in ((0, 0), (0.3, 500), (0.6, 500), (1, 500))]
    assert rates == pytest.approx([0.01, 1.0, 0.5, 0.025])
    assert learning_rate(config, 0.6, 500, "critic") == 1.0


def test_a_trainer_learns_a_sliding_pattern() -> None:
    pool = pool_of(100, 100)
    trainer = Trainer(replace(CONFIG, adam_lr=3e-3, muon_lr=3e-3), pool, dtype=torch.float32)
    losses = [trainer.step()["l1"] for _ in range(120)]
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:10])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_every_stage_trains_what_it_should(share: float) -> None:
    config = replace(CONFIG, rollouts_from=0.4, polish_from=0.7)
    trainer = Trainer(config, pool_of(100), dtype=torch.float32)
    trainer.progress.elapsed_s = share * 60 * config.minutes
    kernel = trainer.critic.near.parametrizations["weight"].original
    critic, ages = kernel.detach().clone(), trainer.dreams.age.copy()
    figures = [trainer.step() for _ in range(2)][-1]
    assert ("critic" in figures) == (share > 0.4)
    assert torch.equal(critic, kernel) == (share < 0.4)
    assert (trainer.dreams.age == ages).all() == (share < 0.4)


@pytest.mark.parametrize(("share", "listens"), [(0.5, False), (0.9, True)])
def test_a_critic_that_is_still_learning_is_not_listened_to(share: float, listens: bool) -> None:
    """A critic of random weights sent the net away from what it knew, at the start of every run from old weights."""
    heads = []
    for weight in (0.0, 100.0):
        config = replace(CONFIG, rollouts_from=0.4, polish_from=0.7, adversarial=weight)
        trainer = Trainer(config, pool_of(100), dtype=torch.float32)
        trainer.progress.elapsed_s = share * 60 * config.minutes
        trainer.step()
        heads.append(trainer.net.head.weight.detach())
    assert torch.equal(*heads) != listens


def drawn_from(last: torch.Tensor, page: torch.Tensor, chosen: torch.Tensor) -> Drawn:
    """A frame made of the last one and of one page, of which ``chosen`` (b, 2) says how likely each is."""
    some = torch.ones_like(last[:, :1])
    fetched = Fetched(page[:, None], some[:, None], some[:, None])
    soft = torch.cat([torch.zeros(len(last), 1), chosen], 1)[:, :, None, None, None] * some[:, None]
    return Drawn(last, last, last, some, some, fetched, soft=soft)


def test_choosing_is_taught_by_what_was_not_chosen() -> None:
    """The page held the truth and was never chosen: the gradient of the picture alone did not say so."""
    truth, last = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    chosen = torch.tensor([[0.9, 0.1], [0.9, 0.1]], requires_grad=True)
    choosing_error(drawn_from(last, truth, chosen), truth).sum().backward()  # type: ignore[no-untyped-call]
    assert chosen.grad is not None
    assert (chosen.grad[:, 0] > 0).all()
    assert (chosen.grad[:, 1] < 0).all()


def test_the_right_motion_is_taught_in_a_dream_that_lags_behind() -> None:
    """In dreams walks were timid: the flow that brought a late dream nearest to the truth was rewarded."""
    truth = torch.rand(1, 3, 16, 16)
    parts = drawn_from(torch.rand(1, 3, 16, 16), truth, torch.ones(1, 2))
    right, wrong = (part_error(parts, truth, moved, 1.0) for moved in (truth, truth.roll(2, -1)))
    assert right < wrong
    assert part_error(parts, truth, truth, 0.0) == part_error(parts, truth)


def test_a_run_begins_with_given_weights(tmp_path: Path) -> None:
    """What was trained before must be where a run starts, in the net that learns and in the average that is played."""
    net = DreamNet(CONFIG.net)
    train(
        replace(CONFIG, steps=1, muon_lr=0.0, adam_lr=0.0),
        [scroll(0)],
        [scroll(2, 400)],
        tmp_path,
        start=net.state_dict(),
    )
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in load_weights(tmp_path).items())


def test_a_run_leaves_checkpoints_pictures_and_a_log_and_goes_on(tmp_path: Path) -> None:
    episodes = [scroll(0), scroll(1)]
    held_out = [scroll(2, 400)]
    train(CONFIG, episodes, held_out, tmp_path)
    first = read_progress(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"run.safetensors", "stage1.safetensors", "stage2.safetensors", "log.jsonl"} <= names
    assert list(tmp_path.glob("sample_*.png"))
    assert not list(tmp_path.glob("*.tmp"))
    train(replace(CONFIG, minutes=first["elapsed_s"] / 60 + 0.02), episodes, held_out, tmp_path)
    assert read_progress(tmp_path)["step"] > first["step"] > 0


def test_a_checkpoint_brings_everything_back(tmp_path: Path) -> None:
    trainer = Trainer(CONFIG, pool_of(100), dtype=torch.float32)
    trainer.progress.elapsed_s = 0.9 * 60 * CONFIG.minutes
    for _ in range(3):
        trainer.step()
    save_run(tmp_path, trainer)
    other = Trainer(replace(CONFIG, seed=5), pool_of(100), dtype=torch.float32)
    assert load_run(tmp_path, other)
    assert other.progress == trainer.progress
    for name in ("net", "ema", "critic"):
        ours, theirs = getattr(trainer, name).state_dict(), getattr(other, name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    for ours, theirs in zip(trainer.optimisers["net"], other.optimisers["net"], strict=True):
        before, after = ours.state_dict()["state"], theirs.state_dict()["state"]
        assert before.keys() == after.keys()
        for row, values in before.items():
            assert all(torch.equal(torch.as_tensor(values[key]), torch.as_tensor(after[row][key])) for key in values)
    assert set(load_weights(tmp_path)) == set(trainer.ema.state_dict())


RUN = """
    import sys
    import torch
    from dataclasses import replace
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_train import CONFIG, scroll
    from dreamloop.model.train import train
    torch.set_num_threads(1)
    config = replace(CONFIG, minutes=10.0, checkpoint_s=0.05, sample_s=1e9)
    train(config, [scroll(0), scroll(1)], [scroll(2, 400)], Path(sys.argv[1]))
"""


def test_kill_9_loses_nothing_but_the_steps_since_the_last_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(tmp_path), str(Path(__file__).parent)]
    reached = 0
    for _ in range(2):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + 120
        path = tmp_path / "run.safetensors"
        while time.monotonic() < deadline_s and (not path.exists() or read_progress(tmp_path)["step"] <= reached + 2):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        step = read_progress(tmp_path)["step"]
        assert step > reached, "the second run did not go on where the first one was killed"
        reached = step


DISTRIBUTED = """
    import os, sys
    import torch, torch.distributed as dist
    sys.path.insert(0, sys.argv[1])
    from test_train import CONFIG, pool_of
    from dreamloop.model.train import Trainer
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    trainer = Trainer(CONFIG, pool_of(60), dtype=torch.float32)
    torch.manual_seed(dist.get_rank())  # every process draws noise and dreams of its own
    for _ in range(2):
        trainer.step()
    weights = trainer.net.stem.weight.detach()
    others = [torch.zeros_like(weights) for _ in range(dist.get_world_size())]
    dist.all_gather(others, weights)
    assert torch.equal(others[0], others[1])
    assert trainer.progress.frames == 2 * 2 * CONFIG.batch
    dist.barrier()  # nobody leaves while the other still talks: gloo aborts then
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # everything is checked; gloo's threads now and then abort an interpreter that is taken down
"""


def test_two_processes_keep_the_same_weights(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(textwrap.dedent(DISTRIBUTED))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [*command, str(script), here], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_pixels_go_there_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(16, 16, 1).expand(16, 16, 3)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    assert to_float(levels).shape == (3, 16, 16)
    wild = torch.tensor([-3.0, 0.1234, 9.0]).view(1, 3, 1, 1)
    assert torch.equal(to_uint8(quantise(wild)), to_uint8(wild))


def test_a_net_with_memory_learns_the_turn_and_sees_pages_of_before() -> None:
    rng = np.random.default_rng(3)
    actions = rng.uniform(-1, 1, (120, 2)).astype(np.float32)
    poses = np.zeros((120, 4), np.float32)
    poses[:, 2], poses[:, 3] = np.cumsum(-12 * actions[:, 0]), np.cumsum(0.5 * actions[:, 1])
    frames = np.repeat(np.arange(120, dtype=np.uint8), 32 * 32 * 3).reshape(120, 32, 32, 3)
    pool = FramePool(120, 32, 32, 2)
    pool.add((frames, actions, poses))
    torch.testing.assert_close(turning_of(pool), torch.tensor([[-12.0, 0.0], [0.0, 0.5]]), atol=1e-3, rtol=0)
    recalls = Recalls(pool, NetConfig(pages=2), slots=1, seed=0)
    for position in range(60, 110):
        recall = recalls.recall(np.array([-1]), np.array([position]))
        ages = position - torch.round((recall.frames[0, :, 0, 0, 0] + 1) * 127.5)
        present = recall.place[0, :, 0] > 0
        assert (ages[present] >= 9).all(), "a page of the future, or one that the net sees anyway"


def test_pages_for_many_rows_are_those_that_a_bank_would_read() -> None:
    rng, config = np.random.default_rng(8), MemoryConfig()
    pages = rng.uniform(-1, 1, (40, 30, 4)) * (300, 300, 180, 20)
    poses = rng.uniform(-1, 1, (40, 4)) * (300, 300, 180, 20)
    usable = rng.random((40, 30)) < rng.random((40, 1))
    found = choose(pages, usable, poses, config, 3, torch.device("cpu"))
    for row, (page, may, pose) in enumerate(zip(pages, usable, poses, strict=True)):
        wanted = np.flatnonzero(may)[greedy(coverage(page[may], pose, config), 3)].tolist()
        assert found[row].tolist() == wanted + [-1] * (3 - len(wanted))


def test_play_without_poses_has_nothing_to_remember_and_still_teaches() -> None:
    pool = pool_of(60)
    with pytest.raises(DataError, match="poses"):
        turning_of(pool)
    recalls = Recalls(pool, NetConfig(pages=2), slots=1, seed=0)
    recall = recalls.recall(np.array([-1]), np.array([40]))
    assert not recall.place.any()
    assert all(bool(part.isfinite().all()) for part in recall if part is not None)


def test_depth_is_learnt_first_and_then_left_alone() -> None:
    """The distances must reach the depth net, and nothing else may move it once the rest is taught."""
    rng = np.random.default_rng(0)
    pool = FramePool(120, 32, 32, 2, distances=True)
    frames, actions, *_ = scroll(0)
    near_or_far = np.where(frames[:, ::2, ::2].mean(-1) > 128, 64.0, 512.0).astype(np.float16)
    poses = np.cumsum(rng.normal(0, 2, (120, 4)), 0).astype(np.float32)
    pool.add((frames, actions, poses, near_or_far))
    config = replace(
        CONFIG, net=replace(CONFIG.net, pages=1, depth=True), depth_until=0.5, depth_batch=16, depth_lr=0.01
    )
    trainer = Trainer(config, pool, dtype=torch.float32)
    head, eye = trainer.net.head.weight.detach().clone(), trainer.net.depth.stem.weight
    errors = [trainer.step()["depth"] for _ in range(60)]
    assert np.mean(errors[-5:]) < 0.7 * np.mean(errors[:5])
    assert torch.equal(head, trainer.net.head.weight)
    assert torch.equal(eye, trainer.ema.depth.stem.weight)
    trainer.progress.elapsed_s = 0.6 * 60 * config.minutes
    seen = eye.detach().clone()
    assert "l1" in trainer.step()
    assert torch.equal(seen, eye)
    assert not torch.equal(head, trainer.net.head.weight)
