"""What models with a quantised code have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from isthmus.bottlenecks import Quantised
from isthmus.bottlenecks.quantised import WIDEST
from isthmus.data.info import DataInfo
from isthmus.data.streams import AnyRows
from isthmus.errors import DataError
from isthmus.evaluate.codebooks import bound_rows, usage
from isthmus.models.auto import Choice, grid, suits_convolutions
from isthmus.models.base import BaseAutoencoder
from isthmus.models.inference import by_batch, decode_rows
from isthmus.models.inputs import restore_shape
from isthmus.networks import Conv

_MOST_TOKENS = 8


class Discrete(BaseAutoencoder):
    """Base of the models whose code is made of tokens. Registers no model of its own."""

    prevents_identity = True
    usual_width: ClassVar[int] = WIDEST
    """Values of a token, where neither they nor the width of the code are given."""
    sampling = "tokens drawn one after the other from a small transformer that was fitted to them, then decoded"

    def wish(self, name: str, info: DataInfo) -> Any:
        value = super().wish(name, info)
        if name == "network" and isinstance(value, str):
            fits = self.latent_dim == "auto" and suits_convolutions(info)
            if value == "conv_grid" or (value == "auto" and fits):
                return grid(info, self._given_width() or self.usual_width)
        if name == "latent_dim" and isinstance(value, str):
            width = self._given_width() or self.usual_width
            return width * max(1, min(_MOST_TOKENS, info.n_values // width))
        return value

    @abstractmethod
    def _token_width(self) -> int | None:
        """Values of a token, if the user said so."""

    def _given_width(self) -> int | None:
        """Values of a token, if they follow from the parameters: from those of the network too."""
        network = self.network
        of_grid = network.code_channels if isinstance(network, Conv) and network.width is None else None
        return self._token_width() or of_grid

    def own_choices(self, info: DataInfo, latent_dim: int) -> dict[str, Choice]:
        code = self._quantiser
        n, width = code.n_tokens_, code.token_dim_
        chosen = {"tokens": Choice(f"{n} of {width} values", f"latent_dim = {n} tokens x {width} values")}
        books = f"{code.depth} x {code.n_codes:,}" if code.depth > 1 else f"{code.n_codes:,}"
        bits = n * code.depth * np.log2(code.n_codes)
        chosen["codes"] = Choice(books, f"for each token: {bits:.0f} bits for a sample at most")
        return chosen

    @property
    def _quantiser(self) -> Quantised:
        return cast(Quantised, self.module_.bottleneck)

    def tokens(self, X: Any) -> np.ndarray:
        """Tokens of every row: numbers of the codes that are nearest to what the encoder makes of it.

        Returns
        -------
        T : ndarray of int64, shape (n, n_tokens), or (n, n_tokens, depth) if there are several codebooks
        """
        return self._tokens(self._read(X))

    def from_tokens(self, T: Any) -> np.ndarray:
        """Decode tokens, as `tokens` gives them: the mean of p(x|z), in the shape and units of the data.

        Raises
        ------
        DataError
            They have another shape, or are no numbers of codes.
        """
        check_is_fitted(self)
        quantiser = self._quantiser
        shape = (quantiser.n_tokens_,) if quantiser.depth == 1 else (quantiser.n_tokens_, quantiser.depth)
        T = np.asarray(T)
        if T.shape[1:] != shape or T.ndim < 2 or T.dtype.kind not in "iu":
            raise DataError(
                f"tokens must be whole numbers of shape (n, {', '.join(map(str, shape))}), and these are {T.dtype} of "
                f"shape {T.shape}"
            )
        if len(T) == 0 or T.min() < 0 or T.max() >= quantiser.n_codes:
            seen = f"from {T.min()} to {T.max()}" if len(T) else "none"
            raise DataError(f"tokens must be numbers from 0 to {quantiser.n_codes - 1}, and these are {seen}")
        numbers = torch.from_numpy(T.astype(np.int64)).reshape(len(T), quantiser.n_tokens_, quantiser.depth)
        device = self.module_.scaling.shift.device
        codes = by_batch(self._engine, numbers.numpy(), lambda t: quantiser.vectors(t.to(device)))
        return restore_shape(self, decode_rows(self._engine, codes))

    def score_samples(self, X: Any) -> np.ndarray:
        """Lower bound on log p(x) of every row, in nats, in the data's own units: log p(x|z) + log P(z).

        z is the code of the row, and P(z) the probability of its tokens under the fitted prior.

        Returns
        -------
        scores : ndarray of shape (n,), float32
        """
        return bound_rows(self._engine, self._read(X, supported=True))

    def own_metrics(self, samples: AnyRows) -> dict[str, float]:
        module = self._engine
        bound = float(bound_rows(module, samples).mean(dtype=np.float64))
        kept = by_batch(module, samples, lambda x: module.log_prob(x, module.code(x)))
        used, perplexity = usage(self._tokens(samples), self._quantiser.n_codes)
        return {
            "bits_per_dim": float(-bound / (self.info_.n_values * np.log(2))),
            "discrete_bound": bound,
            "rate": float(kept.mean(dtype=np.float64)) - bound,
            "codebook_usage": float(used.mean()),
            "perplexity": float(perplexity.mean()),
        }

    def _tokens(self, samples: AnyRows) -> np.ndarray:
        engine, quantiser = self._engine, self._quantiser
        found = by_batch(engine, samples, lambda x: quantiser(engine.features(x)).aux["tokens"])
        return found[..., 0] if quantiser.depth == 1 else found
