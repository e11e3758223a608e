"""Pictures as samples: single files and folders of them."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import numpy as np

from isthmus.data.picture_stream import PictureRows, n_threads
from isthmus.data.samples import Samples
from isthmus.data.streams import MEMORY_LIMIT
from isthmus.data.tables import natural_key, one_line, some
from isthmus.errors import DataError, DataSourceError, ParameterError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Endings of picture files, in lower case."""

# Only the formats promised: Pillow would also hand PostScript to an interpreter, whatever the ending.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_MOST_PIXELS = 1 << 15
_GREY_MODES, _ORIENTATION = ("1", "L", "LA", "La"), 0x0112

T = TypeVar("T")

Size = tuple[int, int]


def parse_resize(resize: int | str | Sequence[int] | None) -> Size | None:
    """Return the (height, width) that a `resize=` option asks for.

    Parameters
    ----------
    resize : int, (int, int), str or None
        One side of a square, (height, width), or either as text: ``"64"``, ``"64x48"``.

    Returns
    -------
    (int, int) or None
        Height and width in pixels.

    Raises
    ------
    ParameterError
        If it is none of these, or a side is not from 1 to 32768.
    """
    if resize is None:
        return None
    sides: list[object] = []
    if isinstance(resize, str):
        match = re.fullmatch(r"([0-9]{1,6})(?:x([0-9]{1,6}))?", resize.strip().lower())
        sides = [int(side) for side in match.groups() if side] if match else []
    elif isinstance(resize, int | np.integer):
        sides = [resize]
    elif isinstance(resize, Sequence | np.ndarray) and len(resize) == 2:
        sides = list(resize)
    whole = [int(s) for s in sides if isinstance(s, int | np.integer) and not isinstance(s, bool)]
    if not whole or len(whole) != len(sides) or not all(1 <= side <= _MOST_PIXELS for side in whole):
        raise ParameterError(
            f"resize={resize!r} is not a size: use a side such as 64, or (height, width) such as (64, 48) "
            "or '64x48', "
            f"each from 1 to {_MOST_PIXELS}."
        )
    return whole[0], whole[-1]


def read_picture(path: Path, *, resize: Size | None = None, grey: bool = False) -> Samples:
    """Read one picture file as a single sample.

    Parameters
    ----------
    path : Path
        The file.
    resize, grey
        As in `read_folder`.

    Returns
    -------
    Samples
        ``X`` of shape (1, H, W) or (1, H, W, 3), uint8.

    Raises
    ------
    DataSourceError
        If the file cannot be read as a picture.
    """
    with quiet():
        return Samples(_decode(path, resize, grey)[None], path.name)


def read_folder(
    path: Path, *, resize: Size | None = None, grey: bool = False, memory_limit: float = MEMORY_LIMIT
) -> Samples:
    """Read a folder of pictures, in natural order (``img2`` before ``img10``).

    Of an animation or a stack of pages the first is read. Photographs are turned upright as
    their camera says. Transparent parts become white. 16-bit greys are scaled to 0..255, and
    lose their finer levels: keep measurements in a ``.npy`` file. If some pictures are in
    colour and others are not, all become RGB. Hidden files and folders are left out.

    Parameters
    ----------
    path : Path
        The folder; its subfolders are read too.
    resize : (int, int), optional
        Height and width to which every picture is brought, whatever its proportions, with a
        Lanczos filter.
    grey : bool
        Convert every picture to grey.
    memory_limit : float
        GiB up to which all are decoded now; else they are decoded when they are needed.

    Returns
    -------
    Samples
        ``X`` of shape (n, H, W) or (n, H, W, 3), uint8. If every picture lies in a subfolder,
        then ``y`` is the name of the first subfolder on the way to it.

    Raises
    ------
    DataSourceError
        If the folder has no pictures, or one cannot be read.
    DataError
        If the sizes differ and `resize` is not given.
    """
    files = picture_files(path)
    if not files:
        raise DataSourceError(
            f"{path} holds no pictures ({_contents(path)}); the supported endings are {', '.join(ENDINGS)}."
        )
    name = path.name or str(path)
    decode = partial(_decode, resize=resize, grey=grey)
    look = partial(_look, resize=resize, grey=grey)
    with quiet(), ThreadPoolExecutor(n_threads()) as pool:
        try:
            if len(files) * math.prod(look(files[0])) > memory_limit * 2**30:
                shape = _common_shape(list(pool.map(look, files)), lambda i: str(files[i].relative_to(path)))
                X = PictureRows(files, shape, decode, name)
            else:
                X = stack(pool.map(decode, files), len(files), lambda i: str(files[i].relative_to(path)))
        finally:
            # After an error the pictures still waiting need not be decoded.
            pool.shutdown(wait=False, cancel_futures=True)
    inside = [file.relative_to(path).parts for file in files]
    y = np.asarray([parts[0] for parts in inside]) if all(len(parts) > 1 for parts in inside) else None
    return Samples(X, name, y=y)


def picture_files(folder: Path) -> list[Path]:
    """Return the picture files in a folder and its subfolders, in natural order."""
    return sorted((f for f in _walk(folder) if f.suffix.lower() in ENDINGS), key=natural_key)


