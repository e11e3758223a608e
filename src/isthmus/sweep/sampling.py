"""What is proposed next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, TPESampler

from isthmus.sweep.study import n_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState


class Sampler(BaseSampler):
    """Tree-structured Parzen estimator (Bergstra et al., 2011) with random numbers of its own for each trial.

    They follow from the seed and from how many trials came before. So workers do not propose the same, and a study that
    was interrupted goes on as if it had not been.

    Parameters
    ----------
    seed : int
        Of the search.

    Attributes
    ----------
    study : Study
        Whose trials are counted; set once it is made. Hyperband shows a sampler only a part of them.
    """

    study: Study

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._inner = self._fresh(0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner = self._fresh(n_before(self.study, trial.number))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._inner.after_trial(study, trial, state, values)

    def _fresh(self, number: int) -> TPESampler:
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        return TPESampler(seed=seed, multivariate=True, constant_liar=True)
