"""The server that runs the application."""

from __future__ import annotations

import uvicorn

from isthmus.studio.app import create_app
from isthmus.studio.settings import Settings


def make_server(settings: Settings) -> uvicorn.Server:
    """A server of the studio, to be given a socket that listens: ``server.run([socket])``."""
    config = uvicorn.Config(
        create_app(settings),
        log_level="warning",
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=settings.limits.message,
        # To pack pictures takes longer than to send them on one machine.
        ws_per_message_deflate=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)
