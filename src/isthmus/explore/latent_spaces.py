"""Three latent spaces of the same data: learned from the reconstruction alone, the divergence alone, and both."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from isthmus.data.samples import Samples
from isthmus.errors import CollapseWarning
from isthmus.explore.figures import draw_codes, draw_prior
from isthmus.explore.style import GRID, INK, LABEL, WIDE, new_figure, style_axes
from isthmus.models.inference import Posterior
from isthmus.models.vae import VAE
from isthmus.terms import KL, NLL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HELD_OUT = 0.2
_NEIGHBOURS = 10
_OUTSIDE = 0.01
_TELLING = 0.5
_SHADING = 141

MEASURES = {
    "separation": "held-out rows whose class the 10 nearest codes of other rows tell (codes drawn from q)",
    "gaps": "share of the prior outside the 99 % ellipsoids of all rows' q(z|x); of draws from these, at most 1 % are",
    "prior_kl": "KL(q(z) ‖ p(z)) of the aggregate posterior from the prior, in nats",
    "r2": "share of the variance of held-out rows that their reconstruction explains",
}
"""Key of `LatentSpace.measures`, and what it means."""


class _DivergenceAlone(VAE):
    """A VAE that pays for its code and not for its reconstruction. No variant of its own: nobody would use it."""

    def recipe(self) -> dict[str, Any]:
        return {**super().recipe(), "terms": [NLL(weight=0.0), KL()]}


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """A two-dimensional code, and what was measured of it.

    Parameters
    ----------
    name : str
        Which costs it was learned from.
    codes : ndarray of shape (n, 2)
        One draw from q(z|x) for every row: what the decoder sees.
    posterior : Posterior
        q(z|x) of every row.
    measures : dict of str to float
        With the keys of `MEASURES`; ``separation`` only where there are classes.
    estimator : VAE
        The fitted model.
    """

    name: str
    codes: np.ndarray
    posterior: Posterior
    measures: dict[str, float]
    estimator: VAE


def three_latent_spaces(X: Any, y: Any = None, *, random_state: int = 0, **params: Any) -> list[LatentSpace]:
    """Train three models with two latents on the same rows, and measure their codes.

    The reconstruction alone (β = 0) separates the rows but leaves gaps, from which nothing sensible can be decoded. The
    divergence alone fills the prior and says nothing of the data. Both together do what is wanted of each.

    Parameters
    ----------
    X : array-like, path, or built-in name
        Data. A fifth of the rows is held out of the training.
    y : array-like of shape (n,), optional
        Classes, by which the separation is measured; a source that has labels brings its own.
    random_state : int
        Seed of split, training and draws.
    **params
        Parameters of the models, as of `VAE`; ``max_epochs`` is 40 if it is not given.

    Returns
    -------
    list of LatentSpace
        "reconstruction alone", "divergence alone", "both".
    """
    from isthmus.data import load

    samples = load(X) if y is None else Samples(np.asarray(X), "array", y=np.asarray(y))
    rows = np.arange(len(samples.X))
    train, test = train_test_split(rows, test_size=_HELD_OUT, random_state=random_state)
    shared: dict[str, Any] = {"latent_dim": 2, "max_epochs": 40, "random_state": random_state, **params}
    models = {
        "reconstruction alone": VAE(**shared).set_params(beta=0.0),
        "divergence alone": _DivergenceAlone(**shared),
        "both": VAE(**shared),
    }
    spaces = []
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)  # the divergence alone is meant to collapse
            model.fit(samples.X[train])
        q = model.posterior(samples.X)
        codes = q.sample(random_state=random_state)[0].astype(np.float64)
        measures = {"gaps": gaps(q, random_state), "prior_kl": aggregate_divergence(q, codes)}
        measures["r2"] = model.evaluate(samples.X[test])["r2"]
        if samples.y is not None:
            neighbours = KNeighborsClassifier(_NEIGHBOURS).fit(codes[train], samples.y[train])
            measures = {"separation": float(neighbours.score(codes[test], samples.y[test])), **measures}
        spaces.append(LatentSpace(name, codes, q, measures, model))
    return spaces


def gaps(q: Posterior, random_state: int = 0, n_draws: int = 2000) -> float:
    """Share of a standard normal prior from where the decoder has seen no code.

    That is, outside the ellipsoid of every row's q(z|x) that holds 99 % of it. Draws from the rows' own distributions
    lie outside in 1 % of all cases at most, so where these cover the prior no more than that is left.

    Parameters
    ----------
    q : Posterior
        Of every row.
    random_state : int
        Seed of the draws of the prior.
    n_draws : int
        How many.
    """
    draws = np.random.RandomState(random_state).standard_normal((n_draws, q.mean.shape[1]))
    return float(1 - covered(q, draws).mean())


def covered(q: Posterior, points: np.ndarray) -> np.ndarray:
    """Which points (n, latent_dim) lie in the ellipsoid of any row's q(z|x) that holds 99 % of it."""
    from scipy.special import chdtri

    mean, std = (part.astype(np.float64) for part in (q.mean, q.std))
    # Point by point: all pairs at once would take too much memory.
    nearest = np.array([(((z - mean) / std) ** 2).sum(1).min() for z in points])
    return nearest <= chdtri(mean.shape[1], _OUTSIDE)


