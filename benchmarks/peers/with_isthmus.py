"""One training by isthmus."""

from typing import Any

import numpy as np
from meter import Meter
from recipes import Recipe
from task import elbo, run

from isthmus import VAE, Trainer
from isthmus.errors import DivergedError
from isthmus.networks import MLP
from isthmus.training import Callback


class Watch(Callback):
    def __init__(self, meter: Meter, rows: np.ndarray) -> None:
        self.meter, self.rows = meter, rows

    def on_fit_start(self, params, n_epochs) -> None:
        self.meter.start()

    def on_epoch_end(self, epoch) -> bool:
        finished = self.meter.stop(lambda: bound(epoch.module, self.rows))
        self.meter.start()
        return finished


def train(job: dict[str, Any], rows: np.ndarray, held_out: np.ndarray, meter: Meter) -> None:
    trainer = Trainer(device="cpu", callbacks=[Watch(meter, held_out)], **settings(job))
    given: dict[str, Any] = {}
    if job["options"]["network"] == "same":
        given |= {"latent_dim": job["latent_dim"], "network": MLP(hidden=(512,), activation="relu")}
    if job["recipe"] is not None:
        given["max_epochs"] = job["recipe"]["epochs"]
    try:
        VAE(trainer=trainer, random_state=job["seed"], **given).fit(rows)
    except DivergedError:
        meter.status = "diverged"


def settings(job: dict[str, Any]) -> dict[str, Any]:
    """The trainer's own words for a recipe, and what else was asked of it."""
    if job["recipe"] is None:
        return job["options"]["trainer"]
    recipe = Recipe(**job["recipe"])
    return {
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "schedule": "constant" if recipe.schedule == "constant" else "cosine",
        "warmup": recipe.warmup,
        # All rows are trained on, and none held out, as on the other side.
        "validation_fraction": 0.0,
        "early_stopping": None,
        **job["options"]["trainer"],
    }


def bound(module, rows: np.ndarray) -> float:
    def encode(x):
        q = module.encode(x).q
        return q.mean, q.stddev

    return elbo(encode, module.log_prob, rows)


if __name__ == "__main__":
    run(train, "isthmus", "torch", "numpy")
