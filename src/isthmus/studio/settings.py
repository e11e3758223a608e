"""What the studio serves, where, and how much it takes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from isthmus.errors import ParameterError

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """How much one request, one client, and all together may ask for.

    Parameters
    ----------
    body : int
        Bytes of the body of a request.
    json : int
        Bytes of a body that is JSON, which takes far more memory and time than the same numbers as ``.npy``.
    rows : int
        Rows of data, codes or samples in one request.
    values : int
        Numbers in one answer: rows times the size of a sample.
    pixels : int
        Pixels of a picture that is sent.
    waiting : int
        Pieces of work that wait for the model; further ones are refused with 503.
    per_client : int
        Requests of one client that are answered at once; further ones are refused with 429.
    points : int
        Points on the map.
    message : int
        Bytes of a message on a socket.
    """

    body: int = 64 * MEGABYTE
    json: int = 16 * MEGABYTE
    rows: int = 10_000
    values: int = 1 << 26
    pixels: int = 16_000_000
    waiting: int = 64
    per_client: int = 64
    points: int = 100_000
    message: int = MEGABYTE


@dataclass(frozen=True)
class Settings:
    """What `isthmus.studio.app.create_app` serves.

    Parameters
    ----------
    paths : tuple of Path
        Run folders, and folders that hold some.
    host, port : str, int
        Where the server listens.
    token : str, optional
        What a client has to know. Without one, only this machine can reach the server.
    data : str, optional
        Data to look at, instead of those that each run was fitted on.
    limits : Limits
        How much it takes on.
    """

    paths: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    data: str | None = None
    limits: Limits = field(default_factory=Limits)

    def check(self) -> None:
        """Raise `ParameterError` for settings that would not be safe, or cannot be."""
        if not 0 <= self.port <= 65535:
            raise ParameterError(f"a port is a number from 0 to 65535, and {self.port} is not")
        if self.token is not None and not is_token(self.token):
            raise ParameterError("a token is made of 8 to 200 letters, digits, '-', '_', '.' and '~'")
        if self.token is None and not is_loopback(self.host):
            raise ParameterError(
                f"--host {self.host} lets other machines in, and there is no token to keep strangers out; add "
                "--token WORD, or leave --host out to serve this machine alone"
            )


def is_token(text: str) -> bool:
    """Whether a text can be a token: it has to pass through headers, cookies and addresses as it is."""
    plain = text.isascii() and all(letter.isalnum() or letter in "-_.~" for letter in text)
    return plain and 8 <= len(text) <= 200


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine as only itself can reach it."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
