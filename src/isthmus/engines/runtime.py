"""Half a network in the hands of ONNX Runtime: from arrays to arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from isthmus.engines.graphs import INPUT, OUTPUT, translate
from isthmus.networks.scaling import Scaling

ArrayFunction = Callable[[np.ndarray], np.ndarray]


def onnx_encoder(scaling: Scaling, encoder: nn.Module, event: tuple[int, ...]) -> ArrayFunction:
    """Function from data (B, *event) in their own units to features (B, n_features)."""
    run = _session(translate(encoder, event, scaling))
    dtype = scaling.shift.detach().cpu().numpy().dtype
    if scaling.kind == "log":
        return lambda x: run(np.log1p(np.maximum(x, 0).astype(dtype)))
    return lambda x: run(x if x.dtype == dtype else x.astype(dtype))


def onnx_decoder(decoder: nn.Module, latent_dim: int) -> ArrayFunction:
    """Function from codes (B, latent_dim) to outputs (B, *event, n_outputs)."""
    return _session(translate(decoder, (latent_dim,)))


def _session(model: bytes) -> ArrayFunction:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    run: Any = session.run
    names = [OUTPUT]
    return lambda x: run(names, {INPUT: x})[0]
