"""The two stages: the search on validation rows, and the final runs on test rows."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable
from itertools import zip_longest
from math import inf
from typing import Any

from jobs import Bench, Job, Records, crossing
from recipes import Recipe, draw, vary

PEERS = ("pythae", "plain", "keras")
TUNED = ("isthmus", "pythae")
N_AT_RANDOM = 8
SEARCH_SEED = 1000


def search(bench: Bench, args: argparse.Namespace) -> None:
    """Try one recipe after the other, the sides in turn."""
    for number in range(args.trials):
        for side in (side for side in TUNED if side in args.only):
            *before, job = trials(side, bench.records, args, number + 1)
            bench.do(job, min(args.cap, soonest(bench.records, before, max(job.targets))))


def trials(side: str, records: Records, args: argparse.Namespace, most: int) -> list[Job]:
    """Search of one side: what has been tried, and the next trial, up to ``most`` of them."""
    targets = tuple(target + args.shift for target in args.targets)
    common = {"part": "valid", "targets": targets, "threads": args.threads, "options": options(side, args)}
    jobs: list[Job] = []
    while len(jobs) < most and all(job.key in records for job in jobs[-1:]):
        number = len(jobs)
        recipe = next_recipe(records, jobs, targets, random.Random(f"{args.search_seed} {number}"))
        jobs.append(Job(side, f"search of {side}", seed=SEARCH_SEED + number, recipe=recipe, **common))
    return jobs


def next_recipe(records: Records, before: list[Job], targets: tuple[float, ...], generator: random.Random) -> Recipe:
    """At random at first, then near the best so far for one target after the other."""
    if len(before) < N_AT_RANDOM:
        return draw(generator)
    target = targets[len(before) % len(targets)]
    best = best_recipe(records, before, target)
    return vary(best or closest(records, before), generator, longer=best is None)


def soonest(records: Records, jobs: list[Job], target: float) -> float:
    """Fewest seconds to the highest target so far: a trial that takes longer can win no target any more."""
    done = [crossing(records[job.key], target) for job in jobs]
    return min((epoch["train_s"] for epoch in done if epoch), default=inf)


def best_recipe(records: Records, jobs: list[Job], target: float) -> Recipe | None:
    """Recipe of the trial that reached a target soonest, if any did."""
    reached = [(crossing(records[job.key], target), job.recipe) for job in jobs if job.key in records]
    times = [(epoch["train_s"], recipe) for epoch, recipe in reached if epoch]
    return min(times, key=lambda pair: pair[0])[1] if times else None


def closest(records: Records, jobs: list[Job]) -> Recipe:
    """Recipe of the trial with the highest bound."""
    bounds = [(max((e["bound"] for e in records[job.key]["epochs"]), default=-inf), job.recipe) for job in jobs]
    return max(((bound, recipe) for bound, recipe in bounds if recipe), key=lambda pair: pair[0])[1]


def options(side: str, args: argparse.Namespace, **trainer: Any) -> dict[str, Any]:
    """What a tuned run is told besides its recipe."""
    return {"network": "same", "trainer": {**dict(args.trainer), **trainer}} if side == "isthmus" else {}


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
    tried = trials(side, records, args, args.trials)
    best = {target: best_recipe(records, tried, target + args.shift) for target in args.targets}
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
