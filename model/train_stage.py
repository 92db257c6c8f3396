"""Teaches a stage: true large pictures in, an upsampler out; and says what one is worth beside bicubic.

What the stage will be given is the box average of the large pictures, as the simulator makes its frames. Knows nothing
about simulators or worlds.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from dreamloop.model.picture_figures import psnr_db, sharpness, ssim
from dreamloop.model.stage import Stage
from dreamloop.model.stage_upsample import (
    FACTOR,
    UpsampleConfig,
    UpsampleNet,
    add_parts,
    as_net,
    fold_levels,
    spread,
)
from dreamloop.model.train import texture_error
from dreamloop.model.whole_file import whole_file

CROP = 64  # pixels a side of a small picture that is learnt from
Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class StageTraining:
    """How an upsampler is taught."""

    minutes: float = 15.0  # of training; collecting comes before it
    steps: int = 0  # end after so many steps instead (0: by the clock)
    batch: int = 6  # crops a step
    lr: float = 3e-3
    texture: float = 0.04  # weight of the loss that asks for the right edge energy in every patch
    ema: float = 0.998  # decay of the averaged weights, the ones that are played
    seed: int = 0
    checkpoint_s: float = 60.0


def box(large: Tensor) -> Tensor:
    """Return the 2x2 box average, half rounded up, of uint8 (b, 2h, 2w, 3): (b, h, w, 3), as the simulator does it."""
    x = large.movedim(-1, 1).float()
    return F.avg_pool2d(x, FACTOR).add_(0.5).floor_().to(torch.uint8).movedim(1, -1).contiguous()


class StageTrainer:
    """One run: the net, its average and the optimiser. :meth:`save` and :meth:`resume` carry it over a stop."""

    def __init__(self, net: UpsampleConfig, config: StageTraining) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.net = UpsampleNet(net).train()
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.net.parameters(), config.lr, betas=(0.9, 0.95))
        self.step, self.elapsed_s = 0, 0.0

    def teach(self, large: Tensor, share: float) -> dict[str, float]:
        """Take one step on true pictures uint8 (b, 2h, 2w, 3) at ``share`` of the run; return the losses."""
        warm = min((self.step + 1) / 100, 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.lr * warm * (1 - 0.97 * share)
        levels = fold_levels(box(large))
        drawn = spread(add_parts(levels, self.net(as_net(levels, torch.bfloat16)))).movedim(-1, 1) / 127.5 - 1
        truth = large.movedim(-1, 1).float() / 127.5 - 1
        # Square where errors are small: under plain L1 the net dared nothing, most pixels being flat and right already.
        error = F.smooth_l1_loss(drawn, truth, beta=0.2)
        texture = texture_error(drawn, truth).mean()
        self.optimiser.zero_grad()
        (error + self.config.texture * texture).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        decay = min(self.config.ema, self.step / (self.step + 10))
        for mean, now in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(now.detach(), 1 - decay)
        return {"error": float(error.detach()), "texture": float(texture.detach())}

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on, atomically."""
        tensors = {f"net/{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"average/{name}": value for name, value in self.average.state_dict().items()}
        for row, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam/{row}/{name}": torch.as_tensor(value) for name, value in values.items()}
        about = {"step": str(self.step), "elapsed_s": str(self.elapsed_s)}
        with whole_file(path) as scratch:
            save_file({name: value.contiguous() for name, value in tensors.items()}, scratch, metadata=about)

    def resume(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote."""
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            about = file.metadata()
        for name in ("net", "average"):
            part = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
            getattr(self, name).load_state_dict(part)
        whole = self.optimiser.state_dict()
        for key, value in tensors.items():
            if key.startswith("adam/"):
                _, row, name = key.split("/")
                whole["state"].setdefault(int(row), {})[name] = value
        self.optimiser.load_state_dict(whole)
        self.step, self.elapsed_s = int(about["step"]), float(about["elapsed_s"])


def train_stage(
    pictures: NDArray[np.uint8],
    trainer: StageTrainer,
    now_s: Callable[[], float],
    keep: Path | None = None,
    report: Report = lambda figures: None,
) -> None:
    """Teach until the time or the steps are over, which count over all resumes.

    Args:
        pictures: (n, 2h, 2w, 3), true and large.
        trainer: the run; goes on where it stands.
        now_s: tells the time.
        keep: where the run is saved, now and then and at the end.
        report: told the share that is done and the losses.
    """
    config = trainer.config
    rng = np.random.default_rng([config.seed, trainer.step])
    begun_s = saved_s = now_s() - trainer.elapsed_s
    share = 0.0
    while share < 1.0:
        figures = trainer.teach(_crops(pictures, config.batch, rng), share)
        trainer.elapsed_s = now_s() - begun_s
        share = trainer.step / config.steps if config.steps else trainer.elapsed_s / (60 * config.minutes)
        if keep is not None and (share >= 1.0 or now_s() - saved_s > config.checkpoint_s):
            trainer.save(keep)
            saved_s = now_s()
        if trainer.step % 50 == 1 or share >= 1.0:
            report({"share": min(share, 1.0), "step": float(trainer.step), **figures})


def _crops(pictures: NDArray[np.uint8], count: int, rng: np.random.Generator) -> Tensor:
    """Return squares (count, 2 * CROP, 2 * CROP, 3) cut out at even places, some of them mirrored."""
    n, h, w, _ = pictures.shape
    tall, wide = min(FACTOR * CROP, h), min(FACTOR * CROP, w)
    crops = []
    for picture in rng.integers(n, size=count):
        y = FACTOR * int(rng.integers((h - tall) // FACTOR + 1))
        x = FACTOR * int(rng.integers((w - wide) // FACTOR + 1))
        crop = pictures[picture, y : y + tall, x : x + wide]
        crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return torch.from_numpy(np.stack(crops))


def thin(episodes: Iterable[NDArray[np.uint8]], every: int, most: int) -> NDArray[np.uint8]:
    """Return every so many frames of episodes (t, h, w, 3), at most ``most``: neighbours show the same."""
    kept: list[NDArray[np.uint8]] = []
    for frames in episodes:
        kept.extend(frames[every - 1 :: every])
        if len(kept) >= most:
            break
    return np.stack(kept[:most])


def bicubic(frames: NDArray[np.uint8], size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Return frames (n, h, w, 3) at ``size_px`` (width, height), bicubic: what a stage has to beat."""
    large = [Image.fromarray(frame).resize(size_px, Image.Resampling.BICUBIC) for frame in frames]
    return np.stack([np.asarray(picture) for picture in large])


def measure_stage(stage: Stage, pictures: NDArray[np.uint8]) -> dict[str, Any]:
    """Say what a stage is worth on true pictures (n, 2h, 2w, 3) that it never saw, beside bicubic and doubled pixels.

    Returns:
        for each of ``stage``, ``bicubic`` and ``nearest``: ``psnr_db`` and ``ssim`` over pictures, and
        ``sharpness_ratio``, the mean gradient over that of the true pictures.
    """
    small = box(torch.from_numpy(pictures)).numpy()
    drawn = {
        "stage": np.concatenate([stage.draw(part) for part in np.array_split(small, max(len(small) // 8, 1))]),
        "bicubic": bicubic(small, (pictures.shape[2], pictures.shape[1])),
        "nearest": small.repeat(FACTOR, 1).repeat(FACTOR, 2),
    }
    truth = torch.from_numpy(pictures)
    figures: dict[str, Any] = {"pictures": len(pictures)}
    for name, frames in drawn.items():
        got = torch.from_numpy(frames)
        figures[name] = {
            "psnr_db": float(psnr_db(got, truth).mean()),
            "ssim": float(ssim(got, truth).mean()),
            "sharpness_ratio": float(sharpness(got).mean() / sharpness(truth).mean()),
        }
    return figures
