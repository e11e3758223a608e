"""Invertible networks whose Jacobian is triangular, from zuko."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from isthmus.errors import MissingExtraError, ParameterError

Univariate = Literal["affine", "spline"]

# The masks of a wider flow would take longer to lay out than most models to train.
_WIDEST, _MOST_TRANSFORMS, _WIDEST_LAYER, _MOST_LAYERS, _MOST_BINS = 512, 64, 4096, 16, 256
# Share of its usual size with which the last layer of each transform starts, so that all of them are near the identity.
_START = 0.1


def autoregressive(
    univariate: Univariate,
    latent_dim: int,
    *,
    n_context: int = 0,
    n_transforms: int,
    hidden: tuple[int, ...],
    n_bins: int = 8,
) -> nn.Module:
    """Transforms y_i = f(x_i; x_1 ... x_{i-1}, context), one after the other, in alternating order.

    Called with a context (B, n_context), or None, the module gives a transform of PyTorch's kind. From x to y it takes
    one pass, and from y to x ``latent_dim`` passes, as each value needs those before it.

    Parameters
    ----------
    univariate : {"affine", "spline"}
        f: shift and scale (Papamakarios et al., 2017), or a monotonic rational-quadratic spline on [-5, 5] that is the
        identity elsewhere (Durkan et al., 2019).
    latent_dim : int
        Width of x and y.
    n_context : int
        Width of the context.
    n_transforms : int
        How many.
    hidden : tuple of int
        Widths of the hidden layers of the network that gives the parameters of f.
    n_bins : int
        Bins of a spline.

    Raises
    ------
    MissingExtraError
        zuko is not installed.
    ParameterError
        A number is out of range.
    """
    _check(univariate, latent_dim, n_transforms, hidden)
    _in_range("n_context", n_context, 0, _WIDEST_LAYER)
    _in_range("n_bins", n_bins, 2, _MOST_BINS)
    options: dict[str, Any] = {"transforms": n_transforms, "hidden_features": hidden}
    # The masks are found by looking at values, so they need values even where a model is only laid out.
    with torch.device("cpu"):
        try:
            from zuko.flows import MAF, NSF
        except ImportError:
            raise MissingExtraError("flows need zuko: pip install 'isthmus[flows]'") from None
        if univariate == "spline":
            flow = NSF(latent_dim, n_context, bins=n_bins, **options).transform
        else:
            flow = MAF(latent_dim, n_context, **options).transform
    for transform in flow.modules():
        hyper = getattr(transform, "hyper", None)
        if isinstance(hyper, nn.Module):
            _begin_small(list(hyper.modules())[-1])
            hyper.register_forward_hook(_in_float32)
        elif hasattr(transform, "phi"):  # of a single latent without a context, which has no network
            _begin_small(transform)
    return flow.to(torch.get_default_device())


def _begin_small(layer: nn.Module) -> None:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(_START)


def _in_float32(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Transforms and their determinants need more digits than the layers, which may compute in bfloat16."""
    return output.float()


def _check(univariate: str, latent_dim: int, n_transforms: int, hidden: tuple[int, ...]) -> None:
    if univariate not in get_args(Univariate):
        raise ParameterError(f"unknown transform {univariate!r}; choose 'affine' or 'spline'")
    if latent_dim > _WIDEST:
        raise ParameterError(
            f"latent_dim={latent_dim:,} is too wide for an autoregressive flow, which may have {_WIDEST}; use fewer "
            "latents, or neither posterior nor prior by a flow"
        )
    _in_range("n_transforms", n_transforms, 1, _MOST_TRANSFORMS)
    _in_range("the number of hidden layers", len(hidden), 1, _MOST_LAYERS)
    for width in hidden:
        _in_range("the width of a hidden layer", width, 1, _WIDEST_LAYER)


def _in_range(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ParameterError(f"{what} must be from {least} to {most:,}, got {value}")
