"""The log-probability of every single value."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, Independent

from isthmus.errors import ParameterError
from isthmus.likelihoods.rescaled import Rescaled


def log_prob_per_value(p: Distribution, x: Tensor) -> Tensor:
    """Log p of each value of x in nats, of the shape of x; their sum over a sample is ``p.log_prob(x)``.

    Raises
    ------
    ParameterError
        The values are not independent given the code, as in one-hot rows.
    """
    if isinstance(p, Rescaled):
        u = p.standardize(x)
        return log_prob_per_value(p.base, u) - p.scale.log().float().expand_as(u)
    if isinstance(p, Independent):
        return p.base_dist.log_prob(x)
    raise ParameterError("values of rows in one-hot coding are not independent, so they cannot be told one by one")
