"""The critic of the polish stage: tells true frames from dreamed ones, patch by patch. Used in training only.

It sees one frame and not the step to it: shown the frame before, it would judge a dream by its past, and the net
would learn nothing about the frame that it draws now.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from dreamloop.model.layers import fold


class Critic(nn.Module):
    """A spectral-norm patch critic (Isola et al. 2017; Miyato et al. 2018) at two scales: textures and rooms."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = spectral_norm(nn.Conv2d(3 * 16, width, 1))
        self.near = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.shrink = spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1))
        self.mid = spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1))
        self.out_mid = spectral_norm(nn.Conv2d(2 * width, 1, 1))
        self.shrink_more = spectral_norm(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1))
        self.far = spectral_norm(nn.Conv2d(4 * width, 4 * width, 3, padding=1))
        self.out_far = spectral_norm(nn.Conv2d(4 * width, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Score the patches of (b, 3, h, w): (b, patches of 8 and of 16 pixels); high is real."""
        x = F.leaky_relu(self.stem(fold(frames, 4)), 0.2)
        x = F.leaky_relu(self.near(x), 0.2)
        x = F.leaky_relu(self.mid(F.leaky_relu(self.shrink(x), 0.2)), 0.2)
        y = F.leaky_relu(self.far(F.leaky_relu(self.shrink_more(x), 0.2)), 0.2)
        near, far = self.out_mid(x).flatten(1), self.out_far(y).flatten(1)
        # Every scale counts the same, however many patches it has.
        return torch.cat([near, far.repeat_interleave(near.shape[1] // far.shape[1], 1)], 1)


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the critic."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
