"""What went wrong inside a model, in one sentence with the mend. The same for every architecture and device.

Told by the names and words of the errors, because a model without torch must not load it. Knows no model.
"""

from dreamloop.model.world_model import ModelError

# As torch says it on a graphics card, on Apple's, and on the processor.
_FULL = ("out of memory", "can't allocate memory", "DefaultCPUAllocator", "not enough memory", "Invalid buffer size")
_KERNEL = (
    "CUDA error",
    "cuDNN error",
    "CUBLAS",
    "MPS backend",
    "no kernel image",
    "oneDNN",
    "could not create a primitive",
)
_LEAST = "--dtype bfloat16 halves what it needs, --device cpu uses the machine's own memory"


class OutOfMemoryError(ModelError):
    """The device's memory does not hold the model and what it works with."""


def in_words(error: Exception) -> ModelError:
    """Return ``error``, raised inside a model, as one that a player understands."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError" or any(word in str(error) for word in _FULL):
        return OutOfMemoryError(f"the memory is full ({_short(first) or kind}); {_LEAST}")
    if kind == "AcceleratorError" or any(word in str(error) for word in _KERNEL):
        return ModelError(f"the device failed ({kind}: {_short(first)}); --device cpu plays without it")
    return ModelError(f"the model failed ({kind}: {_short(first)})" if first else f"the model failed ({kind})")


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
