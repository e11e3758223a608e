"""One door for data: arrays, data frames, files, folders, built-in names and remote data sets."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.builtin import BUILTINS, is_builtin, load_builtin
from isthmus.data.hub import from_hub, is_hub_data
from isthmus.data.idx import is_idx, load_idx
from isthmus.data.npy import Header, npy_header
from isthmus.data.opening import opened
from isthmus.data.parquet import parquet_files, read_parquet
from isthmus.data.pictures import ENDINGS, Size, parse_resize, picture_files, read_folder, read_picture
from isthmus.data.raw import FileRows, rows_of_memmap
from isthmus.data.samples import Samples
from isthmus.data.streams import MEMORY_LIMIT, Rows, held
from isthmus.data.tables import from_frame, is_frame, one_line, read_csv, some, suggest
from isthmus.data.zarrs import open_zarr
from isthmus.errors import DataError, DataSourceError, IsthmusError, ParameterError

_SUPPORTED = f".npy, .npz, .csv, .tsv, .parquet, .zarr, IDX (-ubyte, -ubyte.gz, .idx), {', '.join(ENDINGS)}"
_ARRAY_NAMES = ("x", "images", "data", "x_train", "train_images")
_LABEL_NAMES = ("y", "labels", "label", "target", "targets")
# Deflate cannot shrink by more than a factor of 1032: a member that claims more lies.
_DEFLATE_LIMIT = 1032


def load(
    source: Any,
    *,
    resize: int | str | Sequence[int] | None = None,
    grey: bool = False,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    memory_limit: float = MEMORY_LIMIT,
) -> Samples:
    """Read samples from any source that isthmus knows.

    Parameters
    ----------
    source : array, data frame, str, path or Samples
        * an array or tensor (n, d), (n, H, W) or (n, H, W, C) of booleans, integers or real
          numbers; a memmap stays one;
        * a pandas, polars or pyarrow data frame;
        * a zarr array, a `datasets.Dataset` of Hugging Face, an object with ``__len__`` and ``__getitem__`` whose items
          are samples (or tuples that start with one), or a PyTorch ``DataLoader``;
        * a built-in name: ``"digits"``, ``"faces"``, ``"shapes"``, with options as in
          ``"faces:n=500,size=64,channels=3,seed=1"`` (to read a file of that name write ``./faces``);
        * a file: ``.npy`` (opened as a memmap), ``.npz`` or ``file.npz:array``, ``.csv``, ``.tsv``,
          ``.parquet``, IDX as MNIST ships it, or one picture;
        * a folder of pictures, with subfolders as class labels, of Parquet files, or ``.zarr``;
        * ``"openml:NAME"``, ``"openml:ID"``, ``"hf:NAME"`` or ``"hf:NAME:SPLIT"``, over a network.
    resize : int, (int, int) or str, optional
        Pictures only: bring each to this height and width; ``64``, ``(64, 48)``, ``"64x48"``.
    grey : bool
        Pictures only: convert each to grey.
    label : str, optional
        The column of a table, or the array of an ``.npz`` file, that becomes ``y``.
    columns : sequence of str, optional
        Tables only: the columns to keep, in this order.
    memory_limit : float
        GiB up to which data are read into memory. Larger ones are `isthmus.data.streams.Rows`, which are read when they
        are needed; CSV, ``.npz`` and IDX files have no such form.

    Returns
    -------
    Samples
        The data, with labels, feature names and factors where the source has them. Arrays keep
        their dtype, but for the byte order, which becomes the machine's own.

    Raises
    ------
    DataSourceError
        If the source does not exist or cannot be read.
    DataError
        If it can be read but not learned from: its shape, its type, or missing values in a table.
    ParameterError
        If an option has a wrong value or does not apply to this source.
    MissingExtraError
        If an optional package is needed.

    Examples
    --------
    >>> digits = load("digits")
    >>> digits.X.shape, digits.X.dtype, digits.y.shape
    ((1797, 8, 8), dtype('uint8'), (1797,))
    """
    size = parse_resize(resize)
    given = _Given(size, grey, label, columns, memory_limit)
    if isinstance(source, Samples):
        samples = _plain(source, source.name, given)
    elif isinstance(source, str | PathLike):
        samples = _named(str(source), given)
    elif is_hub_data(source):
        samples = from_hub(source, "the data set", **given.of_pictures, **given.of_tables, memory_limit=memory_limit)
    elif is_frame(source):
        given.refuse_picture_options("a data frame")
        samples = from_frame(source, **given.of_tables)
    else:
        found = opened(source, memory_limit)
        X, name = (found, found.name) if isinstance(found, Rows) else (_as_array(found), "array")
        samples = _plain(Samples(X, name), "an array", given)
    _check(samples.X.shape, samples.X.dtype, samples.name)
    X = samples.X
    if isinstance(X, Rows) or X.dtype.isnative:
        return samples
    # Torch takes no other byte order than the machine's.
    return replace(samples, X=X.astype(X.dtype.newbyteorder("=")))


@dataclass(frozen=True)
class _Given:
    """The options of `load`."""

    resize: Size | None
    grey: bool
    label: str | None
    columns: Sequence[str] | None
    memory_limit: float

    @property
    def of_pictures(self) -> dict[str, Any]:
        return {"resize": self.resize, "grey": self.grey}

    @property
    def of_tables(self) -> dict[str, Any]:
        return {"label": self.label, "columns": self.columns}

    def refuse_picture_options(self, what: str) -> None:
        if self.resize is not None or self.grey:
            raise ParameterError(
                f"resize= and grey= are for picture files and folders of them, but the source is {what}."
            )

    def refuse_table_options(self, what: str, *, but_label: bool = False) -> None:
        option = "label=" if self.label is not None and not but_label else "columns="
        if option == "label=" or self.columns is not None:
            raise ParameterError(f"{option} is for tables with named columns, but the source is {what}.")


def _named(source: str, given: _Given) -> Samples:
    if source.startswith("openml:"):
        from isthmus.data.remote import load_openml

        given.refuse_picture_options(source)
        return load_openml(source, **given.of_tables)
    if source.startswith("hf:"):
        from isthmus.data.remote import load_hub

        return load_hub(source, **given.of_pictures, **given.of_tables, memory_limit=given.memory_limit)
    if is_builtin(source):
        return _plain(load_builtin(source), source, given)
    try:
        return _read_path(source, given)
    except IsthmusError:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # no permission, or no such path or user can be
        raise DataSourceError(f"{source!r} cannot be read: {one_line(error)}.") from error


def _read_path(source: str, given: _Given) -> Samples:
    path, array = _split(source)
    if not source or not path.exists():
        raise _missing(source, path)
    if path.is_dir():
        return _read_directory(path, given)
    if not path.is_file():  # reading a pipe or a device might never end
        raise DataSourceError(f"{path} is neither a file nor a folder: write its contents to a file first.")
    name = path.name.lower()
    if name.endswith((".csv", ".tsv")):
        given.refuse_picture_options(path.name)
        return read_csv(path, **given.of_tables)
    if name.endswith(".parquet"):
        given.refuse_picture_options(path.name)
        return read_parquet(path, **given.of_tables, memory_limit=given.memory_limit)
    if name.endswith(ENDINGS):
        given.refuse_table_options(path.name)
        return read_picture(path, **given.of_pictures)
    if name.endswith(".npz"):
        given.refuse_picture_options(path.name)
        given.refuse_table_options(path.name, but_label=True)
        return _read_npz(path, array, given.label)
    if name.endswith(".npy"):
        return _plain(_read_npy(path, given.memory_limit), path.name, given)
    if name.endswith(("-ubyte", "-ubyte.gz", ".idx", ".idx.gz")) or is_idx(path):
        return _plain(load_idx(path), path.name, given)
    raise DataSourceError(f"{path} has an ending that is not supported; supported are: {_SUPPORTED}.")


def _read_directory(path: Path, given: _Given) -> Samples:
    if path.suffix.lower() == ".zarr" or any((path / name).exists() for name in ("zarr.json", ".zarray")):
        rows = open_zarr(path)
        _check(rows.shape, rows.dtype, rows.name)
        return _plain(Samples(held(rows, given.memory_limit), rows.name), path.name, given)
    if parquet_files(path):
        if picture_files(path):
            raise DataSourceError(f"{path} holds both pictures and Parquet files: put them into folders of their own.")
        given.refuse_picture_options(path.name)
        return read_parquet(path, **given.of_tables, memory_limit=given.memory_limit)
    given.refuse_table_options(path.name)
    return read_folder(path, **given.of_pictures, memory_limit=given.memory_limit)


def _plain(samples: Samples, what: str, given: _Given) -> Samples:
    """Return the samples unchanged, refusing every option."""
    given.refuse_picture_options(what)
    given.refuse_table_options(what)
    return samples


def _split(source: str) -> tuple[Path, str | None]:
    """Split ``file.npz:array``, unless a file of the whole name exists."""
    path = Path(source).expanduser()
    match = re.fullmatch(r"(.+\.npz):([^:]*)", source, re.IGNORECASE | re.DOTALL)
    if match is None or path.exists():
        return path, None
    return Path(match[1]).expanduser(), match[2]


def _missing(source: str, path: Path) -> DataSourceError:
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = suggest(source, BUILTINS) or suggest(path.name, beside)
    return DataSourceError(
        f"There is no file, folder or built-in data set '{source}'{close or '.'} "
        f"The built-in names are {', '.join(BUILTINS)}."
    )


def _as_array(source: Any) -> np.ndarray:
    if isinstance(source, np.memmap):
        return source
    if np.ma.is_masked(source):
        raise DataError("The array has masked values: fill them in, or drop the rows that have them.")
    if hasattr(source, "detach"):  # a torch tensor may sit on a device or carry a gradient
        source = source.detach().cpu()
        source = source.float() if str(source.dtype) == "torch.bfloat16" else source
    elif not hasattr(source, "__array__") and not isinstance(source, list | tuple):
        hint = " (convert it with .toarray())" if hasattr(source, "toarray") else ""
        raise DataError(
            f"The source has type {type(source).__name__}{hint}: use an array, a data frame, a path or a built-in name."
        )
    try:
        return np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"The {type(source).__name__} cannot be read as an array: {one_line(error)}.") from error


def _check(shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
    """Refuse an array that nothing can be learned from, given its header alone."""
    if dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {dtype}: use booleans, integers or real numbers.")
    if not 2 <= len(shape) <= 4:
        hint = "; one feature is a column, .reshape(-1, 1)" if len(shape) == 1 else ""
        raise DataError(f"{name} has shape {shape}: use (n, d), (n, H, W) or (n, H, W, C){hint}.")
    if 0 in shape:
        raise DataError(f"{name} has shape {shape}, which is empty: there has to be a row and a feature.")


def _read_npy(path: Path, limit: float) -> Samples:
    with path.open("rb") as handle:
        (shape, fortran, dtype), start = npy_header(handle, str(path)), handle.tell()
    _check(shape, dtype, path.name)
    size, held = math.prod(shape) * dtype.itemsize, path.stat().st_size - start
    if size > held:
        raise DataSourceError(f"{path} is cut short: it declares {shape}, {size} bytes, but holds {held}.")
    if size > limit * 2**30 and not fortran:
        return Samples(FileRows(path, shape, dtype, start), path.name)
    mapped = np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
    return Samples(mapped if size <= limit * 2**30 else rows_of_memmap(mapped, path.name), path.name)


def _read_npz(path: Path, array: str | None, label: str | None) -> Samples:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
            headers = {key: _member_header(archive, member, path) for key, member in members.items()}
            chosen = _choose(path, headers, array, label)
            labels = _labels_of(path, headers, chosen, label)
            _check(headers[chosen][0], headers[chosen][2], f"{path.name}:{chosen}")
            X = _read_member(archive, members[chosen], headers[chosen], path)
            y = None if labels is None else _read_member(archive, members[labels], headers[labels], path).reshape(-1)
    except IsthmusError:
        raise
    # On damaged archives zipfile raises BadZipFile, RuntimeError, zlib.error, struct.error ...
    except Exception as error:
        raise DataSourceError(f"{path} is not an .npz archive, or is damaged: {one_line(error)}.") from error
    return Samples(X, path.name if array is None else f"{path.name}:{chosen}", y=y)


def _member_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Header:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataSourceError(f"{path} is packed in a way that NumPy does not use: save it with numpy.savez.")
    with archive.open(member) as handle:
        header = npy_header(handle, f"{path}:{member.filename}")
        size, held = math.prod(header[0]) * header[2].itemsize, member.file_size - handle.tell()
    # Checked before memory is reserved, against what the archive says and against what it can hold.
    if not header[2].hasobject and (size != held or member.file_size > _DEFLATE_LIMIT * member.compress_size + 1024):
        raise DataSourceError(f"{path}:{member.filename} declares {header[0]}, {size} bytes, which it does not hold.")
    return header


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, header: Header, path: Path) -> np.ndarray:
    if member.compress_size > path.stat().st_size:
        raise DataSourceError(f"{path} is cut short: {member.filename} is larger than the file.")
    with archive.open(member) as handle:
        return np.lib.format.read_array(handle, allow_pickle=False)


def _choose(path: Path, headers: dict[str, Header], array: str | None, label: str | None) -> str:
    if array is not None:
        if array in headers:
            return array
        raise DataSourceError(
            f"{path} has no array '{array}'{suggest(array, headers) or '.'} It holds {_listing(headers)}."
        )
    if not headers:
        raise DataError(f"{path} holds no arrays.")
    others = [name for name in headers if name != label]
    usual = [name for name in others if name.lower() in _ARRAY_NAMES]
    for candidates in (others, usual, [] if usual else [n for n in others if len(headers[n][0]) > 1]):
        if len(candidates) == 1:
            return candidates[0]
    raise DataSourceError(
        f"{path} holds several arrays: {_listing(headers)}; choose one with {path.name}:NAME, such as "
        f"{path.name}:{(usual or others)[0]}."
    )


def _labels_of(path: Path, headers: dict[str, Header], chosen: str, label: str | None) -> str | None:
    n = headers[chosen][0][:1]
    if label is not None:
        if label not in headers:
            raise ParameterError(f"label= names '{label}', but {path} holds only {_listing(headers)}.")
        if not _fits(headers[label], n):
            raise DataError(
                f"label= names '{label}' of shape {headers[label][0]} and dtype {headers[label][2]}, "
                "which is not one "
                f"label for each of the {n[0] if n else 0} samples in '{chosen}'."
            )
        return label
    paired = chosen.lower().replace("images", "labels").replace("x", "y")
    by_name = {name.lower(): name for name in headers if name != chosen and _fits(headers[name], n)}
    return next((by_name[name] for name in (paired, *_LABEL_NAMES) if name in by_name), None)


def _fits(header: Header, n: tuple[int, ...]) -> bool:
    shape, _, dtype = header
    return shape in (n, (*n, 1)) and dtype.kind in "biufU"


def _listing(headers: dict[str, Header]) -> str:
    return some((f"{name} {header[0]}" for name, header in headers.items()), 10)
