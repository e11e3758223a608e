"""What a denoiser can do as a generative model, by the Markov chain of corrupting and denoising."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.distributions import Distribution

from isthmus.data.streams import AnyRows
from isthmus.errors import ParameterError, RunError
from isthmus.evaluate.convergence import Reference
from isthmus.explore.chains import Chains, run_chains, transitions
from isthmus.models.denoiser import Denoiser
from isthmus.models.inference import batch_size, by_batch, device_of, score_rows
from isthmus.models.inputs import restore_shape
from isthmus.principal import Principal, leading
from isthmus.priors.afterwards import fitted_prior
from isthmus.training.runtime import random_numbers

STEPS = 100
"""Steps of the chain before its state counts as a sample."""

_N_SCORES, _MOST_VALUES, _MOST_SCORED = 5, 1 << 22, 1000
# Starts have this many times the spread of the data: R-hat asks for starts wider than what the chain converges to.
_SPREAD = 2.0
_CHAINS, _OTHERS, _LIKELIHOOD_CHAINS, _LIKELIHOOD_THIN = 16, 32, 100, 5


class GenerativeDenoiser(Denoiser):
    """Base of the denoisers that corrupt clean samples themselves. Registers no model of its own.

    Corrupting and denoising in turn is a Markov chain, whose stationary distribution estimates that of the data (Bengio
    et al., 2013b). A model whose targets were given to `fit` learned to undo their noise, not that of its
    ``corruption``; its chain is only of use if the two are of one kind.
    """

    report_sections = (*Denoiser.report_sections, "denoising:chain")
    sampling = f"states of the chain of corrupting and denoising after {STEPS} steps"

    principal_: Principal
    references_: dict[str, Reference]
    range_: tuple[float, float]

    def markov_chain(
        self,
        n_chains: int | None = None,
        n_draws: int = 1000,
        *,
        start: Any = None,
        burn_in: int | Literal["auto"] = "auto",
        thin: int = 1,
        precision: float = 0.05,
        random_state: int | np.random.RandomState | None = None,
    ) -> Chains:
        """Run the chain of corrupting and denoising, and say whether it has converged.

        In each step the state is corrupted as in training, and the next one drawn from p(x|x̃). The verdict is on the
        scores of the state along the leading principal components of the training data ("principal score 1" and so on,
        in the network's units), and on its "energy" −log p(x | z = f(x)): how badly the model reconstructs it, in nats.

        Parameters
        ----------
        n_chains : int, optional
            Chains, run side by side; by default 16, or as many as ``start`` has rows. With corruption="feature_swap"
            they take values from each other, so that they are not independent, and the verdict is too kind.
        n_draws : int
            States to record of each chain.
        start : array-like, optional
            Samples to start from, one for each chain. By default random ones with the mean of the data and twice their
            spread, along the principal components and across, within the range of the data.
        burn_in : int or "auto"
            Steps before the first recorded state; "auto": as many as come after.
        thin : int
            Steps from one recorded state to the next.
        precision : float
            Standard error that is wanted, in standard deviations of a statistic.
        random_state : int, RandomState or None
            Seed.

        Returns
        -------
        Chains
            ``draws``, ``statistics``, ``converged``, ``reason``, ``draws_needed``, ``diagnostics()``, figures.

        Raises
        ------
        ParameterError
            A number that cannot be, or a corruption that was a function, of a model that was loaded.
        """
        check_is_fitted(self)
        rows = None if start is None else self._read(start)
        if rows is not None and n_chains not in (None, len(rows)):
            raise ParameterError(f"n_chains={n_chains}, but start has {len(rows)} rows; leave n_chains out")
        if n_chains is not None and n_chains < 1:
            raise ParameterError(f"n_chains must be at least 1, got {n_chains}")
        generator = check_random_state(random_state)
        module = self.module_.eval()
        if rows is None:
            with random_numbers(generator.randint(2**31 - 1), device_of(module)):
                first = self._wide_start(n_chains or _CHAINS)
        else:
            first = module.real(torch.tensor(np.asarray(rows), device=device_of(module)))
        chains = run_chains(
            self._corrupt,
            self._reconstruct,
            first,
            n_draws,
            burn_in=burn_in,
            thin=thin,
            statistics=self._statistics,
            precision=precision,
            random_state=generator,
            batch_size=batch_size(module, self.info_.n_values),
        )
        return chains.of_data(
            self.references_,
            picture=self.info_.shape if self.info_.is_picture else None,
            limits=self.info_.display_range,
            reshape=lambda samples: restore_shape(self, samples),
        )

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
        noise: bool | Literal["auto"] = "auto",
        n_steps: int = STEPS,
    ) -> np.ndarray:
        """Draw new data: a chain of corrupting and denoising for each sample, and its last state.

        Once `fit_prior` has learned the density of the codes, codes drawn from that are decoded instead.

        Parameters
        ----------
        n_samples : int
            How many, each from a chain of its own, so that they are independent.
        random_state : int, RandomState or None
            Seed of the draw.
        noise : bool or "auto"
            Whether to return the draw from p(x|x̃) rather than its mean. ``"auto"``: yes for tables, whose spread would
            otherwise come out too small; no for pictures, where the noise is grain.
        n_steps : int
            Steps of every chain, from starts spread wider than the data. 100 are enough to find the data; how many it
            takes to forget the start, `markov_chain` says.

        Returns
        -------
        X : ndarray of shape (n_samples, *shape of a sample)
        """
        check_is_fitted(self)
        for name, value in (("n_samples", n_samples), ("n_steps", n_steps)):
            if value < 1:
                raise ParameterError(f"{name} must be at least 1, got {value}")
        if fitted_prior(self.module_) is not None:
            return super().sample(n_samples, random_state=random_state, noise=noise)
        noisy = not self.info_.is_picture if noise == "auto" else noise
        module = self.module_.eval()
        seed = check_random_state(random_state).randint(2**31 - 1)
        with random_numbers(seed, device_of(module)), torch.no_grad():
            # A chain whose noise comes from other chains needs some.
            n_chains = max(n_samples, _OTHERS) if module.corruption.takes_from_others else n_samples
            groups = self._wide_start(n_chains).split(batch_size(module, self.info_.n_values))
            ends = [self._walk(group, n_steps) for group in groups]
        drawn = torch.cat([x if noisy else p.mean for x, p in ends])[:n_samples]
        return restore_shape(self, drawn.cpu().numpy())

    def log_likelihood(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, X: Any, n_samples: int = 10_000, *, random_state: int | np.random.RandomState | None = 0
    ) -> np.ndarray:
        """Conservative estimate of log p(x) of every row under the chain's stationary distribution, in nats.

        The logarithm of the mean of p(x|x̃) over corrupted states x̃ of the chain: on average a lower bound, which
        rises with ``n_samples`` (CSL; Bengio, Yao & Cho, 2013). It is far below log p(x) where p(x|x̃) is narrow, as a
        state close to every row is needed.

        Parameters
        ----------
        X : array-like
            Data.
        n_samples : int
            States; all are used, whatever the memory. They come from up to 100 chains, every fifth step after the
            first 100.
        random_state : int, RandomState or None
            Seed of the chain.

        Returns
        -------
        log_p : ndarray of shape (n,), float64
        """
        from isthmus.evaluate.density import conservative_log_likelihood

        samples = self._read(X, supported=True)
        if n_samples < 1:
            raise ParameterError(f"n_samples must be at least 1, got {n_samples}")
        module = self.module_.eval()
        seed = check_random_state(random_state).randint(2**31 - 1)
        with random_numbers(seed, device_of(module)), torch.no_grad():
            x = module.real(torch.tensor(np.asarray(samples), device=device_of(module)))
            return conservative_log_likelihood(x, self._conditionals(n_samples)).cpu().numpy()

    # ---------------------------------------------------------------- what is learned for it

    def learn_more(self, samples: AnyRows) -> None:
        """Range, mean, leading axes and spread of the data in the network's units, and the statistics of the chain."""
        module = self.module_
        most = max(2, _MOST_VALUES // self.info_.n_values)
        rows = samples[:: -(-len(samples) // most)]
        scaled = by_batch(module, rows, lambda x: module.scaling(module.real(x)))
        self.range_ = float(scaled.min()), float(scaled.max())
        self.principal_ = leading(scaled, _N_SCORES)
        scored = samples[:: -(-len(samples) // _MOST_SCORED)]
        energy = -score_rows(module, scored).astype(np.float64)
        spreads = [(0.0, sd, len(rows)) for sd in np.sqrt(self.principal_.variance)]
        self._refer(np.array([*spreads, (energy.mean(), energy.std(), len(scored))]))

    def fitted_arrays(self) -> dict[str, np.ndarray]:
        references = np.array([[r.mean, r.sd, r.n] for r in self.references_.values()])
        own = {"references": references, "range": np.array(self.range_)}
        return {**super().fitted_arrays(), **self.principal_.arrays(), **own}

    def restore_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        rest = dict(arrays)
        own = {name: rest.pop(name, np.zeros(0)) for name in ("references", "range")}
        inherited = {name: rest.pop(name) for name in ("paired",) if name in rest}
        k = rest["variance"].size if "variance" in rest else 0
        if not 1 <= k <= _N_SCORES or own["references"].shape != (k + 1, 3) or own["range"].shape != (2,):
            raise RunError(f"a {type(self).__name__} has the statistics of its training data, and some are missing")
        if not all(array.dtype == np.float64 and np.isfinite(array).all() for array in own.values()):
            raise RunError(
                f"a {type(self).__name__} has finite float64 numbers for the statistics of its training data"
            )
        if (own["references"][:, 1] < 0).any() or (own["references"][:, 2] < 1).any() or np.diff(own["range"])[0] < 0:
            raise RunError(f"a {type(self).__name__} has spreads and numbers of its training data that cannot be")
        self.principal_ = Principal.from_arrays(rest, self.info_.n_values, k)
        self.range_ = float(own["range"][0]), float(own["range"][1])
        self._refer(own["references"])
        super().restore_arrays(inherited)

    def _refer(self, references: np.ndarray) -> None:
        names = [f"principal score {i + 1}" for i in range(len(references) - 1)] + ["energy"]
        self.references_ = {
            name: Reference(mean, sd, int(n)) for name, (mean, sd, n) in zip(names, references.tolist(), strict=True)
        }

    # ---------------------------------------------------------------- the chain

    def _corrupt(self, x: Tensor) -> Tensor:
        """Corrupted states, in reach of the data: where it has seen nothing, a denoiser may drive them to infinity."""
        scaling, (low, high) = self.module_.scaling, self.range_
        corrupted = self.module_.corruption(self.module_.real(x))[0]
        u = scaling(corrupted)
        near = u.clamp(2 * low - high, 2 * high - low)
        return torch.where(near == u, corrupted, scaling.inverse(near).to(corrupted.dtype))

    def _reconstruct(self, corrupted: Tensor) -> Distribution:
        return self.module_.decode(self.module_.encode(corrupted).z)

    def _statistics(self, x: Tensor) -> dict[str, Tensor]:
        module, p = self.module_, self.principal_
        mean, axes = (torch.tensor(array, device=x.device) for array in (p.mean, p.components))
        scores = (module.scaling(x).double().flatten(1) - mean) @ axes.T
        energy = -module.log_prob(x, module.encode(x).z)
        return dict(zip(self.references_, [*scores.unbind(1), energy], strict=True))

    def _wide_start(self, n: int) -> Tensor:
        """Random samples about the mean of the data, spread wider than these, of shape (n, *event)."""
        p, scaling = self.principal_, self.module_.scaling
        rest = max(p.total_variance - float(p.variance.sum()), 0.0) / len(p.mean)
        along = torch.randn(n, len(p.variance)).double() * torch.tensor(p.variance).sqrt()
        across = torch.randn(n, len(p.mean)).double() * rest**0.5
        u = torch.tensor(p.mean) + _SPREAD * (along @ torch.tensor(p.components) + across)
        return scaling.inverse(u.clamp(*self.range_).reshape(n, *self.info_.shape).to(scaling.shift.device))

    def _walk(self, x: Tensor, n_steps: int) -> tuple[Tensor, Distribution]:
        """State after so many steps, and the distribution it was drawn from."""
        return next(islice(transitions(self._corrupt, self._reconstruct, x), n_steps - 1, None))

    def _conditionals(self, n: int) -> Iterator[Distribution]:
        """p(x|x̃) at ``n`` corrupted states of the chain, some at a time."""
        n_chains = min(n, _LIKELIHOOD_CHAINS, batch_size(self.module_, self.info_.n_values))
        x, _ = self._walk(self._wide_start(n_chains), STEPS)
        while n > 0:
            x, p = self._walk(x[:n], _LIKELIHOOD_THIN)
            yield p
            n -= len(x)
