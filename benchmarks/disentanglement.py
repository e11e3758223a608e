"""Disentanglement where the factors are known: dSprites, and the built-in faces and shapes.

    python benchmarks/disentanglement.py dsprites_grid_46080.npz --seeds 5
    python benchmarks/disentanglement.py shapes --models vae beta_tc_vae --epochs 60
    python benchmarks/disentanglement.py dsprites_grid_46080.npz --jobs 5 --out scores.jsonl
    python benchmarks/disentanglement.py dsprites_grid_46080.npz --hidden 256 256 --batch_size 128 --precision bf16 \
        --kl_start 30 --epochs 12

Every model has the same network, convolutional or with the hidden layers given, 10 latents, a Bernoulli (dSprites) or
Gaussian likelihood, and the same number of epochs; medians over seeds, and their range. MIG in both common protocols:
``mig_chen``, with the posterior as a distribution, over all rows, and ``mig_locatello``, with binned means. A second
table has what the two best latents tell of each factor, whose difference is its part of ``mig_chen``. Scores are
appended to ``--out``, and what is there already is not trained again.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from common import environment

from isthmus import DIPVAE, VAE, BetaTCVAE, FactorVAE, Trainer
from isthmus.data import load
from isthmus.evaluate.disentanglement import score_codes
from isthmus.evaluate.factors import read_factors
from isthmus.evaluate.mig import entropies, told_by_latents
from isthmus.networks import MLP, Conv

MODELS: dict[str, Any] = {
    "vae": lambda **o: VAE(10, **o),
    "beta_vae": lambda **o: VAE(10, beta=4.0, **o),
    "annealed_vae": lambda **o: VAE(10, beta=100.0, capacity=18.0, **o),
    "beta_tc_vae": lambda **o: BetaTCVAE(10, beta=6.0, **o),
    "factor_vae": lambda **o: FactorVAE(10, gamma=10.0, **o),
    "dip_vae_i": lambda **o: DIPVAE(10, of="means", decorrelation=5.0, **o),
    "dip_vae_ii": lambda **o: DIPVAE(10, of="codes", decorrelation=5.0, **o),
}
SHOWN = ("mig_chen", "mig_locatello", "sap", "dci_disentanglement", "factor_vae_score", "beta_vae_score")


def read(name: str) -> tuple[np.ndarray, Any]:
    if not name.endswith(".npz"):
        samples = load(name)
        return np.asarray(samples.X), samples.factors
    with np.load(name) as file:
        pictures = np.unpackbits(file["images"], axis=-1)
        classes = file["latents_classes"]
    names = ("shape", "scale", "orientation", "x", "y")
    return pictures, dict(zip(names, classes.T, strict=True))


def train(args: argparse.Namespace) -> None:
    """One model with one seed; its scores go to a line of the file."""
    X, factors = read(args.data)
    trainer = Trainer(
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        precision=args.precision,
        validation_fraction=0,
        device=args.device,
        compile={"auto": "auto", "yes": True, "no": False}[args.compile],
    )
    network = MLP(hidden=tuple(args.hidden)) if args.hidden else Conv(channels=(16, 32, 64, 128), norm=None)
    options = {"network": network, "max_epochs": args.epochs, "trainer": trainer, "random_state": args.seed}
    if args.kl_start is not None:
        options |= {"kl_start": args.kl_start, "kl_warmup": 0.5}
    name = args.models[0]
    started = time.monotonic()
    model = MODELS[name](**options).fit(X)
    seconds = time.monotonic() - started
    q = model.posterior(X)
    scores = score_codes(q.mean, factors, q.std, scores=args.scores, random_state=args.seed)
    known = read_factors(factors, len(X))
    shares = np.sort(told_by_latents(q.mean, q.std, known, args.seed) / entropies(known), axis=0)[:-3:-1]
    scores["mig_chen"] = float(np.mean(shares[0] - shares[1]))
    scores["two_best"] = dict(zip(known.names, shares.T.round(3).tolist(), strict=True))
    record = {"data": Path(args.data).stem, "model": name, "seed": args.seed, **settings(args)}
    record |= {"train_seconds": seconds, "active": model.active_units_, "elbo": float(model.score(X[::20]))}
    record |= {"environment": environment(), "run_by": model.describe().splitlines()[-1], **scores}
    with open(args.out, "a") as file:
        file.write(json.dumps(record) + "\n")
    print(
        f"{name} {args.seed}: {seconds:.0f} s, {', '.join(f'{k} {scores[k]:.3f}' for k in SHOWN if k in scores)}",
        flush=True,
    )


def records(args: argparse.Namespace) -> list[dict[str, Any]]:
    path = Path(args.out)
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    wanted = {"data": Path(args.data).stem, **settings(args)}
    return [r for r in found if r["model"] in args.models and all(r.get(k) == v for k, v in wanted.items())]


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """What has to be equal for two records to be compared."""
    names = ("epochs", "batch_size", "learning_rate", "precision", "hidden", "kl_start")
    return {name: getattr(args, name) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="file of dSprites, or a built-in name")
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, nargs="*", default=[], help="units, instead of convolutions")
    parser.add_argument("--kl_start", type=float, help="weight of the divergence at first; it falls until half time")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--scores", choices=["all", "fast"], default="all", help="fast: without those of DCI")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", choices=["auto", "yes", "no"], default="auto")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", default="disentanglement.jsonl")
    parser.add_argument("--seed", type=int, help="train this one only, in this process")
    args = parser.parse_args()
    if args.seed is not None:
        train(args)
        return
    done = {(r["model"], r["seed"]) for r in records(args)}
    wanted = [(name, seed) for seed in range(args.seeds) for name in args.models if (name, seed) not in done]
    names = ("epochs", "batch_size", "learning_rate", "precision", "scores", "device", "compile", "out")
    rest = [f"--{name}={getattr(args, name)}" for name in names] + ["--hidden", *map(str, args.hidden)]
    rest += [] if args.kl_start is None else [f"--kl_start={args.kl_start}"]

    def run(job: tuple[str, int]) -> None:
        command = [sys.executable, __file__, args.data, "--models", job[0], f"--seed={job[1]}", *rest]
        subprocess.run(command, check=False)

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run, wanted))
    report(args)


def report(args: argparse.Namespace) -> None:
    found = records(args)
    print(environment())
    print(f"{args.data}: {args.epochs} epochs\n")
    shown = [key for key in SHOWN if all(key in r for r in found)]
    print(f"| model | {' | '.join(shown)} | −ELBO | active | s |\n| --- |{' --- |' * (len(shown) + 3)}")
    for name in args.models:
        rows = [r for r in found if r["model"] == name]
        if not rows:
            continue
        cells = []
        for key in shown:
            values = np.array([r[key] for r in rows])
            cells.append(f"{np.median(values):.3f} ({values.min():.2f} to {values.max():.2f})")
        bound, active, seconds = (np.median([r[key] for r in rows]) for key in ("elbo", "active", "train_seconds"))
        print(f"| {name}, {len(rows)} seeds | {' | '.join(cells)} | {-bound:.1f} | {active:.0f} | {seconds:.0f} |")
    factors = list(found[0]["two_best"]) if found else []
    print(f"\n| model | seed | mig_chen | {' | '.join(factors)} |\n| --- |{' --- |' * (len(factors) + 2)}")
    for r in sorted(found, key=lambda r: (args.models.index(r["model"]), r["seed"])):
        told = (f"{first:.2f}, {second:.2f}" for first, second in r["two_best"].values())
        print(f"| {r['model']} | {r['seed']} | {r['mig_chen']:.3f} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
