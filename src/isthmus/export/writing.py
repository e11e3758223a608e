"""Writing a page, so that nothing that is not a page of ours is ever lost."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

from isthmus.errors import ExportError
from isthmus.files import atomic_write, make_folder

MARK = '<meta name="generator" content="isthmus '
"""What every page of ours begins with."""

_RECORD = "page.json"
_HEAD = 4096


def is_single(out: Path) -> bool:
    """Whether a page of this name is one file."""
    return out.suffix.lower() in (".html", ".htm")


def check_target(out: Path) -> None:
    """See that a page can go there, before anything takes time.

    Raises
    ------
    ExportError
        There is something that is not a page of ours.
    """
    if is_single(out):
        _check_file(out)
    else:
        _check_folder(out)


def write_file(out: Path, page: bytes) -> None:
    """Write a page of one file."""
    _check_file(out)
    atomic_write(out, page)


def write_folder(out: Path, files: dict[str, bytes]) -> None:
    """Write a page of several files, by their names in the folder; an earlier page in its place is replaced whole."""
    out = Path(os.path.realpath(out))
    _check_folder(out)
    make_folder(out.parent)
    # Not by tempfile, whose folders only their owner can enter: a page is to be served.
    fresh = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        fresh.mkdir()
    except OSError as error:
        raise ExportError(f"cannot write {out}: {error.strerror or error}") from None
    try:
        for name, data in {**files, _RECORD: _record(files)}.items():
            atomic_write(fresh / name, data)
        _put_in_place(fresh, out)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _put_in_place(fresh: Path, out: Path) -> None:
    """Rename the new folder to its name; the old one stays whole until then."""
    if not out.exists():
        fresh.rename(out)
        return
    old = fresh.with_name(f"{fresh.name}.old")
    out.rename(old)
    try:
        fresh.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _record(files: dict[str, bytes]) -> bytes:
    from isthmus import __version__

    return json.dumps({"isthmus": __version__, "files": sorted(files)}, indent=2).encode() + b"\n"


def _check_file(out: Path) -> None:
    if out.is_dir():
        raise ExportError(f"{out} is a folder; name a file that ends in .html, or a folder without such an ending")
    if out.exists() and MARK.encode() not in _head(out):
        raise ExportError(f"{out} is not a page of isthmus, and is left as it is; choose another name")


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ExportError(f"{out} is a file; a page is a folder, or one file that ends in .html")
    if not out.is_dir():
        return
    present = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    if not present:
        return
    others = sorted(present - _own_files(out))
    if others:
        raise ExportError(
            f"{out} holds {others[0]}, which is not of a page of isthmus; choose a folder that is new or empty"
        )


def _own_files(out: Path) -> set[str]:
    """Files that an earlier page in this folder says are its own."""
    try:
        if MARK.encode() not in _head(out / "index.html"):
            return set()
        record = json.loads((out / _RECORD).read_bytes()[: 1 << 20])
        return {*map(str, record["files"]), _RECORD}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return set()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)
