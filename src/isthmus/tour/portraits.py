"""Drawn faces that differ in four things, and a model of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from isthmus.data.faces import FACE_NEUTRAL, faces
from isthmus.models.vae import VAE

VARIED = ("smile", "pose_x", "hair_tone", "skin_tone")
"""What the faces differ in; all else is that of a calm face in even light."""

_SIZE, _N, _LATENT_DIM = 24, 8000, 6
# A turn of this much either way: at a full turn, half of the mouth is out of sight.
_TURN = 0.6
_HIDDEN = 0.5
LABELLED = 25
"""Examples that have an attribute, and as many that lack it."""


class Portraits:
    """Faces of which only a few factors vary, so that a small model can learn all of them in a minute.

    Parameters
    ----------
    epochs : callable
        Epochs for a training that takes so many where there is time.
    seed : int
        Of the faces and of the model.
    """

    def __init__(self, epochs: Callable[[int], int], seed: int) -> None:
        self._epochs, self._seed = epochs, seed
        self.faces, self.factors = self.draw(_N, seed)

    @cached_property
    def vae(self) -> VAE:
        """A model that knows what a smile is, and that part of a face may be hidden."""
        from isthmus import Trainer
        from isthmus.corruptions import Block
        from isthmus.corruptions.sometimes import Sometimes
        from isthmus.networks import MLP

        # Against the log-likelihood of 576 pixels the divergence weighs little; more of it makes q(z|x) wider.
        vae = VAE(
            _LATENT_DIM,
            beta=20,
            kl_warmup=0.5,
            corruption=Sometimes(Block(0.7), 0.8),
            network=MLP((256, 256)),
            max_epochs=self._epochs(60),
            random_state=self._seed,
            trainer=Trainer(batch_size=64),
        )
        vae.fit(self.faces)
        vae.fit_attribute("smile", *self.examples("smile", LABELLED))
        return vae

    def examples(self, factor: str, n: int) -> tuple[np.ndarray, np.ndarray]:
        """``n`` faces that have much of a factor and ``n`` that have little, of those that the model was not shown."""
        X, factors = self.draw(1000, self._seed + 1)
        low, high = np.quantile(factors[factor], [0.25, 0.75])
        chosen = (factors[factor] > high, factors[factor] < low)
        return X[chosen[0]][:n], X[chosen[1]][:n]

    def unseen(self, n: int = 1, *, seed: int, **factors: Any) -> np.ndarray:
        """Faces that the model was not shown; factors that are given are the same for all else."""
        if factors:
            n = len(next(iter(factors.values())))
            fixed = {name: np.full(n, value) for name, value in FACE_NEUTRAL.items()}
            return faces(n, _SIZE, factors={**fixed, **factors})
        return self.draw(n, seed)[0]

    def hide_mouth(self, X: np.ndarray) -> np.ndarray:
        """Faces with a grey block over the lower half of the middle."""
        hidden, side = X.copy(), round(_HIDDEN * _SIZE)
        left = (_SIZE - side) // 2
        hidden[:, _SIZE - side :, left : left + side] = round(float(self.faces.mean()))
        return hidden

    def correlations(self) -> np.ndarray:
        """Of each factor (rows) with each latent (columns)."""
        X, factors = self.draw(1000, self._seed + 2)
        codes = self.vae.transform(X)
        values = np.stack([factors[name] for name in VARIED], 1)
        return np.corrcoef(values.T, codes.T)[: len(VARIED), len(VARIED) :]

    def moved_by(self, attribute: str, starts: np.ndarray) -> dict[str, float]:
        """How far a walk along an attribute, from −1 to 1, moves every factor on average; see `told`."""
        told = self.told_along(attribute, starts, steps=2)
        return dict(zip(VARIED, (told[:, 1] - told[:, 0]).mean(0).tolist(), strict=True))

    def apart(self, some: np.ndarray, others: np.ndarray) -> dict[str, float]:
        """Differences of the mean factors of two groups of faces; see `told`."""
        return dict(zip(VARIED, (self.told(some).mean(0) - self.told(others).mean(0)).tolist(), strict=True))

    def told_along(self, attribute: str, starts: np.ndarray, *, steps: int) -> np.ndarray:
        """Factors on walks along an attribute, from −1 to 1: (starts, steps, factors); see `told`."""
        from isthmus.explore import traverse

        walks = [traverse(self.vae, attribute, start=x, reach=1.0, steps=steps) for x in starts]
        return np.stack([self.told(walk) for walk in walks])

    def told(self, X: np.ndarray) -> np.ndarray:
        """Factors of faces, drawn or decoded, in standard deviations of those that were trained on: (n, factors).

        A quadratic regression on the principal components of pixels, which learned from drawn faces, tells them.
        """
        return self._teller.predict(_flat(X))

    def draw(self, n: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Faces, and the factors that they were drawn from."""
        fixed = {name: np.full(n, value) for name, value in FACE_NEUTRAL.items() if name not in VARIED}
        turned = {"pose_x": np.random.default_rng(seed).uniform(-_TURN, _TURN, n)}
        X, factors = faces(n, _SIZE, random_state=seed, factors={**fixed, **turned}, return_factors=True)
        return X, factors

    @cached_property
    def _teller(self) -> Any:
        from sklearn.decomposition import PCA
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures

        values = np.stack([self.factors[name] / self.factors[name].std() for name in VARIED], 1)
        # A mouth moves with the head: what a pixel says of the smile depends on the pose, so products are needed.
        return make_pipeline(PCA(20, whiten=True), PolynomialFeatures(2), Ridge()).fit(_flat(self.faces), values)


def _flat(X: np.ndarray) -> np.ndarray:
    return X.reshape(len(X), -1) / 255
