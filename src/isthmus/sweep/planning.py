"""From what a user asks for to a plan, or to a complaint before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

from sklearn.base import clone
from sklearn.utils import check_random_state

from isthmus.data.info import DataInfo, describe_data
from isthmus.data.samples import Samples
from isthmus.data.streams import AnyRows
from isthmus.errors import DataError, IsthmusWarning, ParameterError
from isthmus.models.base import BaseAutoencoder
from isthmus.models.fitting import split_rows
from isthmus.models.inputs import read_samples
from isthmus.sweep.defaults import default_space, resolve_network
from isthmus.sweep.held_out import few_of
from isthmus.sweep.metric import Metric, check_comparable, choose_metric, driven_to_an_end
from isthmus.sweep.names import check_space
from isthmus.sweep.plan import Plan
from isthmus.sweep.space import Dimension, read_space
from isthmus.training import Trainer

if TYPE_CHECKING:
    from isthmus.training.loop import Split


def make_plan(
    estimator: BaseAutoencoder,
    samples: Samples,
    *,
    target: Samples | None = None,
    space: Sequence[str] | Mapping[str, Any] = (),
    use_defaults: bool = True,
    metric: str = "auto",
    fixed: Collection[str] = (),
) -> Plan:
    """Settle what is searched, and how trials are compared.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With the parameters that are the same in every trial.
    samples, target : Samples
        The data.
    space : sequence of str, or mapping
        As for `read_space`; it replaces and extends the default.
    use_defaults : bool
        Whether what the user did not mention is searched as well.
    metric : str
        As for `choose_metric`.
    fixed : collection of str
        What is not searched unless it is in ``space``.

    Raises
    ------
    ParameterError, DataError
        Something does not fit; nothing has been trained.
    """
    base = _base(estimator)
    rows = read_samples(clone(base), samples, fitting=True)
    split = _split(base, rows)
    info = describe_data(rows)
    chosen = choose_metric(metric, base, info)
    asked = read_space(space)
    found = default_space(base, info, chosen, [*fixed, *asked]) if use_defaults else {}
    searched = _checked(base, found, asked, info)
    check_comparable(chosen, base, searched)
    _warn_of_ends(chosen, searched)
    return Plan(base, samples, target, split, few_of(rows, split.validation), searched, chosen)


def _base(estimator: BaseAutoencoder) -> BaseAutoencoder:
    """A copy that says nothing, with a seed, and whose trials do not get into each other's way."""
    if not isinstance(estimator, BaseAutoencoder):
        raise ParameterError(f"a search needs an unfitted model such as VAE(), and not {estimator!r}")
    seed = 0 if estimator.random_state is None else estimator.random_state
    if not isinstance(seed, Integral):
        raise ParameterError("a search needs an int as random_state: every trial starts from it, and can be repeated")
    base = cast(BaseAutoencoder, clone(estimator)).set_params(verbose=False, random_state=int(seed))
    trainer = base.trainer or Trainer()
    if base.trainer is not None:
        trainer.set_params(checkpoint=None, resume=False)
    base.check_parameters()
    if trainer.devices not in ("auto", 1) or trainer.num_nodes > 1:
        raise ParameterError(
            f"a search trains each model in one process, and devices={trainer.devices}, num_nodes={trainer.num_nodes} "
            "ask for several; leave them out, and start several workers instead (--jobs, or the same search again)"
        )
    return base


def _split(base: BaseAutoencoder, rows: AnyRows) -> Split:
    """As `fit` will split the rows, which takes the seed from the generator in the same way."""
    fraction = (base.trainer or Trainer()).validation_fraction
    split = split_rows(rows, fraction, check_random_state(base.random_state).randint(2**31 - 1))
    if not len(split.validation):
        raise DataError(
            f"trials are compared on held-out rows, and of these {len(rows)} rows none are held out; give at least 20, "
            "and leave validation_fraction above 0"
        )
    return split


def _checked(
    base: BaseAutoencoder, found: dict[str, Dimension], asked: dict[str, Dimension], info: DataInfo
) -> dict[str, Dimension]:
    """What is searched; where it is about the layers of a network, the estimator is given that network."""
    if "network" in asked:
        found = {name: dimension for name, dimension in found.items() if not name.startswith("network.")}
    space = found | asked
    if not space:
        raise ParameterError(
            f"there is nothing to search: all that {base.name} would search by default is set; name something with "
            "space, such as trainer.learning_rate=1e-4..1e-2:log"
        )
    if isinstance(base.network, str) and any(name.startswith("network.") for name in space):
        base.set_params(network=resolve_network(base, info))
    return check_space(base, space)


def _warn_of_ends(metric: Metric, space: Mapping[str, Dimension]) -> None:
    names = driven_to_an_end(metric, space)
    if names:
        warnings.warn(
            f"nothing in {metric.name} speaks against a wider code or a lower price, so the search will drive "
            f"{', '.join(names)} to an end of its range; compare by what the code is for, or set it yourself",
            IsthmusWarning,
            stacklevel=4,
        )
