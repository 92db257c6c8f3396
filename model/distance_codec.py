"""Distances as bytes: how far what a picture shows is, in steps of about two per cent, a byte each and deflated."""

import zlib
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAREST, STEPS = 4.0, 24.0  # map units; steps to the double. The farthest is NEAREST * 2 ** (254 / STEPS): 6,100 units


def pack_distances(distances: NDArray[np.floating[Any]]) -> bytes:
    """Turn distances (h, w) in map units into bytes; NaN: not known."""
    steps = 1 + np.rint(STEPS * np.log2(np.maximum(distances, NEAREST) / NEAREST))
    return zlib.compress(np.where(np.isnan(distances), 0, np.clip(steps, 1, 255)).astype(np.uint8).tobytes(), 9)


def unpack_distances(packed: bytes, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Return the distances (h, w) that were packed; None where these are not so many."""
    steps = inflated(packed, shape)
    if steps is None:
        return None
    told = NEAREST * 2 ** ((steps.astype(np.float32) - 1) / STEPS)
    return np.where(steps == 0, np.nan, told).astype(np.float32)


def inflated(packed: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return deflated bytes as an array; None where these are not so many. Never reads more than asked for."""
    try:
        found = np.frombuffer(zlib.decompressobj().decompress(packed, prod(shape)), np.uint8)
    except zlib.error:
        return None
    return found.reshape(shape) if len(found) == prod(shape) else None
