"""The two stages: the search on validation rows, and the final runs on test rows."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import zip_longest
from math import inf
from typing import Any

from jobs import Bench, Job, Records, crossing
from recipes import Recipe, draw_recipes

PEERS = ("pythae", "plain", "keras")
TUNED = ("isthmus", "pythae")
SEARCH_SEED = 1000


def search(bench: Bench, args: argparse.Namespace) -> None:
    """Train every recipe on each side in turn."""
    jobs = {side: trials(side, args) for side in TUNED if side in args.only}
    for turn in zip(*jobs.values(), strict=True):
        for job in turn:
            bench.do(job, min(args.cap, soonest(bench.records, jobs[job.side])))


def soonest(records: Records, jobs: list[Job]) -> float:
    """Fewest seconds to the highest target so far: a trial that takes longer can win no target any more."""
    done = [crossing(records[job.key], max(job.targets)) for job in jobs if job.key in records]
    return min((epoch["train_s"] for epoch in done if epoch), default=inf)


def trials(side: str, args: argparse.Namespace) -> list[Job]:
    """Search of one side."""
    targets = tuple(target + args.shift for target in args.targets)
    common = {"part": "valid", "targets": targets, "threads": args.threads, "options": options(side, args)}
    return [
        Job(side, f"search of {side}", seed=SEARCH_SEED + number, recipe=recipe, **common)
        for number, recipe in enumerate(draw_recipes(args.trials, args.search_seed))
    ]


def options(side: str, args: argparse.Namespace, **trainer: Any) -> dict[str, Any]:
    """What a tuned run is told besides its recipe."""
    return {"network": "same", "trainer": {**dict(args.trainer), **trainer}} if side == "isthmus" else {}


def best_recipe(records: Records, jobs: list[Job], target: float) -> Recipe | None:
    """Recipe of the trial that reached a target soonest, if any did."""
    reached = [(crossing(records[job.key], target), job.recipe) for job in jobs if job.key in records]
    times = [(epoch["train_s"], recipe) for epoch, recipe in reached if epoch]
    return min(times, key=lambda pair: pair[0])[1] if times else None


def finish(bench: Bench, args: argparse.Namespace) -> None:
    """Repeat every row of the table with fresh seeds, the rows in turn."""
    rows = [*tuned_rows(bench.records, args), *untuned_rows(args)]
    for turn in zip_longest(*rows):
        for job in turn:
            if job is not None:
                bench.do(job, args.cap)


def tuned_rows(records: Records, args: argparse.Namespace) -> Iterable[list[Job]]:
    """The best recipes of each side in turn, each with the targets that it is the best for."""
    rows = zip_longest(*(list(tuned_rows_of(side, records, args)) for side in TUNED if side in args.only))
    return [row for turn in rows for row in turn if row]


def tuned_rows_of(side: str, records: Records, args: argparse.Namespace) -> Iterable[list[Job]]:
    """The best recipes of one side."""
    best = {target: best_recipe(records, trials(side, args), target + args.shift) for target in args.targets}
    for target in (target for target, recipe in best.items() if recipe is None):
        print(f"{side} tuned is left out: no trial has reached {target + args.shift:g} on the validation rows")
    for recipe in dict.fromkeys(recipe for recipe in best.values() if recipe):
        targets = tuple(target for target in args.targets if best[target] == recipe)
        common = {"part": "test", "targets": targets, "threads": args.threads, "recipe": recipe}
        told = options(side, args)
        yield [Job(side, f"{side} tuned", seed=seed, options=told, **common) for seed in range(args.seeds)]
        if side == "isthmus":
            cold = {"case": f"{side} tuned, cold", "options": told, "cold": True, **common}
            yield [Job(side, seed=seed, **cold) for seed in range(args.untuned_seeds)]
        if side == "isthmus" and args.float32:
            float32 = {"case": f"{side} tuned, float32", "options": options(side, args, precision="32"), **common}
            yield [Job(side, seed=seed, **float32) for seed in range(args.seeds)]


def untuned_rows(args: argparse.Namespace) -> Iterable[list[Job]]:
    """All that is not searched over."""
    shipped = {"learning_rate": 1e-3, "num_epochs": 1000}
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("isthmus", "isthmus defaults", {"network": "same", "trainer": {}}),
        ("pythae", "pythae as shipped, batches of 64", {**shipped, "per_device_train_batch_size": 64}),
        ("isthmus", "isthmus all auto", {"network": "auto", "trainer": {}}),
        ("pythae", "pythae as shipped, batches of 256", {**shipped, "per_device_train_batch_size": 256}),
        ("plain", "plain loop", {}),
        ("keras", "Keras' example", {"epochs": args.keras_epochs}),
    ]
    for side, case, told in cases:
        if side in args.only:
            n_seeds = 1 if side == "keras" else args.untuned_seeds
            targets = tuple(args.targets)
            yield [Job(side, case, "test", seed, targets, args.threads, options=told) for seed in range(n_seeds)]
