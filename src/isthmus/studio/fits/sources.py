"""Data that a fit can be given: described once, and again only if they change."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import DataError, IsthmusError, RunError
from isthmus.files import PARAMS, read_json
from isthmus.studio.refusal import Refusal

if TYPE_CHECKING:
    from isthmus.studio.fits.choices import Described
    from isthmus.studio.library import Library

_KEPT, _AT_ONCE, _MOST_WAITING = 16, 2, 8
_PATIENCE = 20.0
# What of the options changes what is seen of the data.
_OPTIONS = ("resize", "grey", "label", "columns", "image_shape", "target")
_TRAINER = ("memory_limit", "validation_fraction")
_BUILT_IN = (("digits", "1,797 digits of 8 x 8"), ("faces", "2,000 drawn faces"), ("shapes", "2,000 drawn shapes"))


class Descriptions:
    """What was seen of data. Reading them takes threads of their own, so that sliders never wait for it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Described] = OrderedDict()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="isthmus-data")
        self._pending = 0

    async def of(self, model: str, config: Any) -> Described | None:
        """Description of the data that parsed options name; None if reading them takes long: ask again later.

        Raises
        ------
        IsthmusError
            They cannot be read.
        Refusal
            With 503, if too many data are being read.
        """
        from isthmus.studio.fits.choices import describe_source

        key = _key(config)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if self._pending >= _MOST_WAITING:
            raise Refusal(503, "other data are being read; try again in a few seconds", {"Retry-After": "5"})
        self._pending += 1
        reading = asyncio.get_running_loop().run_in_executor(self._pool, describe_source, model, config)
        reading.add_done_callback(lambda future: self._done(key, future))
        try:
            return await asyncio.wait_for(asyncio.shield(reading), _PATIENCE)
        except TimeoutError:
            return None
        except MemoryError:
            raise DataError("these data take more memory than there is") from None

    def close(self) -> None:
        """Wait for nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, key: str, future: asyncio.Future[Described]) -> None:
        self._pending -= 1
        if not future.cancelled() and future.exception() is None:
            self._kept[key] = future.result()
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def known_sources(library: Library) -> list[dict[str, Any]]:
    """The data that come with isthmus, and those that the runs were fitted on, each once."""
    found = [{"data": name, "options": {}, "about": about} for name, about in _BUILT_IN]
    seen = {json.dumps([source["data"], source["options"]], sort_keys=True) for source in found}
    for run in library.list():
        try:
            source = read_json(library.folder(run.name) / PARAMS).get("source")
        except (Refusal, IsthmusError, OSError, ValueError):
            continue
        if not (isinstance(source, dict) and isinstance(source.get("data"), str)):
            continue
        options = source.get("options") or {}
        key = json.dumps([source["data"], options], sort_keys=True)
        if key not in seen and isinstance(options, dict):
            seen.add(key)
            found.append({"data": source["data"], "options": options, "about": f"data of the run {run.name}"})
    return found


def run_root(paths: tuple[Path, ...]) -> Path | None:
    """The first of the given folders that is not a run itself: new runs go there."""
    return next((path for path in paths if not (path / PARAMS).is_file()), None)


def new_folder(paths: tuple[Path, ...], name: str) -> Path:
    """Folder for a new run of this name, in the first of the given folders that can hold some.

    Raises
    ------
    Refusal
        With 422 if it cannot be a name, or 409 if there is something of that name.
    """
    root = run_root(paths)
    if root is None:
        raise Refusal(422, "the studio was opened on single runs; open it on a folder, which can take new ones")
    parts = name.split("/")
    if len(name) > 100 or len(parts) > 4 or not all(_is_plain(part) for part in parts):
        raise Refusal(
            422,
            "a run's name is made of letters, digits, '-', '_' and '.', such as faces_16, with '/' for a folder in "
            f"between; {name[:60]!r} is not",
        )
    folder = root.joinpath(*parts)
    try:
        if not folder.resolve().is_relative_to(root.resolve()):
            raise Refusal(422, f"{name!r} leads out of the studio's folder; choose another name")
        for above in folder.parents[: len(parts) - 1]:
            if (above / PARAMS).exists() or above.is_file():
                raise Refusal(409, f"{above.relative_to(root).as_posix()!r} is a run, which cannot hold another one")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "a run" if (folder / PARAMS).exists() else "something"
            raise Refusal(409, f"there is {what} of the name {name!r} already; choose another name")
    except OSError as error:
        raise RunError(f"{name!r} cannot be written: {error.strerror or error}") from None
    return folder


def free_name(library_names: set[str], paths: tuple[Path, ...], wish: str) -> str:
    """The wish, or with a number behind it, so that there is no such run yet."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in wish)
    plain = plain.strip("._-")[:60] or "run"
    for number in range(1, 1000):
        name = plain if number == 1 else f"{plain}_{number}"
        try:
            new_folder(paths, name)
        except (Refusal, RunError):
            continue
        if name not in library_names:
            return name
    return plain


def _is_plain(part: str) -> bool:
    kept = all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in part)
    return bool(part) and kept and part[0] not in ".-" and not part.endswith(".")


def _key(config: Any) -> str:
    options = {name: config[name] for name in _OPTIONS if name in config}
    options |= {name: config.trainer[name] for name in _TRAINER}
    return json.dumps([config.data, options, *map(_version, (config.data, options.get("target")))], default=str)


def _version(source: str | None) -> tuple[int, int] | None:
    """What tells one version of a file, or of a folder, from the next."""
    try:
        stat = Path((source or "").partition(".npz:")[0] + (".npz" if ".npz:" in (source or "") else "")).stat()
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_size
