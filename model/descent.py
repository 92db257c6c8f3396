"""What the training of several nets has in common: their optimisers, and the average of their weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def muon_and_adam(
    named: Iterable[tuple[str, nn.Parameter]], inside: tuple[str, ...], muon_lr: float, adam_lr: float
) -> list[torch.optim.Optimizer]:
    """Return Muon (Jordan et al. 2024) for the matrices whose names begin as told, where there are any, and Adam.

    Every group remembers its rate as ``base_lr``.
    """
    parameters = list(named)
    matrices = [p for name, p in parameters if name.startswith(inside) and p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in parameters if id(p) not in chosen]
    found: list[torch.optim.Optimizer] = [torch.optim.Adam(rest, lr=adam_lr, betas=(0.9, 0.99))]
    if matrices:
        muon = torch.optim.Muon(matrices, lr=muon_lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
        found.insert(0, muon)
    for group in (group for one in found for group in one.param_groups):
        group["base_lr"] = group["lr"]
    return found


@torch.no_grad()
def average_in(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Let the average of a net's weights follow them."""
    ours: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(net.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - decay)
