"""What a search compares: one number for each trial, of the same held-out rows, that means the same in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from isthmus.errors import ParameterError
from isthmus.evaluate.bounds import elbo
from isthmus.evaluate.metrics import METRICS
from isthmus.models.base import BaseAutoencoder
from isthmus.models.denoiser import Denoiser
from isthmus.models.inference import by_batch, rebuild

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.data.info import DataInfo
    from isthmus.data.samples import Samples
    from isthmus.sweep.space import Dimension
    from isthmus.training import Epoch

Direction = Literal["maximize", "minimize"]
Watch = Callable[["Epoch", np.ndarray], float]

# All others are better the lower they are.
_UP = ("score", "elbo", "log_likelihood", "r2", "psnr", "ssim", "active_units", "mutual_information")
_BOUNDS = ("score", "elbo", "log_likelihood", "bits_per_dim")
_NATS = (*_BOUNDS, "reconstruction_nll", "distortion")
_PARTS = ("rate", "mutual_information", "aggregate_gap", "total_correlation", "dimension_kl")
_OF_POSTERIORS = ("elbo", "kl", "distortion", *_PARTS)
_PROBABILITIES = ("bernoulli", "categorical", "poisson", "negative_binomial")
# What reconstruction alone would drive to an end of its range: the widest code, the lowest price.
_BUDGETS = ("latent_dim", "n_active", "penalty", "contraction", "noise", "sparsity")


@dataclass(frozen=True)
class Metric:
    """One number of a fitted model on held-out rows.

    Parameters
    ----------
    name : str
        "score", a key of `BaseAutoencoder.evaluate`, or ``val_`` and a cost of the model's own training.
    direction : {"maximize", "minimize"}
        Which end is better.
    pays_for_width : bool
        Whether it is a bound on log p(x), for which a wider code is not better by itself.
    """

    name: str
    direction: Direction
    pays_for_width: bool = False

    @property
    def of_training(self) -> bool:
        """Whether it is a cost of the training, as the history has it."""
        return self.name.startswith("val_")

    @property
    def meaning(self) -> str:
        """In words."""
        if self.name == "score":
            exact = "bound on log p(x)" if self.pays_for_width else "log p(x | z = code)"
            return f"mean {exact} of the held-out rows, in nats"
        if self.of_training:
            return f"cost {self.name.removeprefix('val_')!r} of the held-out rows, in nats"
        return METRICS[self.name].replace("nats per sample", "in nats")

    @property
    def watched(self) -> str:
        """What `watch` looks at: the metric itself, or something that falls or rises with it."""
        if self.name in ("r2", "psnr"):
            return "−mse"
        return "−score" if self.name == "bits_per_dim" else self.name

    def better(self, value: float, other: float) -> bool:
        """Whether the first value beats the second."""
        return value > other if self.direction == "maximize" else value < other

    def measure(self, estimator: BaseAutoencoder, rows: Samples) -> tuple[float, dict[str, float]]:
        """Value of a fitted model, and of every other metric that applies to it."""
        others = estimator.evaluate(rows)
        if self.of_training:
            return estimator.history_[self.name][estimator.best_epoch_ - 1], others
        if self.name == "score":
            return estimator.score(rows), others
        if self.name not in others:
            raise ParameterError(
                f"{type(estimator).__name__} has no metric {self.name!r} on these data; it has {', '.join(others)}"
            )
        return others[self.name], others

    def watch(self, estimator: BaseAutoencoder) -> Watch | None:
        """What to look at while a model is trained, cheap and in the same direction; None if nothing tells."""
        if self.of_training:
            return lambda epoch, rows: epoch.metrics[self.name]
        sign = 1.0 if self.direction == "maximize" else -1.0
        if self.name in ("mse", "r2", "psnr"):
            return lambda epoch, rows: -sign * _error(epoch.module, rows)
        if self.name == "reconstruction_nll":
            return lambda epoch, rows: sign * _reconstruction(epoch.module, rows)
        if self.name not in _BOUNDS or _is_exact(estimator):
            return None
        if _is_stochastic(estimator):
            return lambda epoch, rows: sign * _bound(epoch.module, rows)
        return lambda epoch, rows: sign * _reconstruction(epoch.module, rows)


def choose_metric(name: str, estimator: BaseAutoencoder, info: DataInfo) -> Metric:
    """The metric of this name; "auto" is what the model is for.

    Parameters
    ----------
    name : str
        "auto": for a denoiser "val_nll", how likely it makes what was to be restored; for any other "score".
    estimator : BaseAutoencoder
        Unfitted.
    info : DataInfo
        Of the data.

    Raises
    ------
    ParameterError
        There is no such metric, or not for this model.
    """
    if name == "auto":
        name = "val_nll" if isinstance(estimator, Denoiser) else "score"
    recipe = estimator.recipe()
    costs = ["val_loss", *(f"val_{term.name}" for term in recipe["terms"])]
    known = ["score", *(key for key in METRICS if key != "n_samples"), *costs]
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"metrics are {', '.join(known)}"
        raise ParameterError(f"unknown metric {name!r}; {hint}")
    if name in _OF_POSTERIORS and not _is_stochastic(estimator):
        raise ParameterError(f"{name} is for models whose code is a distribution, which {estimator.name} has not")
    if name in ("psnr", "ssim") and not info.is_picture:
        raise ParameterError(f"{name} is for pictures, and these data are a table; use mse")
    pays = name in _BOUNDS and (_is_stochastic(estimator) or _is_exact(estimator))
    return Metric(name, "maximize" if name in _UP else "minimize", pays)


def check_comparable(metric: Metric, estimator: BaseAutoencoder, space: Mapping[str, Dimension]) -> None:
    """Complain if a searched parameter changes what the metric means.

    Raises
    ------
    ParameterError
        Trials could not be compared with each other.
    """
    if metric.of_training:
        shared = BaseAutoencoder._parameter_constraints
        own = [name for name in space if name.partition(".")[0] not in shared]
        if own:
            raise ParameterError(
                f"{own[0]} may change what {metric.name} measures, so trials could not be compared; search without it, "
                "or compare them by another metric, such as mse or score"
            )
    likelihoods = getattr(space.get("likelihood"), "values", ())
    if (metric.of_training or metric.name in _NATS) and len({kind in _PROBABILITIES for kind in likelihoods}) > 1:
        raise ParameterError(
            f"some of the likelihoods {', '.join(map(str, likelihoods))} are probabilities and some densities, whose "
            "nats cannot be compared; search among one kind, or compare by mse"
        )


def driven_to_an_end(metric: Metric, names: Iterable[str]) -> list[str]:
    """Searched names of which this metric always wants the widest, or the cheapest."""
    return [] if metric.pays_for_width else [name for name in names if name in _BUDGETS]


def _is_stochastic(estimator: BaseAutoencoder) -> bool:
    return estimator.recipe()["bottleneck"].stochastic


def _is_exact(estimator: BaseAutoencoder) -> bool:
    """Whether the score is of a kind of its own, such as a likelihood in closed form."""
    return type(estimator).score_samples is not BaseAutoencoder.score_samples


def _bound(module: Composed, rows: np.ndarray) -> float:
    """Mean bound with two opposite draws for each row, the same every time: cheap, and right on average."""
    generator, width = torch.Generator().manual_seed(0), module.bottleneck.latent_dim_

    def bound(x: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(1, len(x), width, generator=generator)
        return elbo(module, x, torch.cat([noise, -noise]).to(x.device))

    return _mean(by_batch(module, rows, bound, copies=2))


def _reconstruction(module: Composed, rows: np.ndarray) -> float:
    return _mean(by_batch(module, rows, lambda x: module.log_prob(x, module.encode(x).mean)))


def _error(module: Composed, rows: np.ndarray) -> float:
    return _mean((rebuild(module, rows) - np.asarray(rows, dtype=np.float64)) ** 2)


def _mean(values: Any) -> float:
    return float(np.mean(values, dtype=np.float64))
