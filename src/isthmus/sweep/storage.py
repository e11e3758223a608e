"""Where studies are kept: databases, and what several processes have to agree on to share them."""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import IsthmusError, MissingExtraError, ParameterError, RunError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_HEARTBEAT, _GRACE = 15, 60
"""Seconds between signs of life of a worker, and without one until its trial is given up."""
_PATIENCE = 120
_ATTEMPTS = 5


def need_optuna() -> Any:
    """The module, or an error that says how to install it."""
    try:
        import filelock  # noqa: F401 (of the same extra)
        import optuna
    except ImportError:
        raise MissingExtraError("a search needs Optuna: pip install 'isthmus[search]'") from None
    return optuna


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Nothing but our own words, for the duration of the block."""
    optuna = need_optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", module=r"optuna(\..*)?")
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder, against other processes that share it."""
    from filelock import FileLock

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise RunError(f"cannot lock {path}, which workers share: {error}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """Say in one line what is wrong with a database."""
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        # The thread that gives signs of life meets the same error, and need not say so as well.
        if _database_error(args.exc_value) is None:
            before(args)

    threading.excepthook = hook
    try:
        yield
    except IsthmusError:
        raise
    except Exception as error:
        reason = _database_error(error)
        if reason is None:
            raise
        raise RunError(
            f"the database of the search ({where}) does not answer: {first_line(reason)}; what is finished is kept in "
            "it, and the same search goes on"
        ) from None
    finally:
        threading.excepthook = before


def _database_error(error: BaseException | None) -> BaseException | None:
    """What the database has said, behind an error that others made of it."""
    from sqlalchemy.exc import SQLAlchemyError

    while error is not None:
        if isinstance(error, SQLAlchemyError):
            return error
        error = error.__cause__ or error.__context__
    return None


def hidden(url: str) -> str:
    """The address of a database without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def sqlite_url(path: Path) -> str:
    """Address of an SQLite file."""
    from sqlalchemy.engine import URL

    text = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    return text.replace("{", "{{").replace("}", "}}")  # Optuna fills in what stands in braces


def open_storage(url: str | None) -> BaseStorage:
    """The database at this address, made if need be; None keeps the study in memory.

    Raises
    ------
    ParameterError
        The address cannot be read.
    MissingExtraError
        The driver of the database is missing.
    RunError
        The database cannot be opened.
    """
    if url is None:
        return need_optuna().storages.InMemoryStorage()
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        address = make_url(url)
        if address.get_backend_name() != "sqlite":
            return _open(url, {})
        with locked(Path(address.database or "memory").absolute()):
            return _open(url, {"connect_args": {"timeout": _PATIENCE}})
    except ArgumentError:
        raise ParameterError(
            f"{re.sub(':[^:/@]*@', ':***@', url)!r} is no address of a database; write sqlite:///FILE, or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    except ImportError as error:
        raise MissingExtraError(
            f"{hidden(url)} needs a driver that is not installed ({error.__cause__ or error}); install it with pip"
        ) from None
    except (SQLAlchemyError, RuntimeError) as error:
        raise RunError(f"cannot open {hidden(url)}: {first_line(error)}") from None


def _open(url: str, options: dict[str, Any]) -> BaseStorage:
    from sqlalchemy.exc import DatabaseError

    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            return need_optuna().storages.RDBStorage(
                url, engine_kwargs=options, heartbeat_interval=_HEARTBEAT, grace_period=_GRACE
            )
        except DatabaseError:
            # Two workers that make the tables of one server at the same time get into each other's way.
            if not attempts_left:
                raise
            time.sleep(0.5)
    raise AssertionError("there is at least one attempt")


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
