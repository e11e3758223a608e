"""What models whose input may be corrupted have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from isthmus.data.info import DataInfo
from isthmus.models.auto import Choice
from isthmus.models.base import BaseAutoencoder
from isthmus.models.inference import by_batch
from isthmus.models.inputs import restore_shape


def _corrupts(estimator: BaseAutoencoder) -> bool:
    if "corruption" in estimator.recipe():
        return True
    raise AttributeError(f"this {type(estimator).__name__} does not corrupt its input; give it corruption='gaussian'")


class Corrupting(BaseAutoencoder):
    """Base of the variants whose input may be corrupted. Registers no model of its own."""

    def own_choices(self, info: DataInfo, latent_dim: int) -> dict[str, Choice]:
        corruption = self.recipe().get("corruption")
        if corruption is None:
            return {}
        parameters = self.get_params(deep=False)
        named = isinstance(parameters.get("corruption"), str) and parameters["noise"] == "auto"
        reason = "of the usual strength" if named else "as asked"
        return {"corruption": Choice(repr(corruption), reason if "corruption" in parameters else "suits the method")}

    @available_if(_corrupts)
    def corrupt(self, X: Any, *, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """What the encoder is given for X while training: corrupted, in the shape and units of X."""
        samples = self._read(X)
        seed = check_random_state(random_state).randint(2**31 - 1)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            corruption, real = self.module_.corruption, self.module_.real
            return restore_shape(self, by_batch(self.module_, samples, lambda x: corruption(real(x))[0]))
