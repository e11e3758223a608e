"""Test NLL of a ladder VAE on statically binarised MNIST after so many minutes of training, by importance sampling.

    python benchmarks/ladder.py binarized_mnist.npz --layers 12 --width 64 --minutes 8 --out runs/ladder12

The file holds ``train``, ``valid`` and ``test``, rows of 784 bits packed into 98 bytes (Larochelle's split). The
schedule of the learning rate is fitted to the time: after every epoch the number of epochs is estimated anew, so that
the rate is 0 when the time is up. What has been reached so far is in the folder at any time: ``curve.csv``, and in the
end the run and ``result.json``. With ``--model vae`` a `VAE` of fully connected layers is trained in the same way.
"""

import argparse
import csv
import json
import math
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from common import environment
from mnist_likelihood import read

from isthmus import VAE, LadderVAE, Trainer
from isthmus.core import Code
from isthmus.evaluate.bounds import elbo
from isthmus.evaluate.bounds import log_weights as plain_log_weights
from isthmus.models.ladder import spread_layers
from isthmus.networks import MLP, Ladder

TEST_ROWS_AT_ONCE = 500
Model = LadderVAE | VAE
DRAWN_AT_ONCE = {"cpu": 1_000, "cuda": 20_000}


def main() -> None:
    args = parse()
    torch.set_float32_matmul_precision("high")  # TF32, in what is not done in bfloat16
    torch.backends.cudnn.benchmark = True
    X, test = (part.reshape(-1, 28, 28) for part in read(args.data))
    X, test = X[: args.rows], spread(test, args.test_rows)
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clock(args.minutes, test, folder / "curve.csv", args.every)
    model = build(args, clock, len(X))
    started = time.monotonic()
    model.fit(X)
    seconds = time.monotonic() - started
    model.save(folder / "run", overwrite=True)
    print(model.describe())
    result = {"epochs": len(model.history_["epoch"]), "best_epoch": model.best_epoch_, "train_seconds": round(seconds)}
    result |= evaluate(model.module_.eval(), test, args)
    result |= {"n_parameters": model.n_parameters_, "latent_dim": model.latent_dim_, "environment": environment()}
    result |= {"arguments": vars(args)}
    if torch.cuda.is_available():
        result["device"] = torch.cuda.get_device_name()
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    print(clock.table())
    print(json.dumps(result))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", required=True, help="folder for the curve, the run and the result")
    parser.add_argument("--minutes", type=float, default=8.0, help="of training; evaluation comes on top")
    parser.add_argument("--model", choices=["ladder", "vae"], default="ladder")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--plan", type=int, nargs="*", help="layers at each scale, the smallest first, for --layers")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latents", type=int, default=4, help="of each position at the largest scale")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--gradient-clip", type=float, default=200.0)
    parser.add_argument("--kl-warmup", type=float, default=0.2)
    parser.add_argument("--free-bits", type=float, default=0.0)
    parser.add_argument("--validation", type=int, default=10_000, help="rows that choose the epoch, about so many")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true", help="compile the step, which takes minutes for many layers")
    parser.add_argument("--every", type=int, default=5, help="epochs between two looks at the test rows")
    parser.add_argument("--draws", type=int, default=500, help="importance samples of each test row")
    parser.add_argument("--is-rows", type=int, default=None, help="test rows for importance sampling; all unless given")
    parser.add_argument("--rows", type=int, default=60_000, help="to train on, validation included")
    parser.add_argument("--test-rows", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def spread(rows: np.ndarray, n: int) -> np.ndarray:
    """So many of the rows, from all over: the first test rows of MNIST are not like the last ones."""
    return rows[:: max(1, len(rows) // n)][:n]


def build(args: argparse.Namespace, clock: "Clock", n: int) -> Model:
    # A last batch of another size would be compiled once more.
    n_train = max(1, (n - min(args.validation, n // 4)) // args.batch_size) * args.batch_size
    trainer = Trainer(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        gradient_clip=args.gradient_clip,
        precision=args.precision,
        compile=args.compile,
        device=args.device,
        validation_fraction=(n - n_train) / n,
        early_stopping=None,
        callbacks=[clock],
    )
    common = {"trainer": trainer, "max_epochs": 100, "random_state": args.seed, "kl_warmup": args.kl_warmup}
    if args.model == "vae":
        network = MLP(hidden=(args.width, args.width), dropout=args.dropout)
        return timed(VAE(40, network=network, free_bits=args.free_bits, **common), clock)
    plan = tuple(args.plan or spread_layers(args.layers, 28))
    network = Ladder(plan, args.width, args.latents, args.dropout)
    return timed(LadderVAE(network=network, free_bits=args.free_bits, **common), clock)


def timed(model: Model, clock: "Clock") -> Model:
    """The estimator, whose training is told by the clock how many epochs it has."""

    def train_module(fit, loop, checkpoint) -> None:
        clock.loop = loop
        type(model).train_module(model, fit, loop, checkpoint)

    model.train_module = train_module
    return model


class Clock:
    """Fits the number of epochs to the time, and looks at the test rows now and then."""

    def __init__(self, minutes: float, test: np.ndarray, path: Path, every: int) -> None:
        self.minutes, self.test, self.path, self.every = minutes, test, path, every
        self.rows: list[dict] = []
        self.loop = None
        self.started = self.last = time.monotonic()
        self.durations: list[float] = []

    def on_fit_start(self, params, n_epochs) -> None:
        self.started = self.last = time.monotonic()

    def on_epoch_end(self, epoch) -> bool:
        row = {"epoch": epoch.number, "seconds": round(time.monotonic() - self.started, 1)}
        row |= {name: round(value, 4) for name, value in epoch.metrics.items() if name not in ("epoch", "seconds")}
        row["test_elbo"] = ""
        if epoch.number % self.every == 0 or epoch.number == epoch.n_epochs:
            row["test_elbo"] = round(mean_elbo(epoch.module, self.test), 3)
        self.rows.append(row)
        self._write()
        print(" ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        now = time.monotonic()
        self.durations.append(now - self.last)
        self.last = now
        # The first epoch has what is done once; every so many have a look at the test rows.
        usual = statistics.fmean(self.durations[1:][-2 * self.every :] or self.durations)
        left = self.minutes * 60 - (now - self.started)
        self.loop.n_epochs = epoch.number + max(0, math.floor(left / usual))
        return left < usual

    def on_fit_end(self) -> None: ...

    def _write(self) -> None:
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def table(self) -> str:
        lines = ["| epoch | seconds | −ELBO train | validation | test |", "| --- | --- | --- | --- | --- |"]
        for row in self.rows:
            if row["test_elbo"] != "":
                told = [row["train_loss"], row["val_loss"], -row["test_elbo"]]
                lines.append(
                    f"| {row['epoch']} | {row['seconds']:.0f} | " + " | ".join(f"{v:.2f}" for v in told) + " |"
                )
        return "\n".join(lines)


@torch.no_grad()
def mean_elbo(module, test: np.ndarray, n_draws: int = 1) -> float:
    """Mean ELBO of the rows, in nats, with draws that are the same every time."""
    device = module.scaling.shift.device
    generator = torch.Generator(device).manual_seed(0)
    bounds = []
    for start in range(0, len(test), TEST_ROWS_AT_ONCE):
        x = torch.tensor(test[start : start + TEST_ROWS_AT_ONCE], device=device)
        for _ in range(n_draws):
            noise = torch.randn(1, len(x), module.bottleneck.latent_dim_, generator=generator, device=device)
            bounds.append(elbo(module, x, noise))
    return float(torch.cat(bounds).double().mean())


def evaluate(module, test: np.ndarray, args: argparse.Namespace) -> dict:
    """−ELBO of all test rows with ten draws, and the importance-weighted NLL."""
    device = module.scaling.shift.device
    started = time.monotonic()
    result = {"test_nelbo": round(-mean_elbo(module, test, 10), 3)}
    rows = spread(test, args.is_rows or len(test))
    at_once = max(1, DRAWN_AT_ONCE.get(device.type, 1_000) // args.draws)
    generator = torch.Generator(device).manual_seed(1)
    found = []
    for start in range(0, len(rows), at_once):
        x = torch.tensor(rows[start : start + at_once], device=device)
        weights = log_weights(module, x, args.draws, generator)
        found.append(weights.double().logsumexp(0) - math.log(args.draws))
    nll = -torch.cat(found)
    result |= {"test_nll": round(float(nll.mean()), 3), "standard_error": round(float(nll.std()) / len(nll) ** 0.5, 3)}
    return result | {
        "is_rows": len(rows),
        "is_draws": args.draws,
        "evaluation_seconds": round(time.monotonic() - started),
    }


@torch.no_grad()
def log_weights(module, x: torch.Tensor, k: int, generator: torch.Generator) -> torch.Tensor:
    """log p(x, z) − log q(z|x) for k draws, (k, B); one way down the ladder gives it all."""
    noise = torch.randn(k, len(x), module.bottleneck.latent_dim_, generator=generator, device=x.device)
    if not isinstance(module.network, Ladder):
        return plain_log_weights(module, x, noise)
    q = module.encode(x).q
    descent = q.descent(q.from_noise(noise))
    y = module.network.decode(Code(descent.z, aux={"state": descent.state})).float()
    log_p = module.likelihood(y.reshape(k, len(x), *y.shape[1:])).log_prob(module.real(x))
    return log_p + (descent.log_prior() - descent.log_posterior()).reshape(k, len(x))


if __name__ == "__main__":
    main()
