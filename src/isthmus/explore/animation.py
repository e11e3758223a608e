"""Pictures that move: GIF, WebP, MP4, and the strip of pictures for paper."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from isthmus.data.writing import write_rows
from isthmus.errors import DataError, MissingExtraError, ParameterError
from isthmus.explore.sheets import captioned, check_channels, enlarge, factor_for, png, sheet, to_bytes, to_image
from isthmus.files import atomic_write

_SIDE, _STRIP = 512, 1600
_FASTEST = 100


def animate(
    frames: np.ndarray,
    path: str | PathLike[str],
    *,
    fps: float = 8.0,
    ping_pong: bool = False,
    limits: tuple[float, float] | None = None,
    captions: Sequence[str] = (),
) -> Path:
    """Write pictures as an animation that repeats for ever, in the format that the file's ending names.

    Parameters
    ----------
    frames : ndarray of shape (n, H, W) or (n, H, W, C)
        Pictures with 1 or 3 channels, in any units: what `traverse` and `interpolate` return, for example. Small ones
        are enlarged by a whole factor. `side_by_side` joins several walks.
    path : path
        ``.gif``; ``.webp``, smaller and with all colours; ``.mp4``, which needs ffmpeg; ``.png``, all frames in a row;
        or ``.npy``, the frames as they are. The folder is made if needed, and a crash leaves no half of a file.
    fps : float
        Frames per second, above 0 and at most 100.
    ping_pong : bool
        Whether to go back through the frames before the start, so that nothing jumps.
    limits : (float, float), optional
        Values that become black and white; ``est.info_.display_range`` are those of the data. By default 0 and 255 for
        uint8, else the lowest and the highest value.
    captions : sequence of str
        A line of text below each frame, if there are as many as frames.

    Returns
    -------
    Path
        Where the file is.

    Raises
    ------
    ParameterError
        An unknown ending, or a rate that cannot be.
    DataError
        The frames are not pictures.
    MissingExtraError
        There is no ffmpeg for ``.mp4``.
    """
    path, frames = Path(path), np.asarray(frames)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ParameterError(f"cannot write {str(path)!r}: an animation goes to {', '.join(ENDINGS)}")
    if not 0 < fps <= _FASTEST:
        raise ParameterError(f"fps must be above 0 and at most {_FASTEST}, got {fps}")
    if len(captions) not in (0, len(frames)):
        raise ParameterError(f"there are {len(captions)} captions for {len(frames)} frames; give one for each")
    if ending == ".npy":
        write_rows(path, [frames], len(frames))
        return path
    pictures = _pictures(frames, limits)
    if ending == ".png":
        strip = sheet(pictures, len(pictures))
        atomic_write(path, png(enlarge(strip, factor_for(strip.shape, _STRIP))))
        return path
    atomic_write(path, encode(_enlarged(pictures, captions), ending, fps=fps, ping_pong=ping_pong))
    return path


def encode(frames: np.ndarray, ending: str, *, fps: float = 8.0, ping_pong: bool = False) -> bytes:
    """The file of an animation: ``.gif``, ``.webp`` or ``.mp4`` of bytes (n, H, W) or (n, H, W, 3), as they are."""
    if ping_pong:
        frames = np.concatenate([frames, frames[-2:0:-1]])
    return _WRITERS[ending](frames, fps)


def side_by_side(walks: np.ndarray, n_columns: int | None = None, *, limits: tuple[float, float]) -> np.ndarray:
    """Several walks as one: bytes (steps, H', W'[, 3]) of walks (n, steps, H, W[, C]).

    Parameters
    ----------
    walks : ndarray of shape (n, steps, H, W) or (n, steps, H, W, C)
        Pictures in any units.
    n_columns : int, optional
        Walks in a row; by default all.
    limits : (float, float)
        Values that become black and white.
    """
    pictures = to_bytes(check_channels(np.asarray(walks), axes=4), *limits)
    return np.stack([sheet(pictures[:, step], n_columns or len(pictures)) for step in range(pictures.shape[1])])


def _pictures(frames: np.ndarray, limits: tuple[float, float] | None) -> np.ndarray:
    """Frames as bytes."""
    pictures = check_channels(frames)
    if not pictures.size or not np.isfinite(pictures).all():
        raise DataError("an animation needs at least one frame, and every value in it must be finite")
    if limits is None:
        limits = (0.0, 255.0) if pictures.dtype == np.uint8 else (float(pictures.min()), float(pictures.max()))
    return to_bytes(pictures, *limits)


def _enlarged(pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    factor = factor_for(pictures.shape[1:], _SIDE)
    shown = [enlarge(picture, factor) for picture in pictures]
    return np.stack([captioned(*pair) for pair in zip(shown, captions, strict=True)] if captions else shown)


def _gif(frames: np.ndarray, fps: float) -> bytes:
    from PIL import Image

    images = [to_image(frame) for frame in frames]
    if frames.ndim == 4:
        # One palette for all frames: with one for each, colours would flicker.
        few = np.concatenate([frame[::2, ::2] for frame in frames[:: max(1, len(frames) // 32)]])
        palette = to_image(few).quantize(256)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    return _pillow(images, fps, "GIF")


def _webp(frames: np.ndarray, fps: float) -> bytes:
    from PIL import features

    if not features.check("webp"):
        raise MissingExtraError("this Pillow was built without WebP; write .gif, or install Pillow from PyPI")
    return _pillow([to_image(frame) for frame in frames], fps, "WEBP", lossless=True)


def _pillow(images: list, fps: float, kind: str, **options: bool) -> bytes:
    buffer = io.BytesIO()
    rest = images[1:]
    images[0].save(
        buffer, format=kind, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0, **options
    )
    return buffer.getvalue()


def _mp4(frames: np.ndarray, fps: float) -> bytes:
    program = find_ffmpeg()
    colours = frames if frames.ndim == 4 else np.repeat(frames[..., None], 3, axis=-1)
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        command = [program, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
        command += ["-r", f"{fps:g}", "-i", "-", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
        # Its chroma has half the pixels, so both sides must be even.
        command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-movflags", "+faststart", str(film)]
        done = subprocess.run(command, input=colours.tobytes(), capture_output=True, check=False)
        if done.returncode or not film.is_file():
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise MissingExtraError(f"{program} cannot write MP4 ({said[-1][:100]}); write .gif or .webp")
        return film.read_bytes()


def find_ffmpeg() -> str:
    """Path of an ffmpeg: that of the package imageio-ffmpeg if it is installed, else one on the PATH."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe  # pyright: ignore[reportMissingImports]

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise MissingExtraError("MP4 needs ffmpeg: pip install 'isthmus[video]', or write .gif or .webp")
    return found


_WRITERS: dict[str, Callable[[np.ndarray, float], bytes]] = {".gif": _gif, ".webp": _webp, ".mp4": _mp4}
ENDINGS = (*_WRITERS, ".png", ".npy")
"""File endings that `animate` knows."""
