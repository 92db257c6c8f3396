"""What a frame costs a machine at the least: its products' arithmetic and bytes, and the time that both must take.

Counted while one real step runs, for every architecture that computes with torch: each matrix product, convolution and
attention, its FLOP (a multiply-add counts as two) and the bytes of its operands and its result, each moved once. The
roof of a product is the longer of its FLOP at the machine's measured peak and its bytes at its measured bandwidth; what
lies between the products (normalising, turning, adding) is not in it. A net whose weights stay in the caches can go
through the part of the roof that is made of bytes. Knows models by their contract only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

CPU_ATTENTION = "aten._scaled_dot_product_flash_attention_for_cpu"  # torch's own table of formulas lacks it,
PACKED_CONVOLUTION = "mkldnn._convolution_pointwise"  # and this


@dataclass(slots=True)
class Products:
    """The products of one step, in the order in which they ran."""

    flop: list[float] = field(default_factory=list)
    nbytes: list[float] = field(default_factory=list)

    def roof_s(self, flop_per_s: float, bytes_per_s: float) -> float:
        """Return the time that these products must take at the least, one after the other, seconds."""
        pairs = zip(self.flop, self.nbytes, strict=True)
        return sum(max(flop / flop_per_s, nbytes / bytes_per_s) for flop, nbytes in pairs)


def count_products(step: Callable[[], object]) -> Products:
    """Run ``step`` once on this thread and return what it multiplied; nothing for one that does not use torch."""
    mode = _Counting()
    with mode:
        step()
    return mode.products


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own mode has no types
    """Sees every operation. One that is made of others is taken apart first, as torch's own counter does it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products = Products()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = _formula(operation)
        if formula is None and operation is not torch.ops.prim.device.default:
            with self:
                parts = operation.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        out = operation(*args, **kwargs)
        if formula is not None:
            self.products.flop.append(float(formula(*args, **kwargs, out_val=out)))
            first = out[0] if isinstance(out, tuple) else out
            self.products.nbytes.append(float(sum(_nbytes(one) for one in (*args, first) if isinstance(one, Tensor))))
        return out


def _formula(operation: Any) -> Callable[..., float] | None:
    packet = getattr(operation, "_overloadpacket", None)
    if str(packet) == CPU_ATTENTION:
        return _attention_flop
    if str(packet) == PACKED_CONVOLUTION:
        return _convolution_flop
    found: Callable[..., float] | None = flop_registry.get(packet)
    return found


def _attention_flop(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> float:
    return float(sdpa_flop_count(query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _convolution_flop(x: Tensor, kernel: Tensor, *_: Any, out_val: Tensor, **__: Any) -> float:
    return 2.0 * out_val.numel() * kernel.shape[1:].numel()


def _nbytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor; those of a packed kernel, which has no storage that torch could measure, too."""
    return tensor.numel() * tensor.element_size()
