"""The sparse autoencoder."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack, cast

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from isthmus.bottlenecks import BatchTopK, Gated, JumpReLU, Rectified, Sparse, TopK
from isthmus.bottlenecks.sparse import count_active
from isthmus.data.info import DataInfo
from isthmus.data.streams import AnyRows
from isthmus.errors import ParameterError
from isthmus.evaluate.sparsity import code_sparsity
from isthmus.likelihoods import GaussianLikelihood
from isthmus.models.auto import Choice
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.networks.base import Unflatten
from isthmus.networks.unit_norm import UnitNormLinear
from isthmus.priors import FittedSpike
from isthmus.terms import L0, L1, NLL, DeadLatents, FiringRate, GateNLL, NestedNLL, Term

Sparsity = Literal["l1", "kl", "topk", "batch_topk", "jumprelu", "gated", "matryoshka"]
_PENALTIES = {"l1": 5.0, "kl": 10.0, "jumprelu": 3.0, "gated": 10.0}
_COUNTED = ("topk", "batch_topk", "matryoshka", "kl")
_WIDEST = 4096
_RESOLUTION = 0.3


class SparseAutoencoder(BaseAutoencoder):
    """Sparse autoencoder: a code that is wider than the data, of which each sample uses only a few latents.

    Every latent has an atom, a direction of unit norm in the data (or in the first layer of a deeper decoder), and a
    sample is a sum of a few atoms. The atoms are a dictionary of the parts that the data are made of (Olshausen &
    Field, 1996). What has to be sparse is the code: sparse weights do not do it, since the identity matrix is as sparse
    as weights get and copies everything.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code. "auto": four times the number of values, at most 4,096 or the number of samples.
    sparsity : {"topk", "batch_topk", "matryoshka", "jumprelu", "gated", "l1", "kl"}
        What makes the code sparse:

        * ``"topk"``: the k largest features of every sample (Gao et al., 2024).
        * ``"batch_topk"``: the k · B largest of a batch of B, so that samples share their budget; in use, all above a
          learned threshold (Bussmann et al., 2024).
        * ``"matryoshka"``: the same, and nested prefixes of the dictionary have to reconstruct by themselves, so that
          the first latents are the general ones (Bussmann et al., 2025).
        * ``"jumprelu"``: features above a learned threshold; the number of them is paid for (Rajamanoharan et al.,
          2024b).
        * ``"gated"``: one path says which latents are active, another how much (Rajamanoharan et al., 2024a).
        * ``"l1"``: rectified features; their sum is paid for (Olshausen & Field, 1996).
        * ``"kl"``: rectified features; the divergence of their firing rates from a target is paid for (Ng, 2011).
    n_active : int or "auto"
        Active latents per sample, k: exactly or on average for "topk", "batch_topk" and "matryoshka"; for "kl" the
        target, n_active / latent_dim, of the firing rates. The others have no use for it. "auto": half the square root
        of latent_dim.
    penalty : float or "auto"
        Weight of that cost, in nats: per active latent for "jumprelu", per unit of the sum of the features ("l1") or
        gates ("gated") in the network's units, per nat of divergence for "kl". The others have no use for it. "auto":
        3 for "jumprelu", 5 for "l1", 10 for "gated" and "kl".
    %(shared)s

    Attributes
    ----------
    dictionary_ : ndarray of shape (latent_dim, shape of a sample)
        The atoms.
    %(fitted)s

    Notes
    -----
    ``network="auto"`` is "linear". With a penalty, ``likelihood="auto"`` is a Gaussian whose scale is fixed, to 0.3 of
    the spread of the data. A learned scale would change the rate of exchange between error and sparsity while it is
    learned; and as a code that is wider than the data can copy them, it would learn to be nothing, at any penalty.

    Latents that fall silent but still answer to some sample, below the threshold or behind the k largest, are revived
    (`isthmus.terms.DeadLatents`). "kl" pays for silence itself. With "l1", and nearly always with "gated", a silent
    latent answers to nothing and stays dead, so choose a smaller penalty if many do.

    `sample` draws each latent for itself, off or log-normal; whatever latents have to do with each other is lost.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import SparseAutoencoder
    >>> X = load_digits().images
    >>> sae = SparseAutoencoder(n_active=6, max_epochs=2, random_state=0).fit(X)
    >>> Z = sae.transform(X)
    >>> Z.shape, int((Z > 0).sum(1).max()), sae.dictionary_.shape
    ((1797, 256), 6, (256, 8, 8))
    """

    name = "sparse"
    prevents_identity = True
    report_sections = ("sparse:sparsity", "sparse:dictionary")
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "sparsity": [StrOptions({"l1", "kl", "topk", "batch_topk", "jumprelu", "gated", "matryoshka"})],
        "n_active": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "penalty": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        sparsity: Sparsity = "topk",
        n_active: int | Literal["auto"] = "auto",
        penalty: float | Literal["auto"] = "auto",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.sparsity = sparsity
        self.n_active = n_active
        self.penalty = penalty

    def recipe(self) -> dict[str, Any]:
        bottleneck, costs = self._kind()
        n_active = self.n_active if self.sparsity in _COUNTED else "auto"
        # A rectified feature that is silent answers to no sample, so there is nothing to learn from.
        care = [] if isinstance(bottleneck, Rectified) else [DeadLatents(n_active=n_active)]
        likelihood = {"likelihood": _fixed_scale} if self.sparsity in _PENALTIES else {}
        return {
            "bottleneck": bottleneck,
            "prior": FittedSpike(),
            "terms": [NLL(), *costs, *care],
            "network": "linear",
            "latent_dim": _wide,
            **likelihood,
        }

    def _kind(self) -> tuple[Sparse, list[Term]]:
        k, penalty = self.n_active, self._penalty()
        kinds: dict[str, tuple[Sparse, list[Term]]] = {
            "topk": (TopK(k), []),
            "batch_topk": (BatchTopK(k), []),
            "matryoshka": (BatchTopK(k), [NestedNLL()]),
            "jumprelu": (JumpReLU(), [L0(penalty)]),
            "gated": (Gated(), [GateNLL(), L1(penalty)]),
            "l1": (Rectified(), [L1(penalty)]),
            "kl": (Rectified(), [FiringRate(k, penalty)]),
        }
        return kinds[self.sparsity]

    def _penalty(self) -> float:
        return _PENALTIES.get(self.sparsity, 0.0) if isinstance(self.penalty, str) else self.penalty

    def own_choices(self, info: DataInfo, latent_dim: int) -> dict[str, Choice]:
        chosen = {}
        if self.latent_dim == "auto":
            reason = f"4 times the {info.n_values:,} values, at most {_WIDEST:,} or the number of samples"
            chosen["latent_dim"] = Choice(str(latent_dim), reason)
        if self.sparsity in _COUNTED:
            reason = "half the square root of latent_dim" if self.n_active == "auto" else "as asked"
            chosen["n_active"] = Choice(str(count_active(self.n_active, latent_dim)), reason)
        if self.sparsity in _PENALTIES:
            reason = f"what suits sparsity={self.sparsity!r}" if self.penalty == "auto" else "as asked"
            chosen["penalty"] = Choice(f"{self._penalty():g} nats", reason)
        return chosen

    @property
    def dictionary_(self) -> np.ndarray:
        """Atoms, of shape ``(latent_dim, *shape of a sample)``: what a code of 1 in one latent adds to a sample.

        In the data's own units where the likelihood is Gaussian or Laplace; in those of the decoder's output, such as
        log-odds, where it is another.

        Raises
        ------
        ParameterError
            The decoder is not linear, so that no latent adds the same to every sample.
        """
        check_is_fitted(self)
        decoder, likelihood = self.module_.network.decoder, self.module_.likelihood
        if len(decoder) != 2 or not isinstance(decoder[1], Unflatten) or likelihood.n_outputs != 1:
            raise ParameterError(
                f"the decoder ({self.module_.network!r} with {likelihood!r}) is not linear, so it has no dictionary; "
                "use network='linear' and a likelihood with one parameter per value, or decode single latents"
            )
        atoms = cast(UnitNormLinear, decoder[0]).atoms.detach().double().reshape(-1, *self.info_.shape)
        return (atoms * getattr(likelihood, "unit_", 1.0)).cpu().numpy()

    def own_metrics(self, samples: AnyRows) -> dict[str, float]:
        return code_sparsity(self.module_, samples)


def _wide(info: DataInfo) -> int:
    return max(1, min(4 * info.n_values, _WIDEST, info.n_samples))


def _fixed_scale(info: DataInfo) -> str | GaussianLikelihood:
    # The likelihoods of classes are bounded: no code makes data infinitely likely.
    return "auto" if info.one_hot or info.is_binary else GaussianLikelihood(_RESOLUTION, relative=True)
