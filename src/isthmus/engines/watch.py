"""Whether weights are what they were when something was made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Counts the batches of a training, which no layer reads.
_COUNTER = "num_batches_tracked"


class Watch:
    """Tells whether layers and weights have changed since; in microseconds, for it is asked at every call.

    A layer or a tensor put in the place of another is seen, a hook that comes or goes, and a tensor changed in place by
    PyTorch. Fused optimisers and what goes through ``.data`` or NumPy do not tell PyTorch; of every tensor the first
    and the last value are looked at for that.

    Parameters
    ----------
    roots : list of Module
        What is watched, with all that is in them.
    above : list of dict
        Dictionaries of modules that have to hold what they hold now, but not what is in it.
    """

    def __init__(self, roots: list[nn.Module], above: Iterable[dict[str, Any]] = ()) -> None:
        modules = [inner for root in roots for inner in root.modules()]
        held = [d for inner in modules for d in (inner._modules, inner._parameters, inner._buffers)]
        self._holders = [d for d in (*above, *held) if d]
        # They are kept, so that no other object can take their place in memory and pass for them.
        self._kept = [value for d in self._holders for value in d.values()]
        self._hooks = [hooks for inner in modules for hooks in (inner._forward_hooks, inner._forward_pre_hooks)]
        tensors = [
            tensor
            for inner in modules
            for name, tensor in (*inner._parameters.items(), *inner._buffers.items())
            if tensor is not None and name != _COUNTER
        ]
        # Inference mode keeps no versions.
        self._tracked = [tensor for tensor in tensors if not tensor.is_inference()]
        self._addresses = [tensor.data_ptr for tensor in tensors]
        self._samplers = [_sampler(tensor.detach()) for tensor in tensors]
        self._state = self._look()

    def holds(self) -> bool:
        """Whether nothing has changed."""
        return self._look() == self._state

    def _look(self) -> tuple[object, ...]:
        # Comprehensions, as most of the time goes into reaching what is not in the cache.
        return (
            [id(value) for d in self._holders for value in d.values()],
            [tensor._version for tensor in self._tracked],
            [address() for address in self._addresses],
            [sample() for sample in self._samplers],
            sum(map(len, self._hooks)),
        )


def _sampler(tensor: Tensor) -> Callable[[], bytes]:
    """Function that gives the first and the last value, as bytes."""
    n = tensor.numel()
    end = (tensor.storage_offset() + n) * tensor.itemsize
    if n == 0 or end > tensor.untyped_storage().nbytes():  # a view that repeats what it shows
        return bytes
    ends = tensor.as_strided((min(n, 2),), (max(1, n - 1),))
    if ends.dtype == torch.bfloat16:  # which NumPy does not know
        ends = ends.view(torch.int16)
    return ends.numpy().tobytes if ends.device.type == "cpu" else lambda: ends.cpu().numpy().tobytes()
