"""Batch normalisation, which is an affine map once the training is over, merged into the layer before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from isthmus.networks.conv import TransposedConv

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, TransposedConv)


def without_norms(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """The layers with every batch normalisation merged into the layer before it, as is possible in evaluation."""
    merged: list[nn.Module] = []
    for layer in layers:
        before = merged[-1] if merged else None
        if type(layer) is nn.BatchNorm1d and isinstance(before, nn.Linear):
            merged[-1] = fuse_linear_bn_eval(before, layer)
        elif type(layer) is nn.BatchNorm2d and type(before) in _CONVOLUTIONS:
            transposed = isinstance(before, nn.ConvTranspose2d)
            merged[-1] = fuse_conv_bn_eval(cast(Any, before), layer, transpose=transposed)
        else:
            merged.append(layer)
    return merged
