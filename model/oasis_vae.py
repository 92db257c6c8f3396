"""Oasis's autoencoder: a picture to a small latent picture and back, each frame on its own.

Two vision transformers; the tensors have the names of the published checkpoint. Knows nothing about time.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.oasis_config import OasisConfig
from dreamloop.model.oasis_rotary import grid_turns, turn

EPSILON = 1e-6


class Autoencoder(nn.Module):
    """Pictures (n, 3, h, w) in -1..1 to latents (n, c, h / patch, w / patch), and back."""

    def __init__(self, config: OasisConfig, height: int, width: int) -> None:
        super().__init__()
        d, patch, c = config.vae_hidden, config.vae_patch, config.channels
        self.patch, self.rows, self.columns = patch, height // patch, width // patch
        self.scale = config.latent_scale
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, d, patch, stride=patch)})
        self.encoder = nn.ModuleList([Layer(d, config.vae_heads) for _ in range(config.encoder_depth)])
        self.enc_norm = nn.LayerNorm(d, eps=EPSILON)
        self.quant_conv = nn.Linear(d, 2 * c)
        self.post_quant_conv = nn.Linear(c, d)
        self.decoder = nn.ModuleList([Layer(d, config.vae_heads) for _ in range(config.decoder_depth)])
        self.dec_norm = nn.LayerNorm(d, eps=EPSILON)
        self.predictor = nn.Linear(d, 3 * patch * patch)
        # Plain attributes: a net that was built on the meta device still needs them.
        pairs = d // config.vae_heads // 8
        turns = grid_turns(self.rows, self.columns, pairs, self.rows * self.columns / 2)
        self._cosine, self._sine = turns.cos(), turns.sin()

    def encode(self, pictures: Tensor) -> Tensor:
        """Return the mean latents (n, c, rows, columns), scaled as the dynamics takes them."""
        x = self.patch_embed["proj"](pictures).flatten(2).transpose(1, 2)
        x = self.quant_conv(self.enc_norm(self._through(self.encoder, x)))
        mean = x.chunk(2, -1)[0].float() * self.scale
        latents: Tensor = mean.transpose(1, 2).unflatten(2, (self.rows, self.columns))
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Return pictures (n, 3, h, w), about -1..1."""
        x = (latents / self.scale).flatten(2).transpose(1, 2).to(self.predictor.weight.dtype)
        x = self.predictor(self.dec_norm(self._through(self.decoder, self.post_quant_conv(x))))
        x = x.reshape(-1, self.rows, self.columns, 3, self.patch, self.patch)
        pictures: Tensor = x.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
        return pictures

    def _through(self, layers: nn.ModuleList, x: Tensor) -> Tensor:
        self._cosine, self._sine = self._cosine.to(x.device), self._sine.to(x.device)  # copied once
        for layer in layers:
            x = layer(x, self._cosine, self._sine)
        return x


class Layer(nn.Module):
    """Attention over the places of one picture, then a perceptron, each after a normalisation."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(d, eps=EPSILON)
        self.attn = Attention(d, heads)
        self.norm2 = nn.LayerNorm(d, eps=EPSILON)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(d, 4 * d), "fc2": nn.Linear(4 * d, d)})

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Keep the shape (n, places, d)."""
        x = x + self.attn(self.norm1(x), cosine, sine)
        wide = F.gelu(self.mlp["fc1"](self.norm2(x)))
        return x + self.mlp["fc2"](wide)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Every place looks at every place; half of a head's entries are turned by where the place is."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Keep the shape (n, places, d)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(turn(q, cosine, sine), turn(k, cosine, sine), v)
        seen: Tensor = self.proj(y.transpose(1, 2).flatten(2))
        return seen


def to_levels(pictures: Tensor) -> Tensor:
    """Turn about -1..1 (n, 3, h, w) into uint8 (n, h, w, 3), fractions cut off as published."""
    levels = ((pictures.float() + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)
    return levels.movedim(1, -1).contiguous()
