"""The published Oasis world as configuration. Knows nothing about tensors."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OasisConfig:
    """The defaults are those of Oasis-500M ("DiT-S/2") with its autoencoder ("ViT-L/20, shallow encoder")."""

    hidden: int = 1024  # width of a token of the dynamics
    depth: int = 16  # blocks, each with attention in space and in time
    heads: int = 16
    patch: int = 2  # latent places along a side of one token
    channels: int = 16  # of the latent picture
    actions: int = 25
    window: int = 32  # frames that are seen, the new one among them
    vae_patch: int = 20  # pixels along a side of one latent place
    vae_hidden: int = 1024
    vae_heads: int = 16
    encoder_depth: int = 6
    decoder_depth: int = 12
    steps: int = 10  # evaluations a frame; fewer are faster and worse
    context_label: int = 14  # noise level (of 1000) that finished frames are said to have
    noise_limit: float = 20.0
    latent_scale: float = 0.07843137255
    # What happens when the window is full. n >= 1: its last window - n frames are evaluated anew, every n frames (1
    # gives the published numbers for ever). 0: old keys and values slide out; the others still carry what has left.
    recompute_every: int = 16
