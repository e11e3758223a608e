"""What is searched if nothing else is asked for."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from isthmus.bottlenecks import Quantised
from isthmus.models.auto import choose_network
from isthmus.networks import MLP, Conv, Ladder, Network, UNet
from isthmus.sweep.space import Choices, Dimension, Range
from isthmus.training import Trainer

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.models.base import BaseAutoencoder
    from isthmus.sweep.metric import Metric

_WIDEST_CODE = 64
_WIDEST_LAYER = 1024
_FEWEST_BATCHES = 4


def default_space(
    estimator: BaseAutoencoder, info: DataInfo, metric: Metric, fixed: Collection[str] = ()
) -> dict[str, Dimension]:
    """What makes sense to search for a model on data: what the user has not set, and the metric can decide about.

    A bound on log p(x) pays for the width of the code and cannot be fooled by the weights of the training loss. Other
    metrics can: the best reconstruction has the widest code and no price on anything. Under those, width and prices
    are left to the user.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Parameters that differ from their defaults are not searched.
    info : DataInfo
        Of the data.
    metric : Metric
        What is compared.
    fixed : collection of str
        Names that are not to be searched either.
    """
    from isthmus.models.linear import LinearAutoencoder

    found: dict[str, Dimension] = {}
    if metric.pays_for_width:
        found |= _width(estimator, info)
        found |= _prices(estimator)
    if not (isinstance(estimator, LinearAutoencoder) and estimator.solver == "svd"):
        found |= _optimisation(info)
    found |= _layers(resolve_network(estimator, info))
    return {name: dimension for name, dimension in found.items() if name not in fixed and not _is_set(estimator, name)}


def _prices(estimator: BaseAutoencoder) -> dict[str, Dimension]:
    """Prices of the code.

    The bound is highest near the usual weight, and above it where there are few rows. A warm-up never raised it, so it
    is not searched. Many codes reconstruct better, and their distribution is harder to learn.
    """
    known, found = estimator.get_params(deep=False), {}
    if "beta" in known:
        usual = type(estimator)().get_params(deep=False)["beta"]
        found["beta"] = Range(0.5 * usual, 4.0 * usual, log=True)
    if "n_codes" in known:
        found["n_codes"] = Range(8, 256, log=True, whole=True)
    return found


def resolve_network(estimator: BaseAutoencoder, info: DataInfo) -> Network:
    """The network that a name, or "auto", comes to on these data."""
    return choose_network(estimator.wish("network", info), info)[0]


def _is_set(estimator: BaseAutoencoder, name: str) -> bool:
    """Whether a parameter, or the part that it belongs to, is not what it is by default."""
    head, _, tail = name.partition(".")
    if head == "trainer":
        trainer = estimator.trainer or Trainer()
        return getattr(trainer, tail) != getattr(Trainer(), tail)
    return getattr(estimator, head) != getattr(type(estimator)(), head)


def _width(estimator: BaseAutoencoder, info: DataInfo) -> dict[str, Dimension]:
    """Widths of the code, unless the network has its own; a deterministic one as wide as the data would copy them."""
    # A width that the tokens do not divide is none.
    if isinstance(estimator.recipe()["bottleneck"], Quantised):
        return {}
    if resolve_network(estimator, info).code_width(info.shape) is not None:
        return {}
    most = min(_WIDEST_CODE, info.n_values if estimator.prevents_identity else info.n_values - 1, info.n_samples // 2)
    least = 2 if most >= 4 else 1
    return {"latent_dim": Range(least, most, log=True, whole=True)} if least < most else {}


def _optimisation(info: DataInfo) -> dict[str, Dimension]:
    sizes = tuple(size for size in (16, 32, 64, 128, 256) if size * _FEWEST_BATCHES <= info.n_samples)
    batches: dict[str, Dimension] = {"trainer.batch_size": Choices(sizes)} if len(sizes) > 1 else {}
    return {"trainer.learning_rate": Range(3e-4, 3e-2, log=True), **batches}


def _layers(network: Network) -> dict[str, Dimension]:
    """Half and twice the widths; for fully connected layers also one less and one more of them."""
    if isinstance(network, MLP) and network.hidden:
        hidden = tuple(network.hidden)
        shapes = [_scaled(hidden, 0.5), hidden, _scaled(hidden, 2), hidden[:-1], (*hidden, hidden[-1])]
        return {"network.hidden": Choices(tuple(sorted({shape for shape in shapes if shape}, key=_by_depth)))}
    if isinstance(network, Ladder):
        return {"network.width": Choices(tuple(_scaled((network.width,), factor)[0] for factor in (0.5, 1, 2)))}
    if isinstance(network, Conv | UNet):
        channels = tuple(network.channels)
        return {"network.channels": Choices(tuple(_scaled(channels, factor) for factor in (0.5, 1, 2)))}
    return {}


def _scaled(widths: tuple[int, ...], factor: float) -> tuple[int, ...]:
    return tuple(max(1, min(round(width * factor), max(width, _WIDEST_LAYER))) for width in widths)


def _by_depth(shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(shape), shape
