"""Where and in which precision a model runs, decided in one place for every architecture."""

import os

import torch

from dreamloop.input.errors import unknown
from dreamloop.model.world_model import ModelError, OpenOptions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def idle_threads() -> int:
    """Return how many threads torch would take, but no more than there are idle processors.

    A team of threads whose members wait for a processor turns on the spot meanwhile: two beside one busy program on two
    cores are ten times slower than one.
    """
    most = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ:
        return most
    try:
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):  # not every system tells
        return most
    return max(1, min(most, round((os.cpu_count() or 1) - busy)))


_THREADS = idle_threads()  # asked once: models of one process draw the same bytes


def choose_engine(options: OpenOptions) -> tuple[torch.device, torch.dtype]:
    """Return where and in which dtype a model of these options runs, and settle its processor threads.

    Args:
        options: as a model is opened with.

    Raises:
        ModelError: a device or dtype that is not here.
    """
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    if device.type == "cpu":
        torch.set_num_threads(options.threads or _THREADS)
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
