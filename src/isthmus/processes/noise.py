"""Random numbers of a batch that is shared by several processes.

Every process draws those of the whole batch and takes its rows. So their generators stay equal, the noise of a sample
does not depend on how many processes there are, and corruptions, bottlenecks and terms need not know of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from isthmus.processes.share import Current, Share, whole_batch, world_sum

Handler = Callable[[Share, Callable[..., Any], tuple, dict[str, Any]], Any]


@contextmanager
def shared_batch(share: Share | None) -> Iterator[None]:
    """Let parts of a model see a batch, of which this process has a share, as the whole that it is."""
    if share is None:
        yield
        return
    Current.share = share
    try:
        with _WholeBatch(share):
            yield
    finally:
        Current.share = None


class _WholeBatch(TorchFunctionMode):
    """Turns every random function of a share into the same function of the whole batch."""

    def __init__(self, share: Share) -> None:
        super().__init__()
        self.share = share

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        handler = _HANDLERS.get(func)
        if handler is None:
            return func(*args, **(kwargs or {}))
        return handler(self.share, func, args, kwargs or {})


def _of_tensors(share: Share, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """The function of tensors to which the missing rows are added; these do not matter, and are 1."""
    axes = [share.axis(x.shape) for x in args if isinstance(x, Tensor)]
    if not axes:
        return _of_size(share, func, args, kwargs)
    if axes[0] is None:
        return func(*args, **kwargs)
    return share.take(func(*(_whole(share, x) for x in args), **kwargs), axes[0])


def _of_rows(share: Share, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """The same where a sample may have several rows."""
    n, more = divmod(len(args[0]), share.count)
    return func(*args, **kwargs) if more else _of_tensors(share.times(n), func, args, kwargs)


def _in_place(share: Share, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    x = args[0]
    axis = share.axis(x.shape)
    if axis is None:
        return func(*args, **kwargs)
    whole = [_whole(share, value) for value in args]
    func(*whole, **kwargs)
    return x.copy_(share.take(whole[0], axis))


def _of_size(share: Share, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """Functions of a size: (size), (*size), or (..., size)."""
    at = next((i for i, value in enumerate(args) if isinstance(value, tuple | list)), None)
    size = kwargs.get("size", args if at is None else args[at])
    axis = share.axis(tuple(size))
    if axis is None:
        return func(*args, **kwargs)
    wide = share.widen(tuple(size), axis)
    if "size" in kwargs:
        return share.take(func(*args, **{**kwargs, "size": wide}), axis)
    rest = (wide,) if at is None else (*args[:at], wide, *args[at + 1 :])
    return share.take(func(*rest, **kwargs), axis)


def _of_gathered(share: Share, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """Functions that draw more or fewer numbers as their arguments are: of the arguments of all processes."""
    axis = share.axis(args[0].shape)
    if axis is None:
        return func(*args, **kwargs)
    whole = (whole_batch(x.movedim(axis, 0)).movedim(0, axis) if isinstance(x, Tensor) else x for x in args)
    return share.take(func(*whole, **kwargs), axis)


def _permutation(share: Share, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """Rows can only change places within a share; the order is that which they have among all."""
    if args[0] != share.count:
        return func(*args, **kwargs)
    order = func(share.total, *args[1:], **kwargs)
    return order[(order >= share.start) & (order < share.stop)] - share.start


_BATCH_NORM = inspect.signature(F.batch_norm)


def _batch_norm(share: Share, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """Batch normalisation (Ioffe & Szegedy, 2015) with the statistics of the whole batch."""
    call = _BATCH_NORM.bind(*args, **kwargs)
    call.apply_defaults()
    given = call.arguments
    if not given["training"]:
        return func(*args, **kwargs)
    x: Tensor = given["input"]
    wide = x.float()
    others = [i for i in range(x.ndim) if i != 1]
    n = x.numel() // x.shape[1] * share.total // share.count
    shape = [1, -1, *[1] * (x.ndim - 2)]
    mean = world_sum(wide.sum(others)) / n
    centred = wide - mean.view(shape)
    variance = world_sum(centred.square().sum(others)) / n
    if given["running_mean"] is not None:
        with torch.no_grad():
            given["running_mean"].lerp_(mean, given["momentum"])
            given["running_var"].lerp_(variance * (n / max(n - 1, 1)), given["momentum"])
    y = centred * (variance + given["eps"]).rsqrt().view(shape)
    if given["weight"] is not None:
        y = y * given["weight"].view(shape) + given["bias"].view(shape)
    return y.to(x.dtype)


def _whole(share: Share, value: Any) -> Any:
    axis = share.axis(value.shape) if isinstance(value, Tensor) else None
    return value if axis is None else share.embed(value, axis, 1)


_LISTED: dict[Handler, list[Any]] = {
    _of_tensors: [
        *(torch.rand_like, torch.randn_like, torch.randint_like, torch.normal, torch.bernoulli, Tensor.bernoulli),
        *(torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.rrelu),
        *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout),
        *(F.rrelu, F.gumbel_softmax),
    ],
    _of_rows: [torch.multinomial, Tensor.multinomial],
    _of_size: [torch.rand, torch.randn, torch.randint],
    _of_gathered: [
        torch.poisson,
        torch.binomial,
        *(getattr(torch, f"_{name}") for name in ("standard_gamma", "sample_dirichlet")),
    ],
    _permutation: [torch.randperm],
    _in_place: [
        getattr(Tensor, f"{name}_")
        for name in ("normal", "uniform", "bernoulli", "random", "exponential", "log_normal", "cauchy", "geometric")
    ],
    _batch_norm: [F.batch_norm],
}
_HANDLERS: dict[Any, Handler] = {func: handler for handler, functions in _LISTED.items() for func in functions}
