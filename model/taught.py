"""A net of which some parts are taught and the rest stays as it is: which weights are whose.

Parts are named by the first word of their weights' names.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor, nn

from dreamloop.model.checkpoint import check_tensors


def rest_of(weights: Mapping[str, Tensor], taught: Collection[str]) -> dict[str, Tensor]:
    """Return the weights of all parts but those that are taught."""
    return {name: tensor for name, tensor in weights.items() if name.split(".")[0] not in taught}


def fill_rest(net: nn.Module, path: Path, weights: Mapping[str, Tensor], taught: Collection[str]) -> None:
    """Put weights into a net, those of the taught parts aside, which may be of another shape.

    Raises:
        CheckpointError: the rest does not fit; the message names ``path``.
    """
    own = net.state_dict()
    rest = rest_of(weights, taught)
    check_tensors(path, rest, rest_of(own, taught))
    net.load_state_dict({**own, **rest})


def weights_of(net: nn.Module, like: Mapping[str, Tensor], taught: Collection[str]) -> dict[str, Tensor]:
    """Return the weights ``like`` with those of the taught parts of ``net`` put in, in the dtypes of these.

    A taught weight that ``like`` does not have is of the dtype of its others; what is no weight keeps its own.
    """
    usual = next(tensor.dtype for name, tensor in like.items() if name.endswith(".weight"))
    own = {name: tensor for name, tensor in net.state_dict().items() if name.split(".")[0] in taught}
    put = {
        name: tensor.to(like[name].dtype if name in like else usual if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in own.items()
    }
    return {**rest_of(like, taught), **{name: tensor.cpu() for name, tensor in put.items()}}
