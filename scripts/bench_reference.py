"""Times dreamloop beside the published code of Oasis and DIAMOND: same machine, same random weights, in turn.

    python scripts/bench_reference.py atari path/to/diamond          (branch main)
    python scripts/bench_reference.py csgo path/to/diamond           (branch csgo)
    python scripts/bench_reference.py oasis path/to/open-oasis

The path is a checkout of the public repository; what it imports must be installed (Oasis: einops, timm). Each side
runs in a process of its own. A line of JSON a run says the seconds from the start of the process to the first frame
(imports, building, loading weights), the median seconds a frame, both on the clock and of processor time (which other
work on the machine disturbs less; take it with --threads 1), and the peak memory. Of Oasis with a full window one
evaluation of the published net is timed and multiplied by the number of steps, and the decoder's time is added.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTED_S = time.perf_counter()

import numpy as np  # noqa: E402 (the clock starts before the imports)
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor  # noqa: E402

WINDOW, STEPS = 32, 10  # of Oasis
Frame = Callable[[], object]


def main() -> None:
    """Write random weights, then run both sides in turn; or be one of the sides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", choices=["atari", "csgo", "oasis"])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dtype", default="float32", help="of our side; the published code runs in float32 on a CPU")
    parser.add_argument("--blocks", type=int, default=0, help="of Oasis: layers in every stack, on both sides; 0: all")
    parser.add_argument("--side", choices=["ours", "theirs"])
    parser.add_argument("--weights", type=Path)
    args = parser.parse_args()
    if args.side:
        run_side(args)
        return
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=args.checkout, capture_output=True, text=True, check=False
    )
    say(reference_commit=commit.stdout.strip() or "unknown", torch=torch.__version__, threads=args.threads)
    with tempfile.TemporaryDirectory(prefix="dreamloop-bench-") as folder:
        write_weights(args.world, args.blocks, Path(folder))
        for side in ("ours", "theirs") * args.rounds:
            subprocess.run([sys.executable, *sys.argv, "--side", side, "--weights", folder], check=True)


def say(**figures: object) -> None:
    """Write one line of JSON."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def run_side(args: argparse.Namespace) -> None:
    """Time one side and say its figures."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    first, more, factor, added = SIDES[args.world, args.side](args)
    with torch.no_grad():
        first()
        first_s, first_cpu_s = time.perf_counter() - STARTED_S, time.process_time()
        frame = more()
        took = np.median([timed(frame) for _ in range(args.frames)], axis=0) * factor + added()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    say(
        world=args.world,
        side=args.side,
        dtype=args.dtype if args.side == "ours" else "float32",
        first_frame_s=round(first_s, 2),
        first_frame_cpu_s=round(first_cpu_s, 2),
        frame_s=round(took[0], 4),
        frame_cpu_s=round(took[1], 4),
        peak_gib=round(peak, 2),
    )


def timed(frame: Frame) -> tuple[float, float]:
    """Return how long a frame takes: seconds on the clock, seconds of processor time."""
    started_s, cpu_s = time.perf_counter(), time.process_time()
    frame()
    return time.perf_counter() - started_s, time.process_time() - cpu_s


def card_of(world: str, blocks: int) -> Any:
    """The card of the shipped world."""
    from dreamloop.model.world_model import Card
    from dreamloop.runtime.world import find_world

    found = find_world({"atari": "diamond"}.get(world, world))
    size = (found.width_px, found.height_px, found.rate_hz)
    config = dict(found.config)
    if world == "oasis" and blocks:
        config |= {"depth": blocks, "encoder_depth": blocks, "decoder_depth": blocks}
    return Card(world, found.arch, *size, found.schema.to_dict(), config=config, weights_hash="random")


def write_weights(world: str, blocks: int, folder: Path) -> None:
    """Write random weights of the published shapes under the published names."""
    from dreamloop.model import arch_diamond, arch_oasis, diamond_config

    card = card_of(world, blocks)
    torch.manual_seed(0)
    if world == "oasis":
        nets = arch_oasis.empty_nets(arch_oasis.read_config(card), card)
        save_file(random_like(nets["dynamics"].state_dict()), folder / arch_oasis.DYNAMICS)
        save_file(random_like(nets["autoencoder"].state_dict()), folder / arch_oasis.AUTOENCODER)
        return
    nets = arch_diamond.empty_nets(diamond_config.read_config(card.config))
    save_file(random_like(nets.state_dict()), folder / f"{world}.safetensors")


def random_like(shapes: dict[str, Tensor]) -> dict[str, Tensor]:
    """Random numbers whose size keeps a deep net's output within bounds."""
    return {name: (torch.rand(value.shape) - 0.5) / max(value[0].numel(), 1) ** 0.5 for name, value in shapes.items()}


def ours(args: argparse.Namespace) -> tuple[Frame, Callable[[], Frame], float, Callable[[], Any]]:
    """Through the contract, as the game loop does it."""
    from dreamloop.model.world_model import OpenOptions, open_model

    card = card_of(args.world, args.blocks)
    model = open_model(card.arch, card, args.weights, OpenOptions(device="cpu", dtype=args.dtype, threads=args.threads))
    model.reset(0, None, seed=0)
    actions = np.zeros((1, len(card.schema["control"]) if args.world == "atari" else schema_size(card)), np.float32)

    # Of Oasis the window need not be full: each frame looks at all 32 slots whatever they hold, so all cost the same.
    return lambda: model.step(actions), lambda: lambda: model.step(actions), 1.0, zero


