"""Test NLL on statically binarised MNIST by importance sampling: VAE, IWAE and VampPrior of one size.

    python benchmarks/mnist_likelihood.py binarized_mnist.npz
    python benchmarks/mnist_likelihood.py binarized_mnist.npz --model iwae --n_draws 50 --epochs 200
    python benchmarks/mnist_likelihood.py binarized_mnist.npz --model vamp

The file holds ``train``, ``valid`` and ``test``, rows of 784 bits packed into 98 bytes (Larochelle's split). Models
have 784-300-300-40 units unless told otherwise; a sixth of 60,000 rows, held out at random, chooses the epoch.
"""

import argparse
import json
import time

import numpy as np
from common import environment

import isthmus
from isthmus import IWAE, VAE, Trainer
from isthmus.networks import MLP
from isthmus.priors import VampPrior


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as file:
        parts = {name: np.unpackbits(file[name], axis=-1) for name in file.files}
    return np.concatenate([parts["train"], parts["valid"]]), parts["test"]


def make(args: argparse.Namespace):
    trainer = Trainer(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        precision=args.precision,
        device=args.device,
        compile={"auto": "auto", "yes": True, "no": False}[args.compile],
        validation_fraction=1 / 6,
        early_stopping=args.patience,
        callbacks=[Print()],
    )
    network = MLP(hidden=tuple(args.hidden), dropout=args.dropout, activation=args.activation)
    shared = {"network": network, "max_epochs": args.epochs, "trainer": trainer, "random_state": args.seed}
    if args.model == "iwae":
        return IWAE(args.latent_dim, n_draws=args.n_draws, doubly_reparameterised=args.doubly, **shared)
    prior = VampPrior(args.components) if args.model == "vamp" else "normal"
    return VAE(args.latent_dim, prior=prior, kl_warmup=args.kl_warmup, **shared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model", choices=["vae", "iwae", "vamp"], default="vae")
    parser.add_argument("--hidden", type=int, nargs="*", default=[300, 300])
    parser.add_argument("--latent_dim", type=int, default=40)
    parser.add_argument("--n_draws", type=int, default=50, help="of the IWAE")
    parser.add_argument("--doubly", action="store_true", help="doubly reparameterised gradient of the IWAE")
    parser.add_argument("--components", type=int, default=500, help="of the VampPrior")
    parser.add_argument("--kl_warmup", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--learning_rate", type=float, default=2e-3)
    parser.add_argument("--weight_decay", type=float, default=0.05)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--activation", default="silu")
    parser.add_argument("--precision", default="32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", choices=["auto", "yes", "no"], default="auto")
    parser.add_argument("--patience", type=int, default=60)
    parser.add_argument("--n_samples", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", help="folder for the run")
    parser.add_argument("--run", help="folder of a run to estimate, instead of training one")
    parser.add_argument("--json", help="file that one line of results is added to")
    args = parser.parse_args()
    X, test = read(args.data)
    started = time.monotonic()
    model = isthmus.load(args.run) if args.run else make(args).fit(X)
    seconds = time.monotonic() - started
    if args.save:
        model.save(args.save, overwrite=True)
    found = {"bound": -model.score(test)}
    started = time.monotonic()
    nll = -model.log_likelihood(test, n_samples=args.n_samples)
    found |= {
        "nll": float(nll.mean()),
        "nll_error": float(nll.std() / len(nll) ** 0.5),
        "best_epoch": model.best_epoch_,
        "train_seconds": seconds,
        "estimate_seconds": time.monotonic() - started,
        "active_units": model.active_units_,
    }
    print(environment())
    print(vars(args))
    print(model.describe())
    if args.json:
        with open(args.json, "a") as file:
            file.write(json.dumps({"args": vars(args), "environment": environment(), **found}) + "\n")
    print("| model | best epoch | train s | −ELBO | NLL | ± s.e. | active units |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    active = f"{model.active_units_} of {args.latent_dim}"
    print(
        f"| {args.model} | {model.best_epoch_} of {args.epochs} | {seconds:.0f} | {found['bound']:.2f} "
        f"| {found['nll']:.2f} | {found['nll_error']:.2f} | {active} |"
    )


class Print:
    def on_fit_start(self, params, n_epochs): ...

    def on_epoch_end(self, epoch) -> None:
        if epoch.number % 10 == 0:
            m = epoch.metrics
            print(
                f"epoch {epoch.number}: train {m['train_loss']:.2f}, validation {m['val_loss']:.2f}, "
                f"{m['seconds']:.2f} s",
                flush=True,
            )

    def on_fit_end(self): ...


if __name__ == "__main__":
    main()
