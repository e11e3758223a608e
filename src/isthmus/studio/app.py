"""The application: routes, guards and errors put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from isthmus import __version__
from isthmus.errors import IsthmusError
from isthmus.studio.context import Studio
from isthmus.studio.guards import Guards
from isthmus.studio.library import Library
from isthmus.studio.pages import STATIC, policy
from isthmus.studio.refusal import Refusal, refuse, told
from isthmus.studio.settings import Settings
from isthmus.studio.work import Work

ROUTERS = (
    "isthmus.studio.pages:router",
    "isthmus.studio.docs_page:router",
    "isthmus.studio.runs_api:router",
    "isthmus.studio.paths_api:router",
    "isthmus.studio.live:router",
    "isthmus.studio.model_api:router",
    "isthmus.studio.fits.api:router",
    "isthmus.studio.lab.api:router",
)
"""Where the routes are, "module:attribute", in the order in which they are listed."""

_PLAIN = {404: "there is nothing at this address", 405: "this address does not know that method"}


def create_app(settings: Settings) -> FastAPI:
    """The studio as an ASGI application.

    Parameters
    ----------
    settings : Settings
        What it serves, and how much it takes on.
    """
    settings.check()
    library = Library(settings.paths, settings.data, settings.limits)
    studio = Studio(settings, library, Work(settings.limits.waiting))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(_warm_up(studio))
        yield
        warming.cancel()
        studio.work.close()

    app = FastAPI(
        title="isthmus studio",
        version=__version__,
        description="Trained autoencoders over HTTP: encode, decode, reconstruct, sample and score.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.studio = studio
    for place in ROUTERS:
        module, _, attribute = place.partition(":")
        app.include_router(getattr(import_module(module), attribute))
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")
    app.add_middleware(Guards, settings=settings, policy=policy())
    for kind in (Refusal, IsthmusError, Exception):
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(HTTPException, _refuse_plainly)
    app.add_exception_handler(RequestValidationError, _refuse_values)
    return app


async def _warm_up(studio: Studio) -> None:
    """Open the run that everybody will ask for, if there is only one."""
    # What is wrong with it is said to who asks.
    with suppress(Exception):
        found = await studio.aside(studio.library.list)
        if len(found) == 1:
            opened = await studio.open(found[0].name)
            await opened.columns.get("place", studio.work)


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    return refuse(*told(error), error.headers if isinstance(error, Refusal) else None)


async def _refuse_plainly(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentence = _PLAIN.get(error.status_code, str(error.detail))
    return refuse(error.status_code, sentence, dict(error.headers or {}))


async def _refuse_values(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return refuse(422, f"{place}: {first['msg']}")
