"""Where and in which precision a model runs, decided in one place for every architecture."""

import torch

from dreamloop.input.errors import unknown
from dreamloop.model.world_model import ModelError, OpenOptions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_ALL_THREADS = torch.get_num_threads()  # as OMP_NUM_THREADS or the machine has it


def choose_engine(options: OpenOptions, *, large: bool = False) -> tuple[torch.device, torch.dtype]:
    """Return where and in which dtype a model of these options runs, and settle its processor threads.

    Args:
        options: as a model is opened with.
        large: its layers are large enough to keep several threads busy, even behind a window (:func:`choose_threads`).

    Raises:
        ModelError: a device or dtype that is not here.
    """
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    if device.type == "cpu":
        choose_threads(options.threads or (_ALL_THREADS if large else 0), options.players)
    return device, dtype


def choose_device(name: str) -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" into a device.

    Raises:
        ModelError: a device that this machine does not have.
    """
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if here["cuda"] else "mps" if here["mps"] else "cpu")
    kind = name.split(":")[0]
    if kind not in here:
        raise ModelError(unknown("device", name, ["auto", *here]))
    if not here[kind]:
        present = ", ".join(kind for kind, there in here.items() if there)
        raise ModelError(f"device '{name}' is not on this machine (present: {present})")
    return torch.device(name)


def has_fast_bf16(device: torch.device) -> bool:
    """Say whether bf16 arithmetic is faster than float32 on ``device``."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Turn "auto", "float32" or "bfloat16" into a dtype; "auto" takes bf16 where the hardware has it.

    Raises:
        ModelError: an unknown name.
    """
    if name == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    if name not in DTYPES:
        raise ModelError(unknown("dtype", name, ["auto", *DTYPES]))
    return DTYPES[name]


def choose_threads(threads: int, players: int) -> None:
    """Let torch use ``threads`` processor threads; 0: all there are, but one for a single player on two cores.

    A game steps its model on a thread of its own. There, libgomp's team goes to sleep after every operation as soon as
    it has more threads than there are cores, and waking it costs more than it brings: two threads took 25 to 29 ms a
    frame where one took 21.
    """
    torch.set_num_threads(threads or (1 if players == 1 and _ALL_THREADS <= 2 else _ALL_THREADS))
