"""What a model's failure is called: every kind of full memory and of broken kernel, from whichever device."""

import pytest

from dreamloop.model.failure import OutOfMemoryError, in_words

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
    ],
)
def test_a_full_memory_names_the_mend(error: Exception) -> None:
    """Guards against a wall of allocator statistics in the face of a player."""
    said = in_words(error)
    assert isinstance(said, OutOfMemoryError)
    assert "the memory is full" in str(said)
    assert "--dtype bfloat16" in str(said)
    assert "\n" not in str(said)


def test_what_torch_really_raises_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert isinstance(in_words(caught.value), OutOfMemoryError)


def test_a_broken_kernel_points_to_the_processor() -> None:
    said = in_words(RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"))
    assert "the device failed" in str(said)
    assert "--device cpu" in str(said)
    assert "might be" not in str(said), "one line is enough"


def test_anything_else_is_told_as_it_is() -> None:
    assert str(in_words(ValueError("odd shape\nmore"))) == "the model failed (ValueError: odd shape)"
    assert str(in_words(ValueError())) == "the model failed (ValueError)"
