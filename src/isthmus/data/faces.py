"""Generated portraits whose factors (smile, pose, light, ...) are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from isthmus.data._drawing import check_count, check_size, draw_in_chunks, resolve_factors
from isthmus.data._portrait import render
from isthmus.errors import ParameterError

FACE_RANGES: dict[str, tuple[float, float]] = {
    "smile": (-1.0, 1.0),
    "pose_x": (-1.0, 1.0),
    "pose_y": (-1.0, 1.0),
    "eye_openness": (0.0, 1.0),
    "brow": (-1.0, 1.0),
    "face_width": (-1.0, 1.0),
    "hair": (0.0, 1.0),
    "hair_tone": (0.0, 1.0),
    "skin_tone": (0.0, 1.0),
    "light": (-1.0, 1.0),
}
"""Lowest and highest value of each factor of `faces`."""

FACE_NEUTRAL: dict[str, float] = {
    "smile": 0.0,
    "pose_x": 0.0,
    "pose_y": 0.0,
    "eye_openness": 0.8,
    "brow": 0.0,
    "face_width": 0.0,
    "hair": 0.5,
    "hair_tone": 0.3,
    "skin_tone": 0.25,
    "light": 0.0,
}
"""Value of each factor of `faces` for a calm face that looks straight ahead in even light."""

_Pictures = npt.NDArray[np.uint8]
_Factors = dict[str, np.ndarray]


@overload
def faces(
    n_samples: int = ...,
    size: int | tuple[int, int] = ...,
    *,
    channels: Literal[1, 3] = ...,
    random_state: Any = ...,
    factors: Mapping[str, npt.ArrayLike] | None = ...,
    neutral: bool = ...,
    return_factors: Literal[False] = ...,
) -> _Pictures: ...
@overload
def faces(
    n_samples: int = ...,
    size: int | tuple[int, int] = ...,
    *,
    channels: Literal[1, 3] = ...,
    random_state: Any = ...,
    factors: Mapping[str, npt.ArrayLike] | None = ...,
    neutral: bool = ...,
    return_factors: Literal[True],
) -> tuple[_Pictures, _Factors]: ...
def faces(
    n_samples: int = 2000,
    size: int | tuple[int, int] = 64,
    *,
    channels: Literal[1, 3] = 1,
    random_state: Any = None,
    factors: Mapping[str, npt.ArrayLike] | None = None,
    neutral: bool = False,
    return_factors: bool = False,
) -> _Pictures | tuple[_Pictures, _Factors]:
    """Drawn portraits whose generating factors are known.

    The head is an ellipsoid that turns, nods and is lit from one side; its features move over it
    as over a real head. The picture varies smoothly with every factor, and the factors are
    independent and uniform on their range:

    ================ ======= ==================================================
    ``smile``        -1 to 1 frown, calm, broad smile that shows the teeth
    ``pose_x``       -1 to 1 looks to the picture's left, ahead, to its right
    ``pose_y``       -1 to 1 looks up, ahead, down
    ``eye_openness`` 0 to 1  closed to wide open
    ``brow``         -1 to 1 lowered and drawn together, to raised
    ``face_width``   -1 to 1 narrow to wide
    ``hair``         0 to 1  very short, to full and down to the shoulders
    ``hair_tone``    0 to 1  black, brown, blond
    ``skin_tone``    0 to 1  light to dark
    ``light``        -1 to 1 comes from the picture's left, front, right
    ================ ======= ==================================================

    Parameters
    ----------
    n_samples : int, default=2000
        Number of pictures.
    size : int or (int, int), default=64
        Side, or height and width, in pixels; at least 8.
    channels : {1, 3}, default=1
        1 for grey, 3 for RGB.
    random_state : None, int or NumPy generator, optional
        The same seed gives the same bytes; the first pictures do not depend on `n_samples`.
    factors : dict of str to float or array-like of shape (n_samples,), optional
        Factors to fix; the others are drawn. Fixing one leaves the draws of the others unchanged.
    neutral : bool, default=False
        Whether factors that are not fixed take their value in `FACE_NEUTRAL` instead of being drawn.
    return_factors : bool, default=False
        Whether to return the factors as well.

    Returns
    -------
    X : ndarray of uint8, shape (n_samples, height, width) or (n_samples, height, width, 3)
        Pictures, from 0 to 255.
    factors : dict of str to float64 ndarray of shape (n_samples,)
        Only with ``return_factors=True``.

    Raises
    ------
    ParameterError
        A bad size, count or number of channels, an unknown factor, or a value outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.data.faces import faces
    >>> faces(100, 32, random_state=0).shape
    (100, 32, 32)
    >>> smiles = faces(5, factors={"smile": np.linspace(-1, 1, 5)}, neutral=True, channels=3)
    >>> smiles.shape, smiles.dtype
    ((5, 64, 64, 3), dtype('uint8'))
    """
    n_samples, shape = check_count(n_samples), check_size(size)
    if channels not in (1, 3):
        raise ParameterError(f"channels is {channels!r}; use 1 for grey or 3 for RGB.")
    values = resolve_factors(n_samples, random_state, factors, FACE_RANGES, FACE_NEUTRAL if neutral else None)
    tail = () if channels == 1 else (3,)
    X = draw_in_chunks(lambda rows: render(rows, shape, channels), values, (*shape, *tail))
    return (X, values) if return_factors else X
