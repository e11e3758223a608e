"""What may be wrong with a model, as far as its fitted attributes and its rows tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.report.elements import number

if TYPE_CHECKING:
    from isthmus.report.view import View

FEW_ROWS = 200
MANY_DEAD = 0.25
"""Share of the latents of a sparse code that may be dead."""
GAP_PER_VALUE = 0.1
"""Nats per value by which validation may be worse than training: about 10 % in the error of a Gaussian."""


def find(view: View) -> list[str]:
    """Warnings, each a finding and what to do about it; empty if there is nothing to say."""
    found = [*_of_training(view), *_of_code(view), *_of_data(view)]
    return [finding for finding in found if finding]


def _of_training(view: View) -> list[str]:
    history, best = view.estimator.history_, view.estimator.best_epoch_
    if not history or not best:
        return []
    if "val_loss" not in history:
        return [
            "No rows were held out, so the best epoch was chosen by the training loss and overfitting cannot be "
            "seen; fit on at least 20 rows with a validation fraction above 0.",
            _unfinished(history["train_loss"], best),
        ]
    return [_overfitting(view, best), _unfinished(history["val_loss"], best)]


def _overfitting(view: View, best: int) -> str:
    history = view.estimator.history_
    gap = history["val_loss"][best - 1] - history["train_loss"][best - 1]
    if gap <= GAP_PER_VALUE * view.info.n_values:
        return ""
    return (
        f"Overfitting: at the best epoch the validation loss is {number(gap, 3)} nats per sample worse than the "
        f"training loss ({number(gap / view.info.n_values, 2)} per value). More data, a narrower code or a smaller "
        "network would help."
    )


def _unfinished(losses: list[float], best: int) -> str:
    n = len(losses)
    if best < n:
        return ""
    if n == 1:
        return "There was a single epoch of training; raise max_epochs."
    recent = losses[-1 - max(1, n // 5)] - losses[-1]
    if recent <= 0.01 * (max(losses) - min(losses)):
        return ""
    return (
        f"Training may have stopped too early: the last epoch ({n}) was the best and the loss was still falling; "
        "raise max_epochs."
    )


def _of_code(view: View) -> list[str]:
    estimator, found = view.estimator, []
    width, active = estimator.latent_dim_, int(view.active.sum())
    if view.stochastic and active <= width // 10:
        found.append(
            f"Posterior collapse: {active} of {width} latents vary with the data, so the code says almost nothing "
            "about them. Try kl_warmup=0.5, a smaller beta, more epochs, or a likelihood with a learned scale."
        )
    if width >= view.info.n_values and estimator.can_copy():
        found.append(
            f"The code ({width}) is at least as wide as the data ({view.info.n_values} values), so copying the "
            "input is the easiest solution; use a smaller latent_dim."
        )
    dead = view.metrics.get("dead_share", 0.0)
    if dead > MANY_DEAD:
        found.append(
            f"Dead latents: {number(100 * dead, 2)} % of the {width:,} latents are active for none of these rows. A "
            "smaller latent_dim would do, or more epochs, which revive them."
        )
    if view.metrics["r2"] < 0.1:
        found.append(
            f"The reconstruction explains little of the data (R² {number(view.metrics['r2'], 2)}); try a wider "
            "code, more epochs or another likelihood."
        )
    return found


def _of_data(view: View) -> list[str]:
    info, found = view.info, []
    if info.n_samples < FEW_ROWS:
        found.append(
            f"There were few rows to learn from ({info.n_samples:,}), so every number here is uncertain; compare "
            "several values of random_state before trusting a difference."
        )
    values = view.events
    outside = np.mean((values < info.low) | (values > info.high))
    if outside > 0:
        found.append(
            f"{number(100 * float(outside), 2)} % of the values shown here lie outside the range of the training data "
            f"({number(info.low)} to {number(info.high)}); the model has seen nothing like them."
        )
    constant = int(np.sum(values.min(0) == values.max(0))) if len(values) > 1 and not info.is_picture else 0
    if constant:
        found.append(f"{constant} of {info.n_values} columns never change; they can be left out.")
    return found
