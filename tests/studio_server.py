"""A studio in a thread of its own, and runs for it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sklearn.datasets import load_digits

from isthmus.runs import write_run
from isthmus.studio.server import make_server
from isthmus.studio.settings import Settings

_digits: Any = load_digits()
PICTURES = (_digits.images[:150] * 15).astype(np.uint8)
LABELS = _digits.target[:150]


@contextmanager
def running(*paths: Path, **settings: Any) -> Iterator[str]:
    """Address of a studio that serves these folders, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = make_server(Settings(paths, port=port, **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the studio did not start"
                time.sleep(0.005)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serve(*paths: Path, **settings: Any) -> Iterator[httpx.Client]:
    """A client of such a studio."""
    with running(*paths, **settings) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def labelled_data(folder: Path) -> str:
    """The pictures and their labels in a file."""
    path = folder / "digits.npz"
    if not path.exists():
        np.savez(path, x=PICTURES, y=LABELS)
    return str(path)


def make_run(folder: Path, model: Any, data: Any, source: str | None = None) -> Any:
    """Fit a model, and save it with the name of its data; returns the model."""
    model.fit(data)
    write_run(model, folder, None if source is None else {"data": source, "options": {}})
    return model
