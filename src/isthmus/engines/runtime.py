"""Half a network in the hands of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from isthmus.engines.graphs import INPUT, OUTPUT, translate
from isthmus.networks.scaling import Scaling


def onnx_encoder(scaling: Scaling, encoder: nn.Module, event: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """Function from data (B, *event) in their own units to features (B, n_features)."""
    run = _session(translate(encoder, event, scaling))
    dtype, log = scaling.shift.dtype, scaling.kind == "log"

    def encode(x: Tensor) -> Tensor:
        x = x.to(dtype)
        return run(x.clamp_min(0).log1p() if log else x)

    return encode


def onnx_decoder(decoder: nn.Module, latent_dim: int) -> Callable[[Tensor], Tensor]:
    """Function from codes (B, latent_dim) to outputs (B, *event, n_outputs)."""
    return _session(translate(decoder, (latent_dim,)))


def _session(model: bytes) -> Callable[[Tensor], Tensor]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [OUTPUT]

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(names, {INPUT: x.numpy()})[0])

    return run
