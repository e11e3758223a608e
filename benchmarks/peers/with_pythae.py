"""One training by pythae's own pipeline and trainer."""

import tempfile
from typing import Any

import numpy as np
import torch
from meter import Meter
from pythae.models import VAE, VAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from recipes import Recipe
from task import elbo, run
from torch.nn.functional import binary_cross_entropy


class Finished(Exception):
    """The trainer cannot be told to stop otherwise."""


class Watch(TrainingCallback):
    def __init__(self, meter: Meter, rows: np.ndarray) -> None:
        self.meter, self.rows = meter, rows

    def on_epoch_begin(self, training_config, **kwargs) -> None:
        self.meter.start()

    def on_epoch_end(self, training_config, **kwargs) -> None:
        if self.meter.stop(lambda: bound(kwargs["model"], self.rows)):
            raise Finished


def train(job: dict[str, Any], rows: np.ndarray, held_out: np.ndarray, meter: Meter) -> None:
    # The default network of pythae is 784-512-latents with ReLU. The weights are drawn here, not by the trainer.
    torch.manual_seed(job["seed"])
    model = VAE(VAEConfig(input_dim=(784,), latent_dim=job["latent_dim"], reconstruction_loss="bce"))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(output_dir=folder, seed=job["seed"], no_cuda=True, **settings(job))
        pipeline = TrainingPipeline(model=model, training_config=config)
        try:
            pipeline(rows.astype(np.float32), callbacks=[Watch(meter, held_out)])
        except Finished:
            pass
        except ArithmeticError:
            meter.status = "diverged"


def settings(job: dict[str, Any]) -> dict[str, Any]:
    """The trainer's own words for a recipe, or the options of an untuned run."""
    if job["recipe"] is None:
        return job["options"]
    recipe = Recipe(**job["recipe"])
    return {
        "per_device_train_batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "num_epochs": recipe.epochs,
        "optimizer_params": {"fused": True},
        **schedule(recipe),
    }


def schedule(recipe: Recipe) -> dict[str, Any]:
    """Its scheduler, which the trainer steps once an epoch."""
    if recipe.schedule == "constant":
        return {}
    if recipe.schedule == "cosine":
        return {"scheduler_cls": "CosineAnnealingLR", "scheduler_params": {"T_max": recipe.epochs}}
    # Whole epochs of warm-up from a quarter of the peak. One step more than there are epochs: the last would be at 0.
    n_warmup, n_steps = max(1, round(recipe.warmup * recipe.epochs)), recipe.epochs + 1
    params = {
        "max_lr": recipe.learning_rate,
        "total_steps": n_steps,
        "pct_start": (n_warmup + 1) / n_steps,
        "div_factor": 4.0,
    }
    return {"scheduler_cls": "OneCycleLR", "scheduler_params": params}


def bound(model: VAE, rows: np.ndarray) -> float:
    def encode(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        code = model.encoder(x)
        return code.embedding, (code.log_covariance / 2).exp()

    def log_likelihood(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return -binary_cross_entropy(model.decoder(z).reconstruction, x, reduction="none").sum(-1)

    return elbo(encode, log_likelihood, rows)


if __name__ == "__main__":
    run(train, "pythae", "torch", "numpy")
