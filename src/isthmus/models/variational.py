"""What the variational models have in common: the choice of a posterior and of a prior that go together."""

from __future__ import annotations

import copy
from typing import Any

from isthmus.bottlenecks import Bottleneck
from isthmus.errors import ParameterError
from isthmus.models.auto import make_named
from isthmus.priors import Prior


def choose_latents(posterior: str | Bottleneck, prior: str | Prior) -> dict[str, Any]:
    """Bottleneck and prior of a variational model, as a recipe wants them.

    Parameters
    ----------
    posterior : str or Bottleneck
        The family that q(z|x) is from, by name or as a part, which is copied.
    prior : str or Prior
        p(z), by name or as a part, which is copied. "normal" is the usual prior of the posterior, which for one on a
        sphere is uniform there.

    Returns
    -------
    parts : dict
        With ``bottleneck`` and ``prior``.

    Raises
    ------
    ParameterError
        There is no such name, the bottleneck has no distribution, or the two do not go together.
    """
    bottleneck = _posterior(posterior)
    if isinstance(prior, str):
        name = bottleneck.usual_prior if prior == "normal" else prior
        chosen = make_named(Prior, name, "prior")
    else:
        chosen = copy.deepcopy(prior)
    if chosen.support not in ("any", bottleneck.support):
        raise ParameterError(
            f"the codes of a {type(bottleneck).__name__} lie {_WHERE[bottleneck.support]}, and a "
            f"{type(chosen).__name__} has its density {_WHERE[chosen.support]}; use prior={bottleneck.usual_prior!r}"
        )
    if not chosen.has_density:
        raise ParameterError(
            f"a {type(chosen).__name__} has no density, which the divergence from it needs; use prior='normal'"
        )
    return {"bottleneck": bottleneck, "prior": chosen}


_WHERE = {"space": "in all of space", "sphere": "on a sphere"}


def _posterior(wish: str | Bottleneck) -> Bottleneck:
    if isinstance(wish, str):
        return make_named(Bottleneck, wish, "posterior")
    if not wish.stochastic:
        raise ParameterError(
            f"a {type(wish).__name__} has no distribution, which a variational model needs; use 'gaussian'"
        )
    return copy.deepcopy(wish)
