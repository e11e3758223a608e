"""Test NLL of a VAE on statically binarised MNIST, by importance sampling.

    python benchmarks/mnist_vae.py binarized_mnist.npz

The file holds ``train``, ``valid`` and ``test``, rows of 784 bits packed into 98 bytes (Larochelle's split).
"""

import argparse
import time

import numpy as np
from common import environment

from isthmus import VAE, Trainer
from isthmus.networks import MLP


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as file:
        parts = {name: np.unpackbits(file[name], axis=-1) for name in file.files}
    # The 10,000 validation rows choose the epoch: the estimator holds out one sixth of 60,000 rows at random.
    return np.concatenate([parts["train"], parts["valid"]]), parts["test"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--hidden", type=int, nargs="*", default=[300, 300])
    parser.add_argument("--latent_dim", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--weight_decay", type=float, default=0.05)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--activation", default="silu")
    parser.add_argument("--precision", default="32")
    parser.add_argument("--n_samples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    X, test = read(args.data)
    trainer = Trainer(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        precision=args.precision,
        validation_fraction=1 / 6,
        early_stopping=60,
        callbacks=[Print()],
    )
    network = MLP(hidden=tuple(args.hidden), dropout=args.dropout, activation=args.activation)
    vae = VAE(args.latent_dim, network=network, max_epochs=args.epochs, trainer=trainer, random_state=args.seed)
    started = time.monotonic()
    vae.fit(X)
    seconds = time.monotonic() - started
    bound = -vae.score(test)
    nll = -vae.log_likelihood(test, n_samples=args.n_samples)
    error = nll.std() / len(nll) ** 0.5
    print(environment())
    print(vars(args))
    print("| best epoch | train s | −ELBO | NLL | ± s.e. | active units |\n| --- | --- | --- | --- | --- | --- |")
    active = f"{vae.active_units_} of {args.latent_dim}"
    print(f"| {vae.best_epoch_} | {seconds:.0f} | {bound:.2f} | {nll.mean():.2f} | {error:.2f} | {active} |")


class Print:
    def on_fit_start(self, params, n_epochs): ...

    def on_epoch_end(self, epoch) -> None:
        if epoch.number % 10 == 0:
            m = epoch.metrics
            print(
                f"epoch {epoch.number}: train {m['train_loss']:.2f}, validation {m['val_loss']:.2f}",
                flush=True,
            )

    def on_fit_end(self): ...


if __name__ == "__main__":
    main()
