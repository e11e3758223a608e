"""The chain of a denoiser: its law on Gaussians, its verdict, and what walkback is worth.

    python benchmarks/chain.py --mnist binarized_mnist.npz --figure samples.png

The file holds ``train``, ``valid`` and ``test``, rows of 784 bits packed into 98 bytes. Without it the models are
compared on scikit-learn's digits alone, as bits (a pixel is 1 from half of the range up). Every model of a data set has
the same network and the same number of passes through the training data: with k steps of walkback an epoch counts
k + 1. Medians over seeds of the split of validation rows and of the training.
"""

import argparse
import time
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from common import environment
from torch.distributions import Independent, Normal

from isthmus import DenoisingAutoencoder, ParzenWarning, Trainer
from isthmus.data import load
from isthmus.evaluate.density import PARZEN_WARNING, parzen, parzen_paradox
from isthmus.explore.chains import Chains, run_chains
from isthmus.explore.exact import ExactDenoiser, stationary_covariance
from isthmus.explore.pictures import picture_table, to_rgb
from isthmus.networks import MLP


def covariance(d: int) -> np.ndarray:
    """Variances from 0.3 to 3 along random axes."""
    axes = np.linalg.qr(np.random.default_rng(d).normal(size=(d, d)))[0]
    return (axes * np.geomspace(0.3, 3, d)) @ axes.T