def aggregate_divergence(q: Posterior, codes: np.ndarray) -> float:
    """KL of the aggregate posterior, the mean of q(z|x) over all rows, from a standard normal prior, in nats.

    The mean over one draw of every row; both densities are exact (Hoffman & Johnson, 2016, section 2.1).

    Parameters
    ----------
    q : Posterior
        Of every row.
    codes : ndarray of shape (n, latent_dim)
        One draw for every row.
    """
    from scipy.special import logsumexp

    mean, std = (part.astype(np.float64) for part in (q.mean, q.std))
    # Row by row: all pairs at once would be n² latents.
    density = np.array(
        [logsumexp(-0.5 * (((z - mean) / std) ** 2).sum(1) - np.log(std).sum(1)) for z in codes]
    ) - np.log(len(mean))
    return float(np.mean(density + 0.5 * (codes**2).sum(1)))


def latent_spaces_figure(spaces: list[LatentSpace], y: Any = None) -> Figure:
    """The codes side by side, with the rings of the prior and the measures below.

    Shaded is where codes come from: what lies in the 99 % ellipse of q(z|x) of any row.

    Parameters
    ----------
    spaces : list of LatentSpace
        As `three_latent_spaces` returns them.
    y : array-like of shape (n,), optional
        Classes or values that colour the points.
    """
    from isthmus.report.labels import read_labels

    labels = None if y is None else read_labels(y)
    figure = new_figure(WIDE * 1.35, 4.9)
    panels = figure.subplots(2, len(spaces), height_ratios=[5, 1])
    for axes, below, space in zip(*panels, spaces, strict=True):
        style_axes(axes, title=space.name)
        _shade(axes, space.posterior)
        draw_codes(axes, space.codes, labels, names=space.measures.get("separation", 1) > _TELLING)
        draw_prior(axes, np.zeros(2), np.ones(2))
        reach = max(2.2, 1.05 * float(np.abs(space.codes).max()))
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        below.axis("off")
        below.text(0, 1, "\n".join(_sentences(space.measures)), va="top", fontsize=LABEL, color=INK, linespacing=1.5)
    return figure


def _shade(axes: Axes, q: Posterior) -> None:
    reach = 1.1 * float(np.abs(q.mean).max() + 3 * q.std.max())
    line = np.linspace(-reach, reach, _SHADING)
    points = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    inside = covered(q, points).reshape(_SHADING, _SHADING).astype(float)
    axes.contourf(line, line, inside, levels=[0.5, 1.5], colors=[GRID], alpha=0.6)


def _sentences(measures: dict[str, float]) -> list[str]:
    lines = []
    if "separation" in measures:
        lines.append(f"class told by neighbours: {100 * measures['separation']:.0f} %")
    # Adding 0 takes the sign off a rounded zero.
    return [
        *lines,
        f"prior without codes: {100 * measures['gaps']:.0f} %",
        f"codes from prior: {round(measures['prior_kl'], 2) + 0:.2f} nats",
        f"variance reconstructed: {round(100 * measures['r2']) + 0:.0f} %".replace("-", "−"),
    ]
