"""Shared by tests: parts set up on small data, what SciPy says of every likelihood, and pages taken apart."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from scipy import special, stats
from torch import Tensor

from isthmus.bottlenecks import Bottleneck, DiagonalGaussian
from isthmus.core import Composed, named_parts
from isthmus.corruptions import NoCorruption
from isthmus.data.info import describe_data
from isthmus.likelihoods import Likelihood
from isthmus.likelihoods.continuous import LocationScale
from isthmus.networks import Linear, Scaling
from isthmus.networks.scaling import ScalingKind
from isthmus.priors import Prior, StandardNormal
from isthmus.terms import KL, NLL

L = TypeVar("L", bound=Likelihood)


def make_scaling(kind: ScalingKind, X: np.ndarray) -> Scaling:
    """Scaling fitted on X."""
    scaling = Scaling(kind)
    scaling.setup(describe_data(X))
    return scaling


def named(name: str) -> Likelihood:
    """Likelihood of this name, not yet set up."""
    family, args = named_parts(Likelihood)[name]
    return family(**args)


def fitted(likelihood: L, X: np.ndarray, kind: ScalingKind | None = None) -> L:
    """Likelihood set up on X, under the scaling it asks for, else ``kind``, else "standard"."""
    likelihood.setup(describe_data(X), make_scaling(likelihood.scaling or kind or "standard", X))
    return likelihood


def compose_linear(
    X: np.ndarray,
    latent_dim: int,
    likelihood: Likelihood,
    *,
    bottleneck: Bottleneck | None = None,
    prior: Prior | None = None,
) -> Composed:
    """Linear model of X in the units that the likelihood asks for, else in its own; in eval mode."""
    module = Composed(
        scaling=Scaling(likelihood.scaling or "none"),
        corruption=NoCorruption(),
        network=Linear(),
        bottleneck=bottleneck or DiagonalGaussian(),
        likelihood=likelihood,
        prior=prior or StandardNormal(),
        terms=[NLL(), KL()],
    )
    return module.setup(describe_data(X), latent_dim).eval()


def mean_and_error(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the first axis, and its standard error."""
    return values.mean(0), values.std(0) / len(values) ** 0.5


N_LEVELS = 5


def softplus(y: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, y)


class TiltedUniform:
    """Density proportional to exp(logit · u) on [0, 1]: SciPy's truncated exponential, mirrored if it rises."""

    def __init__(self, logit: np.ndarray) -> None:
        self.rises = logit > 0
        self.flat = logit == 0
        rate = np.where(self.flat, 1.0, np.abs(logit))
        self.decay: Any = stats.truncexpon(rate, scale=1 / rate)

    def logpdf(self, x: np.ndarray) -> np.ndarray:
        return np.where(self.flat, 0.0, self.decay.logpdf(np.where(self.rises, 1 - x, x)))

    def mean(self) -> np.ndarray:
        mean = np.asarray(self.decay.mean())
        return np.where(self.flat, 0.5, np.where(self.rises, 1 - mean, mean))

    def var(self) -> np.ndarray:
        return np.where(self.flat, 1 / 12, self.decay.var())


class Levels:
    """Softmax over the last axis."""

    def __init__(self, logits: np.ndarray) -> None:
        self.log_p = special.log_softmax(logits, -1)

    def logpmf(self, x: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self.log_p, x[..., None].astype(int), -1)[..., 0]

    def mean(self) -> np.ndarray:
        return (np.exp(self.log_p) * np.arange(N_LEVELS)).sum(-1)

    def var(self) -> np.ndarray:
        return (np.exp(self.log_p) * np.arange(N_LEVELS) ** 2).sum(-1) - self.mean() ** 2


def location_scale(family: Any) -> Callable[[Likelihood, np.ndarray, np.ndarray], Any]:
    def reference(likelihood: Likelihood, X: np.ndarray, y: np.ndarray) -> Any:
        assert isinstance(likelihood, LocationScale)
        spread = likelihood.spread.detach().double().numpy()
        return family(X.mean(0) + X.std(0) * y[..., 0], X.std(0) * spread)

    return reference


def rate(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return X.mean(0) * softplus(y[..., 0] + np.log(np.expm1(1)))


def negative_binomial(likelihood: Any, X: np.ndarray, y: np.ndarray) -> Any:
    r = softplus(likelihood.log_r.detach().double().numpy() + np.log(np.expm1(1)))
    return stats.nbinom(r, r / (r + rate(X, y)))


@dataclass(frozen=True)
class Case:
    """How to make data for a likelihood, and what SciPy says of them."""

    train: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    elements: st.SearchStrategy[Any]
    reference: Callable[[Any, np.ndarray, np.ndarray], Any]
    continuous: bool = True

    def training_data(self, shape: tuple[int, ...], n: int = 60) -> np.ndarray:
        return self.train(np.random.default_rng(0), (n, *shape))


def real(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    unit = np.geomspace(0.5, 20, int(np.prod(shape[1:]))).reshape(shape[1:])
    return unit * (rng.normal(size=shape) + 3)


def counts(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.poisson(4.0, shape).astype(np.float64)


def every_level(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    X = rng.integers(0, N_LEVELS, shape).astype(np.float64)
    X[0] = N_LEVELS - 1
    return X


WIDE = st.floats(-500, 500, width=32)
GAUSSIAN = Case(real, WIDE, location_scale(stats.norm))
# SciPy's own Laplace takes the logarithm of a density that underflows; the generalised normal of order 1 does not.
LAPLACE = Case(real, WIDE, location_scale(partial(stats.gennorm, 1)))
COUNT = st.integers(0, 200).map(float)


def logits(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A decoder that says 0 means the mean of the data."""
    return special.logit(X.mean(0).clip(0.01, 0.99)) + y[..., 0]


CASES = {
    "gaussian": GAUSSIAN,
    "gaussian_per_feature": GAUSSIAN,
    "l2": GAUSSIAN,
    "laplace": LAPLACE,
    "laplace_per_feature": LAPLACE,
    "l1": LAPLACE,
    "bernoulli": Case(
        lambda rng, shape: (rng.random(shape) < 0.4).astype(np.float64),
        st.sampled_from([0.0, 1.0]),
        lambda _, X, y: stats.bernoulli(special.expit(logits(X, y))),
        continuous=False,
    ),
    "continuous_bernoulli": Case(
        lambda rng, shape: rng.random(shape),
        st.floats(1 / 64, 63 / 64, width=32),  # SciPy leaves the ends out of the support at some logits
        lambda _, X, y: TiltedUniform(logits(X, y)),
    ),
    "categorical": Case(
        every_level, st.integers(0, N_LEVELS - 1).map(float), lambda _, X, y: Levels(y), continuous=False
    ),
    "poisson": Case(counts, COUNT, lambda _, X, y: stats.poisson(rate(X, y)), continuous=False),
    "negative_binomial": Case(counts, COUNT, negative_binomial, continuous=False),
}


VOID = {"meta", "br", "hr", "img", "input", "link", "source"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; fails on tags that do not balance."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]