def gaussian(n_draws: int) -> None:
    print("\n## Gaussian data, exact denoiser: covariance of the draws against theory\n")
    print("| values | next state drawn from | largest error, in standard errors | relative | R-hat | ESS | verdict |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for d in (2, 10):
        denoiser = ExactDenoiser(covariance(d), noise=1.0)
        gain = denoiser.gain.numpy()
        kinds = {
            "the posterior": (denoiser.reconstruct, covariance(d)),
            "a normal of sd 0.5 about its mean": (
                lambda x, a=denoiser.gain: Independent(Normal(x @ a.T, 0.5), 1),
                stationary_covariance(gain, np.eye(d), 0.25 * np.eye(d)),
            ),
            "its mean alone": (
                lambda x, a=denoiser.gain: Independent(Normal(x @ a.T, 1e-9), 1),
                stationary_covariance(gain, np.eye(d), np.zeros((d, d))),
            ),
        }
        start = np.random.default_rng(0).multivariate_normal(np.zeros(d), 4 * covariance(d), 16)
        for name, (reconstruct, expected) in kinds.items():
            chains = run_chains(denoiser.corrupt, reconstruct, start, n_draws, burn_in=200, random_state=0)
            i, j = np.triu_indices(d)
            products = chains.draws[..., i] * chains.draws[..., j]
            found = products.mean((0, 1)) - expected[i, j]
            errors = np.array([row["mcse_mean"] for row in entries(products).values()])
            size = np.abs(found / errors).max(), np.linalg.norm(found) / np.linalg.norm(expected[i, j])
            print(f"| {d} | {name} | {size[0]:.1f} | {100 * size[1]:.1f} % | {numbers(chains)} |")


def entries(products: np.ndarray) -> dict[str, dict[str, float]]:
    from isthmus.evaluate.convergence import diagnose

    return diagnose({str(k): products[..., k] for k in range(products.shape[-1])})


def numbers(chains: Chains) -> str:
    """Worst R-hat, fewest effective draws, and the verdict."""
    rows = chains.diagnostics().values()
    rhat = max(row["rhat"] for row in rows)
    ess = min(min(row["ess_bulk"], row["ess_tail"]) for row in rows)
    return f"{rhat:.3f} | {ess:,.0f} | {'converged' if chains.converged else 'not converged'}"


def two_modes() -> None:
    print("\n## Two modes, 12 standard deviations apart: a chain that is stuck and one that is not\n")
    print("| noise, in sd of a mode | R-hat | ESS | verdict | reason |")
    print("| --- | --- | --- | --- | --- |")
    for noise in (0.3, 4.0):
        denoiser = ExactDenoiser(np.eye(2), noise, [[-6, 0], [6, 0]])
        start = 8 * np.random.default_rng(0).normal(size=(16, 2))
        chains = run_chains(denoiser.corrupt, denoiser.reconstruct, start, 2000, random_state=0)
        print(f"| {noise:g} | {numbers(chains)} | {chains.reason.partition(': ')[2]} |")


@dataclass(frozen=True)
class Setting:
    """A level of salt-and-pepper noise, and steps of walkback."""

    noise: float
    walkback: int

    @property
    def name(self) -> str:
        return f"{self.noise:g} | {self.walkback or 'none'}"


@dataclass(frozen=True)
class Problem:
    """Bits to learn from, and what to learn them with."""

    name: str
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    hidden: int
    latent_dim: int
    passes: int
    settings: tuple[Setting, ...]

    def fit(self, setting: Setting, seed: int) -> DenoisingAutoencoder:
        dae = DenoisingAutoencoder(
            self.latent_dim,
            corruption="salt_and_pepper",
            noise=setting.noise,
            walkback=setting.walkback,
            network=MLP((self.hidden,)),
            max_epochs=self.passes // (setting.walkback + 1),
            trainer=Trainer(batch_size=128, learning_rate=1e-3, validation_fraction=0.05),
            random_state=seed,
        )
        return dae.fit(self.train)


def digits() -> Problem:
    bits = (load("digits").X >= 128).astype(np.uint8)
    bits = bits[np.random.RandomState(0).permutation(len(bits))]
    settings = (Setting(0.1, 0), Setting(0.1, 2), Setting(0.3, 0), Setting(0.3, 1))
    return Problem("digits, 8 x 8 bits", bits[:1200], bits[1200:1400], bits[1400:], 256, 32, 300, settings)


def mnist(path: str, n_train: int) -> Problem:
    parts, rng = {}, np.random.RandomState(0)
    with np.load(path) as file:
        for name, n in {"train": n_train, "valid": 1000, "test": 1000}.items():
            # At random, as some copies of the file are sorted by digit.
            bits = file[name][rng.permutation(len(file[name]))[:n]]
            parts[name] = np.unpackbits(bits, axis=-1).reshape(-1, 28, 28)
    settings = tuple(Setting(*at) for at in ((0.2, 0), (0.2, 4), (0.4, 0), (0.4, 1), (0.6, 0), (0.6, 1)))
    return Problem("binarised MNIST", **parts, hidden=512, latent_dim=128, passes=20, settings=settings)


def compare(problem: Problem, seeds: int, n_states: int, n_draws: int) -> list[np.ndarray]:
    rows = f"{len(problem.train):,} rows, {problem.passes} passes, bound on {len(problem.test):,} test rows"
    print(f"\n## {problem.name}: {rows} with {n_states:,} states\n")
    print(
        "| noise | walkback | bound, nats (median; range) | Parzen | R-hat | ESS | verdict | energy gap | s per fit |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    shown = []
    for setting in problem.settings:
        bounds, windows, seconds, models = [], [], [], []
        for seed in range(seeds):
            started = time.perf_counter()
            models.append(problem.fit(setting, seed))
            seconds.append(time.perf_counter() - started)
            bounds.append(float(models[-1].log_likelihood(problem.test, n_states).mean()))
            drawn = models[-1].sample(1000, random_state=0)
            windows.append(float(parzen(drawn, problem.valid, problem.test).log_density.mean()))
        middle = models[int(np.argsort(bounds)[seeds // 2])]
        chains = middle.markov_chain(16, n_draws, random_state=0)
        energy = chains.against_data()["energy"]
        gap = f"{energy['chain_mean'] - energy['data_mean']:+.1f}"
        bound = f"{np.median(bounds):.1f}; {min(bounds):.1f} to {max(bounds):.1f}"
        window, spent = np.median(windows), np.median(seconds)
        print(f"| {setting.name} | {bound} | {window:.1f} | {numbers(chains)} | {gap} | {spent:.0f} |", flush=True)
        shown.append(middle.sample(20, random_state=1))
    print(f"\nParzen: {PARZEN_WARNING}.")
    return shown


def paradox() -> None:
    X = load("digits").X / 255
    order = np.random.RandomState(0).permutation(len(X))
    train, valid, test = X[order[:1000]], X[order[1000:1400]], X[order[1400:]]
    print("\n## Parzen windows on digits (greys): k-means against the truth, mean log density of test rows in nats\n")
    print("| samples | rows of the training set | k-means centroids of it |\n| --- | --- | --- |")
    for n in (50, 200, 500):
        found = parzen_paradox(train, valid, test, n=n)
        print(f"| {n} | {found['truth']:.1f} | {found['k_means']:.1f} |")


def draw(path: str, problem: Problem, samples: list[np.ndarray]) -> None:
    tiles = np.stack([to_rgb(rows, 0, 1) for rows in (problem.test[:20], *samples)])
    names = [f"{s.noise:g}, {s.walkback} back" if s.walkback else f"{s.noise:g}, none" for s in problem.settings]
    figure = picture_table(tiles, row_labels=["data", *names])
    figure.savefig(path, dpi=150, facecolor="white")
    print(f"\nsamples, not selected: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="npz file of binarised MNIST; without it, digits only")
    parser.add_argument("--n_train", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n_states", type=int, default=50_000)
    parser.add_argument("--n_draws", type=int, default=1000)
    parser.add_argument("--figure", default="chain_samples.png", help="picture of samples of each model")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ParzenWarning)  # the table says it
    torch.set_num_threads(1)
    print(environment())
    gaussian(5000)
    two_modes()
    paradox()
    problems = [digits()] + ([mnist(args.mnist, args.n_train)] if args.mnist else [])
    for problem in problems:
        samples = compare(problem, args.seeds, args.n_states, args.n_draws)
    draw(args.figure, problems[-1], samples)


if __name__ == "__main__":
    main()