def schema_size(card: Any) -> int:
    """Entries of an action."""
    from dreamloop.input.schema import ActionSchema

    return ActionSchema.from_dict(card.schema).size


def their_diamond(args: argparse.Namespace) -> tuple[Frame, Callable[[], Frame], float, Callable[[], Any]]:
    """DIAMOND's denoisers and samplers, called in the order of its world-model environment."""
    sys.path.insert(0, str(args.checkout / "src"))
    for name, attribute in (("data", "Batch"), ("utils", "LossAndLogs")):  # training's imports are not needed
        sys.modules[name] = types.ModuleType(name)
        setattr(sys.modules[name], attribute, object)
    diffusion = __import__("models.diffusion", fromlist=["Denoiser"])
    from dreamloop.model.diamond_config import PRESETS

    preset = PRESETS[args.world]
    tensors = load_file(args.weights / f"{args.world}.safetensors")
    csgo = args.world == "csgo"

    def sampler(name: str, net: Any, config: Any) -> Any:
        inner = diffusion.InnerModelConfig(
            3, net.frames, net.cond, list(net.depths), list(net.widths), list(net.attention), net.actions or 51
        )
        noisy = (name == "denoiser", net.factor if net.factor > 1 else None) if csgo else ()
        denoiser = diffusion.Denoiser(
            diffusion.DenoiserConfig(inner, config.sigma_data, config.sigma_offset_noise, *noisy)
        )
        part = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        denoiser.load_state_dict(part)
        keys = ("sigma_min", "sigma_max", "order", "s_churn", "s_tmin", "s_tmax", "s_noise")
        chosen = {key: getattr(config, key) for key in (*keys, *(("s_cond",) if csgo else ()))}
        return diffusion.DiffusionSampler(denoiser.eval(), diffusion.DiffusionSamplerConfig(config.steps, **chosen))

    dynamics = sampler("denoiser", preset.denoiser, preset.sampler)
    frames = torch.zeros(1, 4, 3, *((30, 56) if csgo else (64, 64)))
    actions = torch.zeros(1, 4, 51, dtype=torch.long) if csgo else torch.zeros(1, 4, dtype=torch.long)
    if not csgo:
        return (lambda: dynamics.sample(frames, actions)), (lambda: lambda: dynamics.sample(frames, actions)), 1.0, zero
    assert preset.upsampler is not None
    upsampler = sampler("upsampler", preset.upsampler, preset.upsampler_sampler)
    large = torch.zeros(1, 1, 3, 150, 280)

    def step() -> object:
        small, _ = dynamics.sample(frames, actions)
        low = torch.nn.functional.interpolate(small, scale_factor=5, mode="bicubic")[:, None]
        return upsampler.sample(torch.cat([large, low], 1), None)

    return step, lambda: step, 1.0, zero


def zero() -> tuple[float, float]:
    """Nothing to add."""
    return 0.0, 0.0


def their_oasis(args: argparse.Namespace) -> tuple[Frame, Callable[[], Frame], float, Callable[[], Any]]:
    """Oasis's nets, the window evaluated whole at every step as its generate.py does."""
    sys.path.insert(0, str(args.checkout))
    dit, vae = __import__("dit"), __import__("vae")
    from safetensors.torch import load_model

    from dreamloop.model.arch_oasis import AUTOENCODER, DYNAMICS

    deep = {"depth": args.blocks} if args.blocks else {"depth": 16}
    net = dit.DiT(patch_size=2, hidden_size=1024, num_heads=16, **deep)
    load_model(net, args.weights / DYNAMICS, strict=False)
    sizes = {"enc_dim": 1024, "dec_dim": 1024, "enc_heads": 16, "dec_heads": 16, "patch_size": 20}
    layers = {"enc_depth": args.blocks or 6, "dec_depth": args.blocks or 12}
    codec = vae.AutoencoderKL(16, 360, 640, **sizes, **layers)
    load_model(codec, args.weights / AUTOENCODER)
    net, codec = net.eval(), codec.eval()

    def evaluate(frames: int) -> object:
        shape, labels = (1, frames, 16, 18, 32), torch.full((1, frames), 14)
        return net(torch.randn(shape), labels, torch.zeros(1, frames, 25))

    def first() -> object:
        codec.encode(torch.zeros(1, 3, 360, 640))
        for _ in range(STEPS):
            evaluate(2)
        return codec.decode(torch.randn(1, 576, 16))

    def decode() -> tuple[float, float]:
        return timed(lambda: codec.decode(torch.randn(1, 576, 16)))

    return first, lambda: lambda: evaluate(WINDOW), float(STEPS), decode


SIDES = {
    ("atari", "ours"): ours,
    ("csgo", "ours"): ours,
    ("oasis", "ours"): ours,
    ("atari", "theirs"): their_diamond,
    ("csgo", "theirs"): their_diamond,
    ("oasis", "theirs"): their_oasis,
}

if __name__ == "__main__":
    main()