def stack(pictures: Iterable[np.ndarray], n: int, name: Callable[[int], str]) -> np.ndarray:
    """Stack pictures into one array; grey ones become RGB where others are.

    Parameters
    ----------
    pictures : iterable of ndarray
        Pictures (H, W) or (H, W, 3), uint8; each is copied when it comes and not kept.
    n : int
        How many there are.
    name : callable
        Gives the name of the i-th picture, for error messages.

    Returns
    -------
    ndarray
        (n, H, W) or (n, H, W, 3), uint8.

    Raises
    ------
    DataError
        If the sizes differ, or all of them together do not fit in memory.
    """
    X = np.empty(0, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        if i == 0:
            X = _reserve((n, *picture.shape))
        if picture.shape[:2] != X.shape[1:3]:
            raise _different_sizes(name(0), X.shape[1:], name(i), picture.shape)
        if picture.ndim > X.ndim - 1:
            grey, X = X[:i], _reserve((n, *picture.shape))
            X[:i] = grey[..., None]
        X[i] = picture[..., None] if picture.ndim < X.ndim - 1 else picture
    return X


def to_array(picture: Image, *, resize: Size | None = None, grey: bool = False) -> np.ndarray:
    """Turn a Pillow image into an array.

    Parameters
    ----------
    picture : PIL.Image.Image
        The image.
    resize, grey
        As in `read_folder`.

    Returns
    -------
    ndarray
        (H, W) or (H, W, 3), uint8.

    Raises
    ------
    DataError
        If its pixels are floating-point numbers or integers of more than 16 bits.
    """
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(_eight_bits(np.asarray(picture), picture.mode))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA" if picture.mode not in ("L", "LA", "La", "1") else "LA")
        alpha = picture.getchannel("A")
        solid = picture.convert("L" if picture.mode == "LA" else "RGB")
        white = Image.new(solid.mode, solid.size, "white")
        picture = Image.composite(solid, white, alpha)
    picture = picture.convert("L" if grey or picture.mode in ("1", "L") else "RGB")
    if resize is not None and picture.size != (resize[1], resize[0]):
        picture = picture.resize((resize[1], resize[0]), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _eight_bits(levels: np.ndarray, mode: str) -> np.ndarray:
    if mode == "F" or levels.min() < 0 or levels.max() > 65535:
        raise DataError(
            f"The picture has mode '{mode}' and levels from {levels.min():g} to {levels.max():g}, which "
            "do not fit 8 or 16 bits: "
            "save it as a .npy array."
        )
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _different_sizes(first: str, its: tuple[int, ...], other: str, size: tuple[int, ...]) -> DataError:
    return DataError(
        f"The pictures differ in size: {first} is {its[0]}x{its[1]} (height x width) and {other} is "
        f"{size[0]}x{size[1]}; bring them to one size with resize=(H, W) or resize=64 (--resize 64x64)."
    )


def _common_shape(shapes: list[tuple[int, ...]], name: Callable[[int], str]) -> tuple[int, ...]:
    """Shape of all the pictures: in colour if one of them is."""
    for i, shape in enumerate(shapes):
        if shape[:2] != shapes[0][:2]:
            raise _different_sizes(name(0), shapes[0], name(i), shape)
    return max(shapes, key=len)


def _decode(path: Path, resize: Size | None, grey: bool) -> np.ndarray:
    return with_picture(path, partial(to_array, resize=resize, grey=grey))


def _look(path: Path, resize: Size | None, grey: bool) -> tuple[int, ...]:
    """Shape of what `_decode` gives, from the header of the file."""
    return with_picture(path, partial(_shape_of, resize=resize, grey=grey))


def _shape_of(picture: Image, *, resize: Size | None, grey: bool) -> tuple[int, ...]:
    width, height = picture.size
    # Of a TIFF Pillow gives the size as it stands; a PNG that is asked for what it has not is decoded to the end.
    asked = "exif" in picture.info if picture.format == "PNG" else picture.format != "TIFF"
    exif = picture.getexif() if asked else {}
    if exif.get(_ORIENTATION, 1) >= 5:  # lying on its side
        width, height = height, width
    colourless = grey or picture.mode in _GREY_MODES or picture.mode.startswith("I")
    return *(resize or (height, width)), *(() if colourless else (3,))


def with_picture(source: Path | IO[bytes], function: Callable[[Image], T], name: str = "") -> T:
    """Open a picture, from a file or from memory, and return what a function makes of it.

    Parameters
    ----------
    source : Path or file
        Only the header has been read when the function is called.
    function : callable
        Takes a Pillow image.
    name : str
        What to call the picture in messages; by default its path.

    Raises
    ------
    DataSourceError
        If it is not a picture, is damaged, or has more pixels than Pillow takes to be harmless.
    DataError
        As the function raises it, with the name in front.
    """
    from PIL import Image

    name = name or str(source)
    try:
        with Image.open(source, formats=_FORMATS) as picture:
            return function(picture)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataSourceError(
            f"{name} has more pixels than Pillow's limit against decompression bombs "
            f"({Image.MAX_IMAGE_PIXELS}): "
            "make it smaller first."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise DataSourceError(f"{name} is not a picture in one of the formats {', '.join(_FORMATS)}.") from error
    # On damaged files Pillow's decoders raise almost anything: OSError, SyntaxError, struct.error ...
    except Exception as error:
        raise DataSourceError(f"{name} is damaged or cut short: {one_line(error)}.") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Make Pillow's warning about decompression bombs an error, and silence its other warnings."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _reserve(shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.empty(shape, dtype=np.uint8)
    except MemoryError as error:
        raise DataError(
            f"{shape[0]} pictures of {shape[1]}x{shape[2]} do not fit in memory: make them smaller with resize=64."
        ) from error


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(where, name) for name in files if not name.startswith("."))


def _contents(folder: Path) -> str:
    endings = Counter(f.suffix.lower() or "without an ending" for f in _walk(folder))
    found = some(f"{count} {ending}" for ending, count in endings.most_common())
    return f"found {endings.total()} files: {found}" if endings else "it is empty"
