"""How like the originals reconstructed pictures are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from isthmus.errors import DataError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_WINDOW, _WIDTH = 11, 1.5
_K1, _K2 = 0.01, 0.03
_MOST_VALUES = 1 << 21


def psnr(mse: float, info: DataInfo) -> float:
    """Peak signal-to-noise ratio in decibels: the range of the data over the root mean squared error."""
    low, high = info.display_range
    return float(10 * np.log10(max(high - low, 1e-12) ** 2 / max(mse, 1e-12)))


def ssim(first: np.ndarray, second: np.ndarray, data_range: float) -> np.ndarray:
    """Structural similarity of pictures, 1 for equal ones (Wang et al., 2004, eq. 13).

    Protocol. Means, variances and the covariance are taken under a Gaussian window of 11 × 11 pixels with standard
    deviation 1.5, at every place where the window fits in the picture; K₁ = 0.01 and K₂ = 0.03. The index is the mean
    over places, then over colours. Where the picture is smaller than the window, the largest odd window that fits is
    used. Colours are compared one by one.

    Parameters
    ----------
    first, second : ndarray of shape (n, H, W) or (n, H, W, C)
        Pictures, pair by pair.
    data_range : float
        Difference between the brightest and the darkest value that there can be, L in the paper.

    Returns
    -------
    ndarray of shape (n,), float64

    Raises
    ------
    DataError
        The pictures are not of one shape, or the range is not positive.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().images
    >>> ssim(X[:2], X[:2], 16.0)
    array([1., 1.])
    """
    if first.shape != second.shape or first.ndim not in (3, 4):
        raise DataError(
            f"pictures of one shape (n, H, W) or (n, H, W, C) are compared, not {first.shape} and {second.shape}"
        )
    if not data_range > 0:
        raise DataError(f"data_range must be positive, got {data_range}")
    size = max(1, _MOST_VALUES // max(1, first[0].size))
    parts = [slice(start, start + size) for start in range(0, len(first), size)]
    found = [_ssim(_planes(first[part]), _planes(second[part]), data_range) for part in parts]
    return np.concatenate([np.zeros(0), *found])


def _planes(pictures: np.ndarray) -> Tensor:
    """(n, C, H, W) in float64."""
    planes = torch.tensor(np.asarray(pictures, dtype=np.float64))
    return planes.unsqueeze(1) if planes.ndim == 3 else planes.movedim(-1, 1)


def _ssim(x: Tensor, y: Tensor, data_range: float) -> np.ndarray:
    n_colours = x.shape[1]
    height, width = (_window(side) for side in x.shape[2:])
    stack = torch.cat([x, y, x * x, y * y, x * y], 1).flatten(0, 1).unsqueeze(1)
    smooth = conv2d(conv2d(stack, height[:, None][None, None]), width[None][None, None])
    mean_x, mean_y, xx, yy, xy = smooth.unflatten(0, (len(x), 5 * n_colours)).squeeze(2).chunk(5, 1)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * (xy - mean_x * mean_y) + c2) / (xx - mean_x**2 + yy - mean_y**2 + c2)
    return (luminance * structure).flatten(1).mean(1).numpy()


def _window(side: int) -> Tensor:
    """Weights of a Gaussian window that fits in this many pixels."""
    radius = min(_WINDOW, side - 1 + side % 2) // 2
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / _WIDTH) ** 2)
    return weights / weights.sum()
