"""What `evaluate` reports, each with its definition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from isthmus.data.info import describe_data
from isthmus.data.streams import AnyRows, chunks
from isthmus.engines.engine import engine_of
from isthmus.evaluate.bounds import common_noise, draw
from isthmus.evaluate.pictures import psnr
from isthmus.evaluate.trust import check_trust, further_metrics
from isthmus.terms import kl_per_latent

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.models.base import BaseAutoencoder

METRICS = {
    "n_samples": "rows that were evaluated",
    "mse": "squared error of the reconstruction, averaged over rows and values, in squared data units",
    "r2": "share of the variance (about the rows' own mean) that the reconstruction explains",
    "psnr": "pictures only: 10 log10(range² / mse) in decibels, range 255 for uint8, else that of the training data",
    "ssim": "pictures only: structural similarity of the reconstructions, at most 2,000 of them (Wang et al., 2004)",
    "reconstruction_nll": "−log p(x | z = code) in nats per sample, at the deterministic code",
    "elbo": "evidence lower bound on log p(x), nats per sample (Kingma & Welling, 2014)",
    "bits_per_dim": "−elbo / (values per sample · ln 2); without an elbo, of discrete_bound or of reconstruction_nll",
    "kl": "KL(q(z|x) ‖ p(z)), nats per sample",
    "rate": "nats per sample that the code costs: the same as kl; −log P(z) of quantised codes (Alemi et al., 2018)",
    "distortion": "−E log p(x|z) over codes drawn from q(z|x), nats per sample: −elbo − rate (Alemi et al., 2018)",
    "mutual_information": "E log q(z|x) / q(z), nats; q(z) is of 2,000 rows at most (Hoffman & Johnson, 2016)",
    "aggregate_gap": "KL(q(z) ‖ p(z)), nats: codes of the data against codes of the prior; rate − mutual_information",
    "total_correlation": "KL(q(z) ‖ Π q(zⱼ)), nats: how far the latents are from independent (Chen et al., 2018)",
    "dimension_kl": "Σ KL(q(zⱼ) ‖ p(zⱼ)), nats: aggregate_gap − total_correlation (Chen et al., 2018)",
    "active_units": "latents whose posterior mean varies over the rows by more than 0.01 (Burda et al., 2016)",
    "l0": "sparse codes: latents that are not zero, averaged over the rows",
    "dead_share": "sparse codes: share of the latents that are zero for every row",
    "discrete_bound": "quantised codes: log p(x|z) + log P(z), a lower bound on log p(x), nats per sample",
    "codebook_usage": "quantised codes: share of a codebook that some row uses, mean over the codebooks",
    "perplexity": "quantised codes: exp(entropy) of how often each code is used, mean over the codebooks",
    "log_likelihood": "exact log p(x), nats per sample, where the model has one in closed form",
    "jacobian_norm": "‖∂z/∂x‖² of the code by the scaled input: squared derivatives, summed, mean over the rows",
}
"""Key of `BaseAutoencoder.evaluate`, and what it means."""


def evaluate(estimator: BaseAutoencoder, X: AnyRows) -> dict[str, float]:
    """Metrics of a fitted estimator on samples (n, *event), with the keys of `METRICS` that apply."""
    from isthmus.models.fitting import active_units, some_codes
    from isthmus.models.inference import by_batch, divergence_rows, score_rows

    module, info = engine_of(estimator.module_), estimator.info_
    mse = squared_error(module, X)
    variance = float(np.mean(describe_data(X).std ** 2))
    result = {
        "n_samples": float(len(X)),
        "mse": mse,
        "r2": 1 - mse / variance if variance > 0 else float("nan"),
    }
    if info.is_picture:
        result["psnr"] = psnr(mse, info)
    nll = by_batch(module, X, lambda x: -module.log_prob(x, module.code(x)))
    result["reconstruction_nll"] = float(nll.mean(dtype=np.float64))
    bound = -result["reconstruction_nll"]
    if module.bottleneck.stochastic:
        bound = result["elbo"] = float(score_rows(module, X).mean(dtype=np.float64))
        result["kl"] = float(divergence_rows(module, X).mean(dtype=np.float64))
    result |= further_metrics(estimator, X, result)
    check_trust(estimator, X, nll)
    result["bits_per_dim"] = float(-bound / (info.n_values * np.log(2)))
    result["active_units"] = float(active_units(some_codes(estimator, X)))
    return result


def squared_error(module: Composed, X: AnyRows) -> float:
    """Squared error of the reconstruction, averaged over rows (n, *event) and values, without keeping it."""
    from isthmus.models.inference import MOST_ROWS, rebuild

    total = 0.0
    for chunk in chunks(X, MOST_ROWS):
        total += float(np.sum((rebuild(module, chunk) - np.asarray(chunk, dtype=np.float64)) ** 2))
    return total / math.prod(X.shape)


def divergences(estimator: BaseAutoencoder, X: AnyRows) -> np.ndarray:
    """KL of each latent's posterior from the prior, in nats, of shape (n, latent_dim).

    Where latents depend on each other, of each given those before it, averaged over draws.
    """
    from isthmus.models.inference import SCORE_DRAWS, by_batch, device_of

    module = engine_of(estimator.module_)
    layered = hasattr(module.bottleneck, "ladder")
    noise = common_noise(SCORE_DRAWS, module.bottleneck.latent_dim_).to(device_of(module)) if layered else None

    def per_latent(x: torch.Tensor) -> torch.Tensor:
        q, prior = module.encode(x).q, module.prior()
        closed = None if q is None else kl_per_latent(q, prior, None if noise is None else draw(q, noise))
        if closed is None:
            raise TypeError("only a Gaussian posterior and prior have a divergence per latent")
        return closed if noise is None else closed.mean(0)

    return by_batch(module, X, per_latent, copies=1 if noise is None else len(noise))
