"""``isthmus studio``."""

from __future__ import annotations

import socket
import threading
import webbrowser
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from isthmus.commands.parsing import Parser
from isthmus.errors import DataSourceError, MissingExtraError, ParameterError
from isthmus.studio.imports import import_models
from isthmus.studio.settings import Settings

_DEFAULT = Path("runs")


def run(command: str, args: list[str]) -> int:
    """Serve the page until Ctrl-C."""
    parser = Parser(
        prog=f"isthmus {command}",
        description="A page in the browser to explore trained models with sliders and a map, and an HTTP API. "
        "Ctrl-C ends it.",
    )
    text = "run folders, or folders that hold some; by default the folder runs, if there is one here"
    parser.add_argument("paths", type=str, nargs="*", metavar="PATH", help=text)
    parser.add_argument("--data", type=str | None, metavar="DATA", help="data to look at, instead of the runs' own")
    parser.add_argument("--host", type=str, default="127.0.0.1", help="address to listen on; others need a token")
    parser.add_argument("--port", type=int, default=8765, help="port to listen on; 0: any that is free")
    parser.add_argument("--token", type=str | None, metavar="WORD", help="word that clients have to know")
    parser.add_argument("--open", action="store_true", default=True, help="open the page in the browser")
    parser.add_argument("--no-open", dest="open", action="store_false", help="do not")
    config = parser.parse_args(args)
    settings = Settings(_paths(config.paths), config.host, config.port, config.token, config.data)
    settings.check()
    with _listen(settings) as listener:
        _serve(replace(settings, port=listener.getsockname()[1]), listener, config.open)
    return 0


def _paths(given: list[str]) -> tuple[Path, ...]:
    paths = tuple(Path(path) for path in given) or ((_DEFAULT,) if _DEFAULT.is_dir() else ())
    if not paths:
        raise ParameterError("there is no folder runs here; name the folder of a run: isthmus studio RUN")
    for path in paths:
        if not path.is_dir():
            raise DataSourceError(f"there is no folder {path}")
    return paths


def _listen(settings: Settings) -> socket.socket:
    """The port, taken before anything slow is imported."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Without the protocol asyncio leaves Nagle's algorithm on, and small answers wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        # Who comes before the server is ready waits instead of being turned away.
        listener.listen(128)
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        text = f"cannot listen on {settings.host}:{settings.port}: {reason.lower()}; choose another with --port"
        raise ParameterError(text) from None
    return listener


def _serve(settings: Settings, listener: socket.socket, opens: bool) -> None:
    # Before the server's own packages: this takes longest, and goes on while these are imported.
    threading.Thread(target=import_models, daemon=True).start()
    try:
        from isthmus.studio.server import make_server
    except ImportError as error:
        raise MissingExtraError(f"the studio needs {error.name}: pip install 'isthmus[studio]'") from None
    server = make_server(settings)
    url = _address(settings)
    print(f"isthmus studio: {url}\nCtrl-C ends it", flush=True)
    if opens:
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    # Ctrl-C is how it is meant to end; uvicorn passes it on once all answers are out.
    with suppress(KeyboardInterrupt):
        server.run([listener])


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    shown = f"[{host}]" if ":" in host else host
    token = f"/?token={settings.token}" if settings.token else ""
    return f"http://{shown}:{settings.port}{token}"
