"""The optimiser: AdamW on float32 weights, for gradients in any format."""

from __future__ import annotations

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamW:
    """AdamW (Loshchilov & Hutter, 2019); vectors and scalars (biases, norms, learned scales) are not decayed.

    It is PyTorch's fused kernel, without `torch.optim`'s bookkeeping, which costs a small model more than the update;
    and its moments are plain tensors, which a compiled step can update in place.

    Parameters
    ----------
    weights : list of Tensor
        What to move, in place.
    decay : float
        Decoupled decay of matrices and kernels.
    paces : list of float, optional
        Share of the learning rate for each of them; 1 unless given.
    """

    def __init__(self, weights: list[Tensor], decay: float, paces: list[float] | None = None) -> None:
        self.weights = weights
        self.first = [torch.zeros_like(w) for w in weights]
        self.second = [torch.zeros_like(w) for w in weights]
        # On a GPU these are read by the kernel, so that a step which was recorded once can be replayed with others.
        self._count = torch.zeros((), device=weights[0].device)
        self._rate: Tensor | float = torch.zeros((), device=weights[0].device) if self._count.is_cuda else 0.0
        self.decays = [decay if w.ndim >= 2 else 0.0 for w in weights]
        self.paces = paces or [1.0] * len(weights)
        self._gradients: dict[int, Tensor] = {}

    def widen(self, gradients: tuple[Tensor, ...] | list[Tensor]) -> list[Tensor]:
        """Gradients as float32 in the layout of the weights, which the kernel relies on, in buffers that are kept."""
        widened = list(gradients)
        other = [
            i for i, g in enumerate(gradients) if g.dtype != torch.float32 or g.stride() != self.weights[i].stride()
        ]
        for i in other:
            if i not in self._gradients:
                self._gradients[i] = torch.empty_like(self.weights[i])
            widened[i] = self._gradients[i]
        if other:
            torch._foreach_copy_(  # pyright: ignore[reportPrivateImportUsage]
                [widened[i] for i in other], [gradients[i] for i in other]
            )
        return widened

    def update(self, gradients: list[Tensor], rate: float, number: int) -> None:
        """Step ``number``, from 1."""
        self.announce(rate, number)
        self.apply(gradients)

    def announce(self, rate: float, number: int) -> None:
        """Set learning rate and number, from 1, of the next step."""
        self._count.fill_(number)
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            self._rate = rate

    def apply(self, gradients: list[Tensor]) -> None:
        """Take the step that was announced."""
        kinds = list(zip(self.decays, self.paces, strict=True))
        for decay, pace in sorted(set(kinds)):
            chosen = [i for i, kind in enumerate(kinds) if kind == (decay, pace)]
            weights, slopes, first, second = (
                [tensors[i] for i in chosen] for tensors in (self.weights, gradients, self.first, self.second)
            )
            torch._fused_adamw_(  # pyright: ignore[reportPrivateImportUsage]
                weights,
                slopes,
                first,
                second,
                [],
                [self._count] * len(chosen),
                lr=self._rate * pace,
                beta1=BETA1,
                beta2=BETA2,
                weight_decay=decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def tensors(self) -> dict[str, Tensor]:
        """Its state by name."""
        moments = {"first": self.first, "second": self.second}
        return {f"{i}/{name}": m for name, tensors in moments.items() for i, m in enumerate(tensors)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back a state of `tensors`.

        Raises
        ------
        ValueError
            It is of other weights.
        """
        own = self.tensors()
        self.check(own, tensors)
        for name, tensor in own.items():
            tensor.copy_(tensors[name])

    @staticmethod
    def check(own: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
        """Raise ValueError unless two states are of the same weights."""
        if own.keys() != tensors.keys():
            raise ValueError("optimiser state of another model")
        for name, tensor in own.items():
            if tensor.shape != tensors[name].shape or tensor.dtype != tensors[name].dtype:
                raise ValueError(f"optimiser state {name} has shape {tuple(tensors[name].shape)}")
