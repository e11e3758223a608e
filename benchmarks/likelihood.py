"""Estimates of log p(x) and their errors, against the truth where it is known, and against each other where it is not.

    python benchmarks/likelihood.py

Linear Gaussian models of several widths, whose posterior is too narrow, have log p(x) in closed form. A variational
autoencoder of the digits has none: there bidirectional Monte Carlo on rows that it draws itself says how far each
method is off from the middle of two bounds, and held-out digits show the same order. Times are those of one core.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from common import environment
from sklearn.datasets import load_digits

from isthmus import VAE, LikelihoodWarning, Trainer
from isthmus.evaluate.likelihood import LikelihoodEstimate
from isthmus.likelihoods import GaussianLikelihood

IMPORTANCE = (1, 10, 100, 1000, 5000)
HEADER = (
    "| model | rows | method | log p(x) | ± sampling | off | median n_eff | k̂ > 0.7 | verdict | s |\n|" + " --- |" * 10
)


def linear(
    d: int, latent_dim: int, narrow: float, seed: int
) -> tuple[VAE, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """A linear model with random weights and a posterior whose spread is off by a factor; rows drawn from it; log p."""
    rng = np.random.default_rng(seed)
    noise, W = 0.5, rng.normal(size=(d, latent_dim)) / latent_dim**0.5
    X = rng.normal(size=(200, latent_dim)) @ W.T + noise * rng.normal(size=(200, d))
    options = {"network": "linear", "scaling": "none", "likelihood": GaussianLikelihood(noise)}
    vae = VAE(latent_dim, max_epochs=1, random_state=0, trainer=Trainer(validation_fraction=0), **options).fit(X)
    precise = W.T @ W + noise**2 * np.eye(latent_dim)
    std = narrow * noise * np.sqrt(np.diag(np.linalg.inv(precise)))
    V = np.linalg.solve(precise, W.T)
    raw = np.log(np.expm1(std - 1e-6)) - np.log(np.expm1(1))
    encoder, decoder = vae.module_.network.encoder[1], vae.module_.network.decoder[0]
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor(W))
        decoder.bias.zero_()
        encoder.weight.copy_(torch.tensor(np.vstack([V, np.zeros_like(V)])))
        encoder.bias.copy_(torch.tensor(np.concatenate([np.zeros(latent_dim), raw])))
    covariance = W @ W.T + noise**2 * np.eye(d)
    precision, log_det = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]

    def truth(rows: np.ndarray) -> np.ndarray:
        return -0.5 * (np.einsum("ni,ij,nj->n", rows, precision, rows) + d * np.log(2 * np.pi) + log_det)

    return vae, X, truth


def timed(estimate: Callable[[], LikelihoodEstimate]) -> tuple[LikelihoodEstimate, float]:
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LikelihoodWarning)
        return estimate(), time.process_time() - started


def report(
    model: str, rows: str, method: str, found: LikelihoodEstimate, seconds: float, truth: np.ndarray | None
) -> None:
    off = "" if truth is None else f"{(found.log_p - truth).mean():+.3f}"
    heavy = "" if np.isnan(found.tail).all() else f"{(found.tail > 0.7).mean():.0%}"
    verdict = "reliable" if found.reliable else "not reliable"
    numbers = (
        f"{found.mean:.3f} | {found.mean_error:.3f} | {off} | {np.median(found.effective):.3g} of {found.n_samples:,}"
    )
    print(f"| {model} | {rows} | {method} | {numbers} | {heavy} | {verdict} | {seconds:.1f} |", flush=True)


def every_method(
    name: str, rows: str, vae: VAE, X: np.ndarray, truth: np.ndarray | None, steps: tuple[int, ...]
) -> None:
    for k in IMPORTANCE:
        found, seconds = timed(lambda k=k: vae.estimate_likelihood(X, k))
        report(name, rows, f"importance, k = {k:,}", found, seconds, truth)
    for start in ("posterior", "prior"):
        for n in steps:
            found, seconds = timed(
                lambda n=n, s=start: vae.estimate_likelihood(X, method="annealed", n_steps=n, start=s)
            )
            report(name, rows, f"annealed from the {start}, {n} steps", found, seconds, truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--widths", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 250])
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(environment(), "\n")
    print(HEADER)
    for d, latent_dim in ((20, 4), (60, 16), (200, 64)):
        vae, X, truth = linear(d, latent_dim, 0.8, seed=0)
        X = X[: args.rows]
        every_method(f"linear, {latent_dim} latents", "data", vae, X, truth(X), tuple(args.steps[-1:]))
    digits = load_digits().images
    order = np.random.default_rng(0).permutation(len(digits))
    train, test = digits[order[:1400]], digits[order[1400:]]
    for latent_dim in args.widths:
        vae = VAE(latent_dim, max_epochs=args.epochs, random_state=0).fit(train)
        name = f"VAE, {latent_dim} latents"
        started = time.process_time()
        both = vae.bidirectional_likelihood(args.rows, n_steps=args.steps[-1], random_state=1)
        seconds = time.process_time() - started
        every_method(name, "drawn by it", vae, both.X, 0.5 * (both.lower + both.upper), tuple(args.steps))
        between = f"{both.lower.mean():.3f} to {both.upper.mean():.3f}, gap {both.gap:.3f} ± {both.gap_error:.3f}"
        print(
            f"| {name} | drawn by it | from both sides, {args.steps[-1]} steps | {between} | | | | | | {seconds:.1f} |"
        )
        every_method(name, "held-out digits", vae, test[: args.rows], None, tuple(args.steps))


if __name__ == "__main__":
    main()
