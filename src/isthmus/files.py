"""Writing that cannot lose what was there, and reading that trusts nothing."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from isthmus.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

PARAMS, WEIGHTS, HISTORY = "params.json", "model.safetensors", "history.csv"
"""The files of a run folder."""
_MOST_JSON_BYTES = 4 << 20


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file as `atomic_file` does."""
    with atomic_file(path) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, so that a crash or an error at any moment leaves the old one or the new one, whole.

    It is a temporary one beside it, synced and renamed at the end of the block; the folder is created if needed and
    synced as well.
    """
    make_folder(path.parent)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only the owner can read; give what a plain open() would.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it exists."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror or error}") from None


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that a killed `atomic_write` of ``path`` left behind."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; what `read_json` would refuse for its length is refused here."""
    data = (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
    if len(data) > _MOST_JSON_BYTES:
        raise RunError(
            f"{path} would be {len(data):,} bytes long, more than the {_MOST_JSON_BYTES:,} that are read back"
        )
    atomic_write(path, data)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of at most 4 MB; anything else is a `RunError`."""
    try:
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is not a file")
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise RunError(f"{path} is {path.stat().st_size:,} bytes long, too long for a parameter file of isthmus")
        value = json.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise RunError(f"there is no {path.name} in {path.parent}; is it a run folder of isthmus?") from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise RunError(f"{path} is damaged: it is not valid JSON") from None
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: it does not hold a JSON object")
    return value


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as one safetensors file, atomically."""
    from safetensors.torch import save

    # safetensors wants each tensor contiguous and with memory of its own.
    atomic_write(path, save({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file and its metadata.

    The header is checked against the size of the file before any tensor is made, so a forged one allocates
    nothing; whatever is wrong is a `RunError`.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RunError(f"there is no {path.name} in {path.parent}; is it a run folder of isthmus?")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Cloned, because a tensor of safetensors is a window on the file, which may change or go.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise RunError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    return tensors, metadata


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
