"""Whether weights are what they were when something was made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

_SAMPLED = 8


class Watch:
    """Tells whether layers and weights have changed since; in microseconds, for it is asked at every call.

    A layer or a tensor put in the place of another is seen, and a tensor changed in place by PyTorch. Fused optimisers
    and what goes through ``.data`` or NumPy does not tell PyTorch; of every tensor eight values are looked at for that.

    Parameters
    ----------
    roots : list of Module
        What is watched, with all that is in them.
    places : iterable of (dict, str)
        Further places, dictionaries of modules and their keys, that have to hold what they hold now.
    """

    def __init__(self, roots: list[nn.Module], places: Iterable[tuple[dict, str]] = ()) -> None:
        modules = [inner for root in roots for inner in root.modules()]
        within = [(inner._modules, key) for inner in modules for key in inner._modules]
        self._layers = [(held, key, held[key]) for held, key in [*places, *within]]
        self._tensors = [
            (held, key, tensor, *_signs(tensor))
            for inner in modules
            for held in (inner._parameters, inner._buffers)
            for key, tensor in held.items()
            if tensor is not None
        ]

    def holds(self) -> bool:
        """Whether nothing has changed."""
        for held, key, layer in self._layers:
            if held.get(key) is not layer:
                return False
        for held, key, tensor, address, version, sample, values in self._tensors:
            if held.get(key) is not tensor or tensor.data_ptr() != address or sample() != values:
                return False
            # Inference mode keeps no versions.
            if version is not None and tensor._version != version:
                return False
        return True


def _signs(tensor: Tensor) -> tuple[int, int | None, Callable[[], bytes], bytes]:
    """Where a tensor is, how often it was changed in place, and a look at some of its values with what it shows now."""
    sample = _sampler(tensor.detach())
    return tensor.data_ptr(), None if tensor.is_inference() else tensor._version, sample, sample()


def _sampler(tensor: Tensor) -> Callable[[], bytes]:
    n = min(_SAMPLED, tensor.numel())
    step = tensor.numel() // max(1, n)
    end = (tensor.storage_offset() + tensor.numel()) * tensor.itemsize
    if end > tensor.untyped_storage().nbytes():  # a view that repeats what it shows
        return bytes
    some = tensor.as_strided((n,), (step,))
    if some.dtype == torch.bfloat16:  # which NumPy does not know
        some = some.view(torch.int16)
    return some.numpy().tobytes if some.device.type == "cpu" else lambda: some.cpu().numpy().tobytes()
