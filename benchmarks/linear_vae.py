"""A linear VAE, trained by the ordinary loop, against closed-form probabilistic PCA.

    python benchmarks/linear_vae.py

The optimum of the linear VAE's bound is the exact log-likelihood of probabilistic PCA with maximum-likelihood
parameters (Tipping & Bishop, 1999, eqs. 7 and 8; Lucas et al., 2019). Printed: how far training comes, in nats
per sample, with plain minibatches and after L-BFGS on the bound with moment-matched noise, which is exact for
linear models.
"""

import argparse

import numpy as np
import torch
from common import environment

from isthmus import VAE, Trainer
from isthmus.evaluate.bounds import common_noise, elbo


def data(n: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spread = np.concatenate([[3.0, 2.0, 1.5, 1.2], np.full(d - 4, 0.5)])
    return rng.normal(size=(n, d)) * spread @ np.linalg.qr(rng.normal(size=(d, d)))[0] + rng.normal(size=d)


def exact(X: np.ndarray, k: int) -> float:
    """Mean log-likelihood of probabilistic PCA at its maximum."""
    d = X.shape[1]
    values = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    noise = values[k:].mean()
    return -0.5 * (d * np.log(2 * np.pi) + np.log(values[:k]).sum() + (d - k) * np.log(noise) + d)


def polish(vae: VAE, X: np.ndarray) -> None:
    """Full-batch L-BFGS on the negative bound."""
    module, x = vae.module_, torch.tensor(X)
    noise = common_noise(2, vae.latent_dim_)

    def closure() -> torch.Tensor:
        module.zero_grad()
        # In float64, as the differences that matter at the end are below float32's resolution of the mean.
        loss = -elbo(module, x, noise).double().mean()
        loss.backward()
        return loss

    # The line search gives up at float32's resolution; a fresh start gets further.
    for _ in range(6):
        torch.optim.LBFGS(
            module.parameters(), max_iter=500, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
        ).step(closure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--d", type=int, default=12)
    parser.add_argument("--latent_dim", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    print(environment(), "\n")
    print("| seed | exact | gap after training | gap after L-BFGS |\n| --- | --- | --- | --- |")
    gaps = []
    for seed in range(args.seeds):
        X = data(args.n, args.d, seed)
        trainer = Trainer(
            validation_fraction=0, weight_decay=0.0, learning_rate=1e-2, batch_size=256, early_stopping=None
        )
        vae = VAE(
            args.latent_dim,
            network="linear",
            likelihood="gaussian",
            scaling="center",
            max_epochs=args.epochs,
            trainer=trainer,
            random_state=seed,
        ).fit(X)
        best = exact(X, args.latent_dim)
        trained = best - bound(vae, X)
        polish(vae, X)
        gaps.append((trained, best - bound(vae, X)))
        print(f"| {seed} | {best:.6f} | {gaps[-1][0]:.1e} | {gaps[-1][1]:.1e} |", flush=True)
    worst = np.abs(gaps).max(0)
    print(f"| worst | | {worst[0]:.1e} | {worst[1]:.1e} |")


def bound(vae: VAE, X: np.ndarray) -> float:
    return float(np.mean(vae.score_samples(X), dtype=np.float64))


if __name__ == "__main__":
    main()
