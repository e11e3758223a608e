"""The density of the codes of a fitted model, learned once training is over."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from isthmus.data.streams import AnyRows
from isthmus.errors import DataError, ParameterError
from isthmus.models.auto import Choice
from isthmus.priors.afterwards import Afterwards, FittedPrior, fitted_priors

if TYPE_CHECKING:
    from isthmus.core import Composed

# Codes that a density of a small data set of stochastic codes learns from, and draws for one row at most.
_ENOUGH, _MOST_DRAWS = 20_000, 16


class Densities:
    """A prior fitted after training in the place of the model's own. A base of `BaseAutoencoder`."""

    module_: Composed
    choices_: dict[str, Choice]

    def fit_prior(
        self,
        kind: str | FittedPrior | None,
        X: Any = None,
        *,
        random_state: int | np.random.RandomState | None = None,
        **options: Any,
    ) -> Densities:
        """Learn the density of the codes of ``X``, and use it as the prior p(z) from now on.

        A decoder knows what to do with the codes that it was trained on, and these are rarely distributed as the prior
        of the model says. Codes drawn from where they are decode to better samples (Ghosh et al., 2020). Encoder and
        decoder stay as they are, and so do codes and reconstructions; `sample` changes, and for a model with a
        posterior every bound on log p(x): it stays a bound, of the model with the new prior.

        What is fitted are draws from q(z|x) where the model has a posterior, else the codes themselves. The density is
        saved with the model, and fitting the model anew drops it.

        Parameters
        ----------
        kind : str, FittedPrior or None
            ``"gaussian"``: a Gaussian with full covariance. ``"gmm"``: a mixture of them. ``"flow"``: a neural spline
            flow (needs the extra ``flows``). ``"flow_matching"``: a flow learned by matching velocities.
            ``"two_stage"``: a second VAE, whose density is known by a lower bound. Or an object from `isthmus.priors`.
            None: back to the prior that the model was trained with, as `drop_prior` does.
        X : array-like
            Training data, as for `transform`.
        random_state : int, RandomState or None
            Seed of draws and training.
        **options
            Of the kind, such as ``n_components=20``: the parameters of its class in `isthmus.priors`.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            An unknown kind or option; or codes that have no such density: too wide ones, sparse ones, discrete ones.
        DataError
            Less than two rows.
        DivergedError, KeyboardInterrupt
            The model keeps the prior that it had.
        """
        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        if kind is None:
            return self.drop_prior()
        prior = _make(kind, options)
        if X is None:
            raise ParameterError("fit_prior needs the data whose codes are to be fitted: est.fit_prior(kind, X)")
        self._fit_density(prior, self._read(X), random_state)  # pyright: ignore[reportAttributeAccessIssue]
        return self

    def drop_prior(self) -> Densities:
        """Give the model back the prior that it was trained with."""
        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        if isinstance(self.module_.prior, Afterwards):
            self.module_.prior = self.module_.prior.trained
            self.choices_.pop("prior", None)
        return self

    def _fit_density(
        self, prior: FittedPrior, samples: AnyRows, random_state: int | np.random.RandomState | None
    ) -> None:
        fit_density(self.module_, prior, samples, check_random_state(random_state).randint(2**31 - 1))
        reason = f"fitted to the codes of {len(samples):,} rows after the training"
        self.choices_["prior"] = Choice(repr(prior), reason)


def fit_density(module: Composed, prior: FittedPrior, rows: AnyRows, seed: int) -> None:
    """Fit a density, not yet set up, to the codes of samples (n, *event), and put it in the prior's place.

    Raises
    ------
    ParameterError, DataError
        As `Densities.fit_prior` says.
    """
    from isthmus.models.inference import device_of
    from isthmus.training.runtime import random_numbers

    bottleneck, device = module.bottleneck, device_of(module)
    if not bottleneck.continuous:
        raise ParameterError(
            f"the codes of a {type(bottleneck).__name__} bottleneck are mostly zeros or chosen from a list, and no "
            f"{prior.name} density can be; sample() draws from a prior of their own kind already"
        )
    if len(rows) < 2:
        raise DataError(f"a density needs the codes of at least 2 rows, and there is {len(rows)}")
    with random_numbers(seed, device):
        with torch.device(device):
            prior.setup(bottleneck.latent_dim_)
        prior.fit(_codes(module, rows, seed).to(device))
    prior.eval()
    trained = module.prior.trained if isinstance(module.prior, Afterwards) else module.prior
    module.prior = Afterwards(trained, prior)


def _codes(module: Composed, rows: AnyRows, seed: int) -> Tensor:
    """Codes of the rows in random order, (n, latent_dim); of stochastic ones a few draws of each row together."""
    from isthmus.engines.engine import engine_of
    from isthmus.evaluate.bounds import draw, own_noise, posterior
    from isthmus.models.inference import by_batch, encode_rows

    engine = engine_of(module)
    order = np.random.RandomState(seed).permutation(len(rows))
    if not module.bottleneck.stochastic:
        return torch.from_numpy(encode_rows(engine, rows)[order])
    n_draws = int(np.clip(_ENOUGH // len(rows), 1, _MOST_DRAWS))
    width = getattr(module.bottleneck, "noise_dim", module.bottleneck.latent_dim_)
    first = 0

    def drawn(x: Tensor) -> Tensor:
        nonlocal first
        noise = own_noise(seed, first, len(x), width)(_MOST_DRAWS)[:n_draws]
        first += len(x)
        return draw(posterior(engine, x), noise.to(x.device)).transpose(0, 1).float()

    codes = by_batch(engine, rows, drawn)
    return torch.from_numpy(codes[order].reshape(-1, module.bottleneck.latent_dim_))


def _make(kind: str | FittedPrior, options: dict[str, Any]) -> FittedPrior:
    known = fitted_priors()
    if isinstance(kind, FittedPrior):
        if options:
            raise ParameterError(f"options ({', '.join(options)}) go with a kind by name; this prior has its own")
        return copy.deepcopy(kind)
    if kind not in known:
        raise ParameterError(f"unknown kind of prior {kind!r}; choose from {', '.join(map(repr, sorted(known)))}")
    has = list(inspect.signature(known[kind]).parameters) if known[kind]().config() else []
    if wrong := [name for name in options if name not in has]:
        raise ParameterError(f"a {kind} prior has no option {wrong[0]!r}; it has {', '.join(has) or 'none'}")
    return known[kind](**options)
