"""Routes: forms of models, and fits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from isthmus.errors import IsthmusError
from isthmus.studio.asking import asked
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.fits.job import command
from isthmus.studio.fits.jobs import Jobs
from isthmus.studio.fits.sources import Descriptions, free_name, known_sources, new_folder, run_root
from isthmus.studio.refusal import Refusal, one_sentence, told
from isthmus.studio.settings import is_loopback


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.jobs, app.state.descriptions = Jobs(), Descriptions()
    try:
        yield
    finally:
        await app.state.jobs.close()
        app.state.descriptions.close()


_LONGEST = 4096

router = APIRouter(prefix="/api", tags=["train"], lifespan=_lifespan)


def _jobs_of(connection: HTTPConnection) -> Jobs:
    return connection.app.state.jobs


def _descriptions_of(connection: HTTPConnection) -> Descriptions:
    return connection.app.state.descriptions


TheStudio = Annotated[Studio, Depends(studio_of)]
TheJobs = Annotated[Jobs, Depends(_jobs_of)]
TheDescriptions = Annotated[Descriptions, Depends(_descriptions_of)]


def _plain(value: Any) -> Any:
    """A value of an option as it is, if it is one that an option can have."""
    from isthmus.studio.fits.fields import MOST_ITEMS

    items = value if isinstance(value, list) else [value]
    if len(items) > MOST_ITEMS or not all(_is_plain(item) for item in items):
        said = f"a value is a number, true, false, null, a text, or a list of at most {MOST_ITEMS} of them"
        raise PydanticCustomError("value", "{said}", {"said": said})
    return value


def _is_plain(item: Any) -> bool:
    if isinstance(item, str):
        # Half of a character, which JSON can say, can never be sent back.
        return len(item) <= _LONGEST and not any("\ud800" <= letter <= "\udfff" for letter in item)
    return item is None or isinstance(item, bool | int | float)


Name = Annotated[str, AfterValidator(_plain), Field(max_length=200)]
Value = Annotated[Any, AfterValidator(_plain)]


class Wishes(BaseModel):
    """Data, as ``isthmus fit`` takes them, and options by name, such as ``beta`` or ``trainer.batch_size``."""

    model_config = ConfigDict(extra="forbid")

    data: str = Field(default="", max_length=_LONGEST)
    name: str = Field(default="", max_length=200)
    values: dict[Name, Value] = Field(default_factory=dict, max_length=200)


class Order(Wishes):
    """A fit: also the model, and the name of the run that it becomes."""

    model: str = Field(max_length=100)


def _body(kind: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": kind.model_json_schema()}}}}


@router.get("/form")
async def form_list(studio: TheStudio) -> dict[str, Any]:
    """All models, and data that are at hand."""
    sources = await asyncio.to_thread(known_sources, studio.library)
    return {"models": await studio.work.run(_models), "data": sources}


@router.get("/form/{model}")
async def form(model: str, studio: TheStudio) -> dict[str, Any]:
    """What can be said about a fit of a model: names, types, defaults, help and domains of its options."""
    return await studio.work.run(_form, model)


@router.post("/form/{model}", openapi_extra=_body(Wishes))
async def check(model: str, request: Request, studio: TheStudio, descriptions: TheDescriptions) -> dict[str, Any]:
    """What is wrong with the options, by their names; what "auto" will choose, and why; and the command line."""
    wishes = await asked(request, Wishes)
    await studio.work.run(_form, model)
    name = wishes.name or await _suggestion(studio, model, wishes.data)
    found = await studio.work.run(_checked, model, wishes, _shown(studio, name))
    errors, problem, outlook, seen = found["errors"], found["problem"], None, None
    if wishes.data and problem is None:
        _may_read(studio)
        try:
            seen = await descriptions.of(model, found["config"])
            if seen is None:
                problem = "reading these data takes long; what is chosen will be shown once the fit has begun"
            else:
                outlook, more, problem = await studio.work.run(_foreseen, model, wishes, errors, seen)
                errors = {**errors, **more}
        except IsthmusError as error:
            errors = {**errors, "data": one_sentence(error)}
    if wishes.name and (reason := await asyncio.to_thread(_name_problem, studio, wishes.name)):
        errors = {**errors, "name": reason}
    return {
        "name": name,
        "errors": errors,
        "problem": problem,
        "command": found["command"],
        "data": None if seen is None else seen.sentence(),
        "outlook": None if outlook is None else outlook.record(),
    }


@router.post("/fits", status_code=201, openapi_extra=_body(Order))
async def start(request: Request, studio: TheStudio, jobs: TheJobs) -> dict[str, Any]:
    """Start a fit in a process of its own; if one is running, it waits for its turn."""
    order = await asked(request, Order)
    if not order.data:
        raise Refusal(422, "data: say what to fit the model to")
    _may_read(studio)
    title = (await studio.work.run(_form, order.model))["title"]
    name = order.name or await _suggestion(studio, order.model, order.data)
    folder = await asyncio.to_thread(_folder, studio, name)
    args = await studio.work.run(_args, order)
    return jobs.record(jobs.submit(name, order.model, title, order.data, args, (folder, _shown(studio, name))))


@router.get("/fits")
async def fits(jobs: TheJobs) -> list[dict[str, Any]]:
    """All fits since the server was started, the newest first."""
    return jobs.list()


@router.get("/fits/{number}")
async def one_fit(number: str, jobs: TheJobs) -> dict[str, Any]:
    """How a fit goes, with its epochs; losses in nats per sample."""
    job = jobs.get(number)
    return {**jobs.record(job), "epochs": job.epochs}


@router.post("/fits/{number}/stop")
async def stop(number: str, jobs: TheJobs) -> dict[str, Any]:
    """End a fit, as Ctrl-C does: the best model so far becomes the run."""
    return jobs.record(jobs.stop(number))


@router.post("/fits/{number}/resume")
async def resume(number: str, jobs: TheJobs) -> dict[str, Any]:
    """Let a fit that was stopped go on from where it was."""
    return jobs.record(jobs.resume(number))


@router.websocket("/fits/{number}/live")
async def live(socket: WebSocket, number: str, jobs: TheJobs) -> None:
    """A fit as it happens: its state and new epochs as text, pictures as frames; first what there is already."""
    await socket.accept()
    try:
        job = jobs.get(number)
    except Refusal as refusal:
        await socket.send_json({"event": "error", "error": refusal.sentence})
        await socket.close(4404)
        return
    leaving = asyncio.create_task(_left(socket))
    telling = asyncio.create_task(_tell(socket, jobs, job))
    await asyncio.wait((leaving, telling), return_when=asyncio.FIRST_COMPLETED)
    for task in (leaving, telling):
        task.cancel()
    await asyncio.gather(leaving, telling, return_exceptions=True)


async def _tell(socket: WebSocket, jobs: Jobs, job: Any) -> None:
    async for message in jobs.follow(job):
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await socket.send_json(message)
    await socket.close()


async def _left(socket: WebSocket) -> None:
    """Wait until the other side goes; it has nothing to say."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.receive_text()


