"""The floor under a training step: the kernels that no step can do without, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from isthmus.core import Composed
from isthmus.training.adamw import AdamW

Kernel = Callable[[], Any]

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class Call:
    """One call of a layer in a forward pass."""

    layer: nn.Module
    input: Tensor
    output: Tensor
    needs_input_gradient: bool


@dataclass(frozen=True)
class Floor:
    """What a step must at least do, as functions that each do a part of it once.

    Parameters
    ----------
    gather : Kernel
        Takes a batch out of the data.
    products : list of Kernel
        The matrix products and convolutions of the forward and the backward pass.
    update : Kernel
        The fused update of all weights, laid out in one piece.
    multiplications : int
        In all products.
    """

    gather: Kernel
    products: list[Kernel]
    update: Kernel
    multiplications: int

    def __call__(self) -> None:
        self.gather()
        self.multiply()
        self.update()

    def multiply(self) -> None:
        """All products."""
        for product in self.products:
            product()


def floor(module: Composed, data: Tensor, batch_size: int, *, bf16: bool) -> Floor:
    """The floor of a step of this module, in the given format and the layout that suits each layer.

    It counts every linear and convolutional layer: the product of its forward pass and the two of its backward pass
    (one for the first layer). No activation, no likelihood, no loss, no noise.
    """
    dtype = torch.bfloat16 if bf16 else torch.float32
    products: list[Kernel] = []
    for call in _calls(module, data[:batch_size]):
        make = _convolution if isinstance(call.layer, _CONVOLUTIONS) else _linear
        products += make(call, dtype)
    with FlopCounterMode(display=False) as counter:
        for product in products:
            product()
    return Floor(_gather(data, batch_size), products, _adam(module), counter.get_total_flops() // 2)


def _calls(module: Composed, batch: Tensor) -> list[Call]:
    """Every call of a linear or convolutional layer in one forward pass."""
    calls: list[Call] = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append(Call(layer, inputs[0].detach(), output.detach(), inputs[0].requires_grad))

    layers = [layer for layer in module.modules() if isinstance(layer, (nn.Linear, *_CONVOLUTIONS))]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        module(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _gather(data: Tensor, batch_size: int) -> Kernel:
    index = torch.randperm(len(data))[:batch_size].to(data.device)
    return lambda: data.index_select(0, index)


def _linear(call: Call, dtype: torch.dtype) -> list[Kernel]:
    x, dy = call.input.flatten(0, -2).to(dtype), torch.randn_like(call.output).flatten(0, -2).to(dtype)
    w = cast(nn.Linear, call.layer).weight.detach().to(dtype)
    y, dx, dw = torch.empty_like(dy), torch.empty_like(x), torch.empty_like(w)
    kernels: list[Kernel] = [lambda: torch.mm(x, w.T, out=y), lambda: torch.mm(dy.T, x, out=dw)]
    if call.needs_input_gradient:
        kernels.append(lambda: torch.mm(dy, w, out=dx))
    return kernels


def _convolution(call: Call, dtype: torch.dtype) -> list[Kernel]:
    layer = cast(nn.Conv2d, call.layer)
    transposed = isinstance(layer, nn.ConvTranspose2d)
    x, dy, w = (
        t.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        for t in (call.input, torch.randn_like(call.output), layer.weight)
    )
    rest = (
        layer.stride,
        layer.padding,
        layer.dilation,
        transposed,
        layer.output_padding if transposed else (0, 0),
        layer.groups,
    )
    wanted = [call.needs_input_gradient, True, False]
    return [
        lambda: torch.ops.aten.convolution(x, w, None, *rest),
        lambda: torch.ops.aten.convolution_backward(dy, x, w, None, *rest, wanted),
    ]


def _adam(module: Composed) -> Kernel:
    n = sum(p.numel() for p in module.parameters() if p.requires_grad)
    device = next(module.parameters()).device
    optimizer = AdamW([torch.randn(n, device=device)], decay=0.0)
    gradient = [torch.randn(n, device=device)]
    return lambda: optimizer.update(gradient, 1e-6, 1)
