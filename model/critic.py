"""The critic of the polish stage: tells true steps from dreamed ones, patch by patch. Used in training only."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from dreamloop.model.layers import fold


class Critic(nn.Module):
    """A spectral-norm patch critic (Isola et al. 2017; Miyato et al. 2018) that sees two frames and the action."""

    def __init__(self, actions: int, width: int = 64) -> None:
        super().__init__()
        self.stem = spectral_norm(nn.Conv2d(6 * 16, width, 1))
        self.near = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.shrink = spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1))
        self.act = spectral_norm(nn.Linear(actions, 2 * width))
        self.far = spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1))
        self.out = spectral_norm(nn.Conv2d(2 * width, 1, 1))

    def forward(self, before: Tensor, after: Tensor, action: Tensor) -> Tensor:
        """Score patches: ``before`` and ``after`` (b, 3, h, w), ``action`` (b, a) -> (b, 1, h/8, w/8); high is real."""
        x = self.stem(fold(torch.cat([before, after], 1), 4))
        x = F.leaky_relu(self.near(F.leaky_relu(x, 0.2)), 0.2)
        x = self.shrink(x) + self.act(action)[:, :, None, None]
        x = F.leaky_relu(self.far(F.leaky_relu(x, 0.2)), 0.2)
        return self.out(x)


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the critic."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
