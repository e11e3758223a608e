"""The variational autoencoder that clusters."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

import numpy as np
import torch
from sklearn.base import ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from isthmus.bottlenecks import DiagonalGaussian
from isthmus.core import Composed
from isthmus.corruptions import NoCorruption
from isthmus.errors import DataError
from isthmus.evaluate.clustering import fit_mixture
from isthmus.models.auto import Choice
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.fitting import spread
from isthmus.models.inference import by_batch, moments
from isthmus.models.pretraining import stage_loop
from isthmus.priors import MixturePrior, StandardNormal
from isthmus.terms import KL, NLL
from isthmus.terms.mixture_kl import MixtureKL

if TYPE_CHECKING:
    from isthmus.models.fitting import Fit
    from isthmus.training.checkpoint import Checkpoint
    from isthmus.training.loop import Loop

_MOST_LATENTS, _MOST_ROWS, _MOST_BYTES = 10, 20_000, 256 << 20
# Weight of the divergence before there are clusters: under the whole of it they touch, and are harder to find.
_LOW = 0.1


class MixtureVAE(ClusterMixin, BaseAutoencoder):
    """Clustering variational autoencoder: each cluster is a Gaussian in the code (VaDE; Jiang et al., 2017).

    The prior is a mixture with a component for each cluster, learned with encoder and decoder; what is maximised is the
    bound on log p(x) with the cluster as a second latent variable. From a random start most clusters would stay empty.
    So the same networks are first trained as a variational autoencoder with a tenth of the divergence from N(0, I), and
    the components start at the means of a mixture that is fitted to its codes, all with the same weight and variances.
    After that nothing is held fixed.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code. ``"auto"``: as many as there are values, at most 10.
    n_clusters : int
        How many clusters to look for. Some may end up empty.
    pretraining_epochs : int or "auto"
        Passes over the data before there are clusters. ``"auto"``: as many as with them.
    %(shared)s

    Attributes
    ----------
    labels_ : ndarray of shape (n,)
        Cluster of every row that was given to `fit`, the largest cluster first. A run that was read from a folder does
        not have it; `predict` gives the same.
    cluster_centers_ : ndarray of shape (n_clusters, latent_dim)
        Means of the clusters.
    decoded_centers_ : ndarray of shape ``(n_clusters, *shape of a sample)``
        What they decode to.
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import MixtureVAE
    >>> X = load_digits().images
    >>> mixture = MixtureVAE(8, n_clusters=10, max_epochs=2, random_state=0).fit(X)
    >>> mixture.labels_.shape, mixture.predict_proba(X[:5]).shape, mixture.decoded_centers_.shape
    ((1797,), (5, 10), (10, 8, 8))
    """

    name = "mixture_vae"
    prevents_identity = True
    sampling = "a cluster drawn at random by its weight, and a code from it, then decoded"
    labels_: np.ndarray
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "pretraining_epochs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        n_clusters: int = 10,
        pretraining_epochs: int | Literal["auto"] = "auto",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.n_clusters = n_clusters
        self.pretraining_epochs = pretraining_epochs

    def recipe(self) -> dict[str, Any]:
        prior = MixturePrior(int(self.n_clusters))
        parts = {"bottleneck": DiagonalGaussian(), "prior": prior, "terms": [NLL(), MixtureKL()]}
        # Clusters of a table lie apart along any of its columns, and not only along half of them.
        return {**parts, "latent_dim": lambda info: min(_MOST_LATENTS, info.n_values)}

    def fit(self, X: Any, y: Any = None) -> MixtureVAE:
        super().fit(X)
        labels = self.predict(X)
        order = np.argsort(-np.bincount(labels, minlength=self.n_clusters), kind="stable")
        prior = self._mixture
        with torch.no_grad():
            for parameter in prior.parameters():
                parameter.copy_(parameter[torch.tensor(order)])
        self.labels_ = np.argsort(order)[labels]
        return self

    def train_module(self, fit: Fit, loop: Loop, checkpoint: Checkpoint | None) -> None:
        if len(fit.split.train) < self.n_clusters:
            raise DataError(
                f"n_clusters={self.n_clusters}, and there are {len(fit.split.train):,} samples to learn from; ask for "
                "fewer clusters"
            )
        n_epochs = fit.n_epochs if self.pretraining_epochs == "auto" else int(self.pretraining_epochs)
        reason = "as many as with clusters" if self.pretraining_epochs == "auto" else "as asked"
        self.choices_ |= {"pretraining_epochs": Choice(str(n_epochs), reason)}
        if self.verbose and fit.group.is_writer:
            print(self.describe())
        started = checkpoint is not None and checkpoint.position.step > 0
        if not started:
            if checkpoint is None:
                loop.save()  # the seed, which the first training needs as well
            if n_epochs:
                first, cut_off = stage_loop(fit, self._plain(), fit.X, 0, "before clustering", n_epochs)
                fit.run(first, cut_off)
            self._find_clusters(fit)
        # Before its first step the model has the weights that it was pretrained to, and a checkpoint has none of them.
        fit.run(loop, checkpoint if started else None)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable cluster of every row, of shape (n,)."""
        return self.predict_proba(X).argmax(1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability p(c|z) of every cluster for the code z of every row, of shape (n, n_clusters).

        Each row adds up to 1.
        """
        samples = self._read(X)
        engine, prior = self._engine, self._mixture.forward()
        return by_batch(engine, samples, lambda x: prior.log_joint(engine.code(x)).softmax(-1))

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Means of the clusters."""
        check_is_fitted(self)
        return self._mixture.means.detach().cpu().numpy().copy()

    @property
    def decoded_centers_(self) -> np.ndarray:
        """What the means of the clusters decode to."""
        return self.inverse_transform(self.cluster_centers_)

    @property
    def _mixture(self) -> MixturePrior:
        prior = self.module_.prior
        assert isinstance(prior, MixturePrior)
        return prior

    def _plain(self) -> Composed:
        """The same networks as a plain variational autoencoder, whose prior hardly draws its codes together."""
        whole = self.module_
        prior, width = StandardNormal(), self.latent_dim_
        prior.setup(width)
        return Composed(
            scaling=whole.scaling,
            corruption=NoCorruption(),
            network=whole.network,
            bottleneck=whole.bottleneck,
            likelihood=whole.likelihood,
            prior=prior,
            terms=[NLL(), KL(_LOW)],
        )

    def _find_clusters(self, fit: Fit) -> None:
        """Set the mixture to one that is fitted to the codes."""
        most = max(self.n_clusters, min(_MOST_ROWS, _MOST_BYTES // fit.X[:1].nbytes))
        found = moments(self._engine, fit.X[spread(fit.split.train, most)])
        codes, spreads = found.mean.astype(np.float64), found.std.astype(np.float64)
        with warnings.catch_warnings():
            # Codes that are few or the same: then the clusters are a start as good as any.
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, shares = fit_mixture(codes, self.n_clusters, fit.seed)
        means = shares.T @ codes / np.maximum(shares.sum(0), 1e-9)[:, None]
        # Components that start alike but for their means leave every code to the nearest. Wide ones would draw in the
        # codes of others, as would any if all were narrower than the posteriors are.
        variance = (codes**2 - shares @ means**2 + spreads**2).mean(0)
        weights = np.full(self.n_clusters, 1 / self.n_clusters)
        stds = np.sqrt(np.maximum(np.tile(variance, (self.n_clusters, 1)), 1e-12))
        self._mixture.set_parameters(*map(torch.from_numpy, (weights, means, stds)))
