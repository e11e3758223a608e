"""A browser, a studio that serves small runs, and pages that may not complain or leave the machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from studio_server import running

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LONGEST = 30_000
"""Milliseconds that a page may take for anything."""


def fit_run(folder: Path, data: str, *, smile: bool = False, label: str | None = None, **parameters) -> Path:
    """Fit a small VAE, and keep where its data come from, as ``isthmus fit`` does."""
    from isthmus import VAE
    from isthmus.data import load
    from isthmus.runs import write_run

    options = {} if label is None else {"label": label}
    model = VAE(random_state=0, **parameters).fit(load(data, **options))
    if smile:
        size = data.rpartition(",")[2]
        groups = (load(f"faces:n=20,{size},smile={ends}") for ends in ("0.5..1", "-1..-0.5"))
        model.fit_attribute("smile", *groups)
    write_run(model, folder, {"data": data, "options": options})
    return folder


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: faces with a smile, digits twice, a table, one without its data, and one that is damaged."""
    folder = tmp_path_factory.mktemp("runs")
    fit_run(folder / "faces", "faces:n=120,size=16", smile=True, latent_dim=4, max_epochs=2)
    fit_run(folder / "digits", "digits", latent_dim=3, max_epochs=2)
    fit_run(folder / "more" / "plane", "digits", latent_dim=2, max_epochs=2)
    from isthmus import VAE, ConditionalVAE
    from isthmus.data import load
    from isthmus.runs import write_run

    told = load("digits")
    model = ConditionalVAE(latent_dim=2, max_epochs=1, random_state=0).fit(told.X, told.y)
    write_run(model, folder / "told", {"data": "digits", "options": {}})
    table = folder / "table.csv"
    rows = (f"{i % 7},{(i * i) % 11 / 10},{300 + 40 * (i % 7) + i % 5},{'ab'[i % 2]}" for i in range(60))
    table.write_text("height,width,weight,kind\n" + "\n".join(rows) + "\n")
    fit_run(folder / "table", str(table), label="kind", latent_dim=2, max_epochs=2)
    VAE(latent_dim=2, max_epochs=1, random_state=0).fit("digits").save(folder / "loose")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "params.json").write_text("{")
    return folder


@pytest.fixture(scope="package")
def studio(runs: Path) -> Iterator[str]:
    """Address of a studio that serves `runs`."""
    with running(runs) as url:
        yield url


@pytest.fixture(scope="package")
def browser() -> Iterator[sync_api.Browser]:
    """Chromium, or a reason to skip."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: sync_api.Browser) -> Iterator[Callable[..., sync_api.Page]]:
    """Open pages in contexts of their own; afterwards none may have complained, or asked another server."""
    with ExitStack() as after:

        def open_one(url: str, *, complaints: tuple[str, ...] = (), **options) -> sync_api.Page:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
            after.callback(context.close)
            context.set_default_timeout(LONGEST)
            page = context.new_page()
            page.wait_for_function = partial(until, page)
            said, asked = [], set()
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            context.on("request", lambda request: asked.add(request.url))
            page.goto(url)
            host = urlsplit(url).netloc
            after.callback(_check, said, asked, host, complaints)
            return page

        yield open_one


def until(page: sync_api.Page, expression: str, *, arg: Any = None) -> None:
    """Wait until a function or an expression gives something true.

    Playwright's own way makes the page evaluate text, which the studio's content security policy forbids.
    """
    end = time.monotonic() + LONGEST / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"this has not come true: {expression}"
        page.wait_for_timeout(20)


def _check(said: list[str], asked: set[str], host: str, allowed: tuple[str, ...]) -> None:
    unexpected = [text for text in said if not any(part in text for part in allowed)]
    assert not unexpected, f"the page complained: {unexpected}"
    elsewhere = [url for url in asked if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != host]
    assert not elsewhere, f"the page asked other servers: {elsewhere}"
