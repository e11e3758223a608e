"""Decoding something beside the code, for a cost that must not teach all that it passes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call

if TYPE_CHECKING:
    from isthmus.core import Composed


def decode_aside(model: Composed, z: Tensor, *, trained: bool) -> Distribution:
    """p(x|z) for codes z of shape (B, latent_dim), whose gradient goes to z and, if ``trained``, to the decoder."""
    return likelihood_aside(model, pass_aside(model.network.decoder, z, trained=trained))


def likelihood_aside(model: Composed, y: Tensor) -> Distribution:
    """p(x|z) for outputs y of the decoder, whose scale gets no gradient: it is to measure the error of the code."""
    return pass_aside(model.likelihood, y.float())


def pass_aside(part: nn.Module, x: Tensor, *, trained: bool = False) -> Any:
    """The output of a module; its running statistics stay as they are, and its parameters if not ``trained``."""
    state = {name: buffer.clone() for name, buffer in part.named_buffers()}
    state |= {name: parameter if trained else parameter.detach() for name, parameter in part.named_parameters()}
    return functional_call(part, state, (x,))
