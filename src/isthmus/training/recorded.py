"""A step that is recorded once and then replayed by the GPU, without the program in between."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Steps that are taken as they come before one is recorded: what is made on first use is there by then.
_WARM_UP = 3


class RecordedStep:
    """A step as a CUDA graph.

    The kernels of a small model take less time than Python needs to start them; a graph starts all of them at once. The
    numbers are those of the step itself: it reads the same tensors, which are filled anew before each replay, and draws
    from the same generator. Batches of another size than the first are left to the step as it is, and so is everything
    if recording fails, as it does where a part of the model waits for the device.

    Parameters
    ----------
    step : callable
        Moves the weights along the gradient of a batch (a list of tensors). All else that it reads and writes is in
        tensors that stay where they are.
    device : torch.device
        Where it runs; only a CUDA GPU records.
    """

    def __init__(self, step: Callable[[list[Tensor]], None], device: torch.device) -> None:
        self._step, self._device = step, device
        self._possible = device.type == "cuda"
        self._seen = 0
        self._batch: list[Tensor] = []
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: list[Tensor]) -> bool:
        """Take the step if it is recorded, or can be by now; False if it was not taken."""
        if not self._possible:
            return False
        if not self._batch:
            self._batch = [part.clone() for part in batch]
        if [part.shape for part in batch] != [part.shape for part in self._batch]:
            return False
        for mine, part in zip(self._batch, batch, strict=True):
            mine.copy_(part)
        if self._graph is None:
            self._seen += 1
            if self._seen <= _WARM_UP:
                return self._aside()
            if not self._record():
                return False
        assert self._graph is not None
        self._graph.replay()
        return True

    def _aside(self) -> bool:
        """Take the step on a stream of its own, as a recording will."""
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            self._step(self._batch)
        torch.cuda.current_stream(self._device).wait_stream(stream)
        return True

    def _record(self) -> bool:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._step(self._batch)
        except RuntimeError:  # something in the step is not for graphs
            self._possible = False
            return False
        self._graph = graph
        return True
