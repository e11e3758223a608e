"""Time to quality against peers: seconds of training until a VAE's test ELBO reaches −105 and −102 nats.

    python benchmarks/peers/make_venv.py --venv peers-venv
    python benchmarks/peers/run.py all --data binarized_mnist.npz --venv peers-venv --out peers.jsonl
    python benchmarks/peers/run.py summary --out peers.jsonl

Run it with the interpreter that has isthmus; the peers run in the other environment, which knows nothing of isthmus.
Every training is a process of its own, one at a time, with ``--threads`` threads, and leaves one line of JSON in
``--out``: a run that was interrupted goes on where it was when the same command is given again. Leave the machine
alone meanwhile: what else runs on it is measured too, and the summary says so (column "cores").

The task
    Statically binarised MNIST (Larochelle's split; an ``.npz`` with ``train``, ``valid`` and ``test``, 784 bits packed
    into 98 bytes a row). All train on the same 50,000 rows a VAE of 784-512-16-512-784 units with ReLU, standard
    normal prior and Bernoulli likelihood, pythae's default network. After every epoch the mean ELBO over 10,000 rows
    is measured by the same few lines (`task.elbo`: one draw for each row, always of the same noise, the divergence in
    closed form), and training is credited at the first epoch end that reaches the target.

What is measured
    Seconds of training: epochs alone, with all that the library does in them, its progress bars and its copies of the
    best weights too, but without the measuring of the ELBO. Stated apart: start-up (from the call of ``fit``, or of
    pythae's pipeline, to the first epoch), compilation (what torch's compiler counts, and the seconds of training are
    without it), and what comes before (the process, imports, reading the data). "In all" is training, start-up and
    compilation.

The rows of the table
    ``tuned``: a search over recipes (`recipes.py`: rate, size of batches, schedule, warm-up, epochs) of ``--trials``
    trials, 8 at random, the same for both sides, and then near the side's own best so far, for one target after the
    other. A trial has one seed and is scored by the seconds to reach the target plus ``--shift`` on the *validation*
    rows; it ends when it is slower than the best one so far. The best recipe for each target is trained anew with
    ``--seeds`` fresh seeds, and scored on the test rows.
    ``as shipped``: pythae's defaults with a learning rate of 1e-3 (its own default, 1e-4, is slower), and batches of 64
    (its default) or 256.
    ``defaults``: isthmus told nothing but the network; ``all auto``: told nothing at all.
    ``plain loop``: eager float32, DataLoader, Adam, batches of 128, ``.item()`` at every step, as tutorials write it.
    ``Keras' example``: another network (convolutional, 2 latents), so only its samples/s may be compared, and these
    with care; its ELBO is that after ``--keras_epochs`` epochs.

What is equal, and what is not
    Equal: machine, threads, rows, network, likelihood, prior, ELBO, the search and its number of trials, how they
    are scored, fresh seeds, and that no side holds rows out or validates in a ``tuned`` run.
    Not equal, and read the ratio accordingly:
    - pythae steps its schedule once an epoch, isthmus at every step; a "warm-up" is whole epochs (OneCycleLR, from a
      quarter of the peak) there, and a line here. Its ``tuned`` runs use fused Adam, which its configuration can ask
      for and its defaults do not.
    - isthmus uses AdamW with decay, other initial weights, logits instead of probabilities, uint8 rows, and whatever
      precision it chooses; pythae computes in float32 (its mixed precision is for CUDA). ``--float32`` adds a row.
    - isthmus was made with this task among others in view.
    - A tuned recipe knows its number of epochs beforehand, and so the target. Untuned runs are credited when they
      happen to cross it. The ratio of ``as shipped`` to ``tuned`` therefore mixes engine and recipe: claim the ratio of
      ``tuned`` to ``tuned``.
    - isthmus' ``defaults`` and ``all auto`` hold out a tenth of the rows and spend time on it, which is counted.
    - The validation rows are about 1.2 nats harder than the test rows, for whatever model; hence ``--shift``, which
      leaves a margin of 0.4, as other seeds are less lucky than the best trial.
    - 16 trials find a good recipe, not the best. Ask for more with ``--trials``; earlier ones are kept.

Expected time, for two quiet cores: `search` 11 minutes (8 of them pythae's), `final` 12 (tuned 6, as shipped 3, plain
loop 1.5, Keras 1, the rest 0.5). To cut: ``--trials 8`` (5 minutes less), ``--seeds 3`` (2.5 less), ``--only isthmus
pythae`` (2.5 less). With more time, ``--untuned_seeds 3`` (9 more) makes medians of the untuned rows too; what has been
run is kept. Trials of a peer can be kept from an earlier ``--out``: copy its lines. After a change to isthmus, start
with a file that has none of its lines.
"""

import argparse
import json
import sys
from pathlib import Path

from jobs import Bench, Records
from make_venv import python_of
from stages import PEERS, finish, search
from tables import summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["search", "final", "all", "summary"])
    parser.add_argument("--out", type=Path, default=Path("peers.jsonl"), help="records, appended to")
    parser.add_argument("--data", type=Path, help="binarized_mnist.npz")
    parser.add_argument("--venv", type=Path, default=Path("peers-venv"), help="environment of the peers")
    parser.add_argument("--only", nargs="+", choices=["isthmus", *PEERS], default=["isthmus", *PEERS])
    parser.add_argument("--targets", type=float, nargs="+", default=[-105.0, -102.0])
    parser.add_argument("--shift", type=float, default=-0.8, help="added to the targets for validation rows")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--search_seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="of tuned recipes")
    parser.add_argument("--untuned_seeds", type=int, default=1, help="of all others")
    parser.add_argument("--keras_epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cap", type=float, default=120.0, help="seconds of training after which a run gives up")
    parser.add_argument("--float32", action="store_true", help="also train isthmus' tuned recipes in float32")
    parser.add_argument("--trainer", type=setting, nargs="*", default=[], metavar="NAME=VALUE",
                        help="more of isthmus' Trainer, for tuned runs")  # fmt: skip
    args = parser.parse_args()
    records = Records(args.out)
    if args.stage != "summary":
        if args.data is None or not args.data.exists():
            parser.error("--data must name binarized_mnist.npz")
        peers = python_of(args.venv)
        if set(args.only) != {"isthmus"} and not Path(peers).exists():
            parser.error(f"there is no environment in {args.venv}; make it with make_venv.py")
        bench = Bench(args.data, {"isthmus": sys.executable, **dict.fromkeys(PEERS, peers)}, records)
        if args.stage in ("search", "all"):
            search(bench, args)
        if args.stage in ("final", "all"):
            finish(bench, args)
    print(summary(records.all(), args.targets, args.shift))


def setting(text: str) -> tuple[str, object]:
    """A name and a value, which is JSON if it can be read as that, else text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    main()