def _may_read(studio: Studio) -> None:
    """Data are named as on the command line, by paths too: for whoever sits at this machine, or knows the token."""
    if studio.settings.token is None and not is_loopback(studio.settings.host):
        raise Refusal(403, "data can be named only on a server that listens on this machine alone, or has a token")


async def _suggestion(studio: Studio, model: str, data: str) -> str:
    def suggest() -> str:
        names = {run.name for run in studio.library.list()}
        stem = data.rstrip("/").rpartition("/")[2].partition(":")[0].partition(".")[0]
        return free_name(names, studio.library.paths, f"{stem}_{model}" if stem else model)

    return await asyncio.to_thread(suggest)


def _shown(studio: Studio, name: str) -> str:
    """Folder of a new run, from where the server was started, with the studio's own folder as the user named it."""
    root = run_root(studio.settings.paths)
    return name if root is None else (root / name).as_posix()


def _folder(studio: Studio, name: str) -> Path:
    """Folder of a new run; `Refusal` if it cannot have this name."""
    folder = new_folder(studio.library.paths, name)
    if any(run.name == name for run in studio.library.list()):
        raise Refusal(409, f"there is a run of the name {name!r} already; choose another name")
    return folder


def _name_problem(studio: Studio, name: str) -> str | None:
    try:
        _folder(studio, name)
    except (Refusal, IsthmusError) as error:
        return told(error)[1]
    return None


# These use the models, and run in the studio's thread.


def _models() -> list[dict[str, str]]:
    from isthmus.commands.listing import summary
    from isthmus.models import models

    return [{"name": name, "title": cls.__name__, "summary": summary(cls)} for name, cls in models().items()]


def _form(model: str) -> dict[str, Any]:
    from isthmus.errors import ParameterError
    from isthmus.studio.fits.forms import make_form

    try:
        return make_form(model).record()
    except ParameterError as error:
        raise Refusal(404, one_sentence(error)) from None


def _checked(model: str, wishes: Wishes, out: str) -> dict[str, Any]:
    from isthmus.studio.fits.filling import build, faults
    from isthmus.studio.fits.forms import make_form

    own, data = make_form(model), wishes.data or "digits"
    result, errors, problem = faults(wishes.values, lambda values: build(own, values, data))
    config, args = result or (None, [data])
    line = command(model, [*args, "--out", out])
    return {"config": config, "errors": errors, "problem": problem, "command": line}


def _foreseen(model: str, wishes: Wishes, errors: dict[str, str], seen: Any) -> tuple[Any, dict[str, str], str | None]:
    from isthmus.studio.fits.choices import look_ahead
    from isthmus.studio.fits.filling import build, faults
    from isthmus.studio.fits.forms import make_form

    own = make_form(model)
    sound = {
        name: value
        for name, value in wishes.values.items()
        if not any(name == bad or name.startswith(f"{bad}.") for bad in errors)
    }
    return faults(sound, lambda values: look_ahead(model, build(own, values, wishes.data)[0], seen))


def _args(order: Order) -> list[str]:
    from isthmus.studio.fits.filling import build, faults
    from isthmus.studio.fits.forms import make_form

    own = make_form(order.model)
    result, errors, problem = faults(order.values, lambda values: build(own, values, order.data))
    if errors or problem:
        raise Refusal(422, next(iter(errors.values()), problem or ""))
    return result[1]
