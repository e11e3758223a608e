"""Train a model from the page: the form, what "auto" will choose, a fit as it happens, and its end."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from studio_server import running

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Page, expect

# A fit has a process of its own, which has to import everything.
PATIENT = 90_000


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32))
    return path


@pytest.fixture
def place(tmp_path: Path):
    """A studio on an empty folder."""
    folder = tmp_path / "runs"
    folder.mkdir()
    with running(folder) as url:
        yield url, folder


def checked(page: Page) -> None:
    """Wait until the form has been looked at by the server."""
    page.wait_for_selector(".choices dt", timeout=PATIENT)


def field(page: Page, name: str):
    return page.locator(f'.form-field[data-name="{name}"]')


def name_data(page: Page, path: Path) -> None:
    page.select_option("#train-data", "other")
    page.get_by_label("Path or name of the data").fill(str(path))
    page.get_by_label("Path or name of the data").press("Tab")
    expect(page.locator(".outlook")).to_contain_text("rows of 5 columns", timeout=PATIENT)


def command(page: Page):
    return page.locator(".command")


def test_the_form_says_what_auto_will_choose_and_what_is_wrong(place, open_page, rows):
    url, folder = place
    page = open_page(f"{url}/#/train")
    checked(page)
    expect(field(page, "latent_dim").locator(".form-chosen")).to_have_text("auto: 16")
    expect(page.locator(".outlook")).to_contain_text("half of 64 values per sample")
    name_data(page, rows)
    expect(field(page, "latent_dim").locator(".form-chosen")).to_have_text("auto: 2")
    expect(command(page)).to_have_text(f"isthmus fit vae {rows} --out {folder}/rows_vae")
    beta = field(page, "beta")
    beta.get_by_role("textbox").fill("much")
    expect(beta.locator(".form-error")).to_have_text("--beta can be a number, and not much")
    expect(beta.get_by_role("textbox")).to_have_attribute("aria-invalid", "true")
    # A fit that cannot be is not started: the field that is wrong gets the focus.
    page.get_by_role("button", name="Start the fit").click()
    expect(beta.get_by_role("textbox")).to_be_focused()
    assert "/train/" not in page.url
    beta.get_by_role("textbox").fill("2.5")
    expect(beta.locator(".form-error")).to_be_hidden()
    expect(command(page)).to_contain_text("--beta 2.5")
    # What was said survives a reload.
    page.reload()
    checked(page)
    expect(field(page, "beta").get_by_role("textbox")).to_have_value("2.5")
    expect(page.get_by_label("Path or name of the data")).to_have_value(str(rows))
    expect(command(page)).to_contain_text("--beta 2.5")
    page.get_by_role("button", name="All defaults").click()
    expect(command(page)).not_to_contain_text("--beta")


def test_a_part_brings_its_own_options_and_another_model_its_own_form(place, open_page):
    url, _ = place
    page = open_page(f"{url}/#/train")
    checked(page)
    field(page, "network").get_by_role("combobox").first.select_option(label="MLP")
    hidden = field(page, "network.hidden").get_by_role("textbox")
    hidden.fill("12, 6")
    expect(command(page)).to_contain_text("--network MLP --network.hidden '[12,6]'")
    expect(page.locator(".outlook")).to_contain_text("MLP(hidden=(12, 6)")
    hidden.fill("0")
    expect(field(page, "network.hidden").locator(":scope > .form-error")).to_contain_text("at least one unit")
    page.select_option("#train-model", "sparse")
    expect(field(page, "sparsity")).to_be_visible()
    expect(field(page, "beta")).to_have_count(0)
    expect(command(page)).to_contain_text("isthmus fit sparse digits")
    page.select_option("#train-model", "vae")
    expect(field(page, "network.hidden").get_by_role("textbox")).to_have_value("0")


def test_a_name_that_is_taken_is_told_before_the_start(place, open_page):
    url, folder = place
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("kept")
    page = open_page(f"{url}/#/train")
    checked(page)
    page.get_by_label("Name of the run").fill("mine")
    expect(page.locator("#train-name-error")).to_contain_text("there is something of the name 'mine' already")
    page.get_by_label("Name of the run").fill("../mine")
    expect(page.locator("#train-name-error")).to_contain_text("is made of letters")


def test_start_follow_reload_and_stop_a_fit(place, open_page, rows):
    url, folder = place
    page = open_page(f"{url}/#/train?model=autoencoder")
    checked(page)
    name_data(page, rows)
    page.locator("details summary").click()
    field(page, "max_epochs").get_by_role("textbox").fill("1000000")
    field(page, "trainer.early_stopping").get_by_role("textbox").fill("none")
    field(page, "trainer.compile").get_by_role("combobox").select_option(label="no")
    page.get_by_label("Name of the run").fill("mine")
    expect(command(page)).to_contain_text("--trainer.early_stopping null")
    page.get_by_role("button", name="Start the fit").click()
    expect(page.get_by_role("heading", name="mine")).to_be_visible()
    expect(page.locator(".badge-running")).to_be_visible(timeout=PATIENT)
    # Losses and reconstructions move by themselves.
    line = page.locator('.fit-curve[data-term="loss"] path').first
    expect(line).to_have_attribute("d", re.compile("L"), timeout=PATIENT)
    epoch = page.locator(".fit-numbers dd").first
    before = epoch.inner_text()
    expect(epoch).not_to_have_text(before)
    bars = page.locator(".fit-shown .bar-value").first
    expect(bars).to_have_text(re.compile(r"\d"))
    expect(page.locator(".fit-numbers")).to_contain_text("left at most")
    # A page that comes later sees it all.
    page.reload()
    expect(line).to_have_attribute("d", re.compile("L"), timeout=PATIENT)
    expect(bars).to_have_text(re.compile(r"\d"))
    page.get_by_role("button", name="Stop and keep the best").click()
    expect(page.locator(".badge-stopped")).to_be_visible(timeout=PATIENT)
    expect(page.locator(".fit-notes")).to_contain_text("the best model so far, of epoch")
    kept = int(re.search(r"of epoch (\d+)", page.locator(".fit-notes").inner_text())[1])  # pyright: ignore
    import isthmus

    run = isthmus.load(folder / "mine")
    assert run.best_epoch_ == kept == 1 + int(np.argmin(run.history_["val_loss"]))
    expect(page.get_by_role("link", name="Explore it")).to_have_attribute("href", "#/run/mine/explore")
    # It goes on from there.
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".badge-running")).to_be_visible(timeout=PATIENT)
    page.get_by_role("button", name="Stop and keep the best").click()
    expect(page.locator(".badge-stopped")).to_be_visible(timeout=PATIENT)
    page.get_by_role("link", name="Train another").click()
    expect(page.get_by_role("region", name="Fits")).to_contain_text("mine")
    [listed] = json.load(urllib.request.urlopen(f"{url}/api/runs"))
    assert (listed["name"], listed["model"]) == ("mine", "autoencoder")


def test_a_fit_that_fails_says_why(place, open_page, rows):
    url, _ = place
    body = {"model": "vae", "data": str(rows), "name": "gone", "values": {}}
    request = urllib.request.Request(
        f"{url}/api/fits", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    rows.unlink()
    number = json.load(urllib.request.urlopen(request))["id"]
    page = open_page(f"{url}/#/train/{number}")
    expect(page.locator(".fit-error")).to_contain_text("rows.npy", timeout=PATIENT)
    expect(page.locator(".badge-failed")).to_be_visible()
    expect(page.get_by_role("link", name="Explore it")).to_have_count(0)


def test_a_fit_that_does_not_exist_is_told(place, open_page):
    url, _ = place
    page = open_page(f"{url}/#/train/77", complaints=("404",))
    expect(page.get_by_role("alert")).to_contain_text("there is no fit '77'")


def test_pictures_are_drawn_as_they_are_learned(place, open_page):
    url, _ = place
    body = {"model": "linear", "data": "faces:n=30,size=16", "name": "faces", "values": {"report": False}}
    request = urllib.request.Request(
        f"{url}/api/fits", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    number = json.load(urllib.request.urlopen(request))["id"]
    page = open_page(f"{url}/#/train/{number}")
    expect(page.locator(".badge-done")).to_be_visible(timeout=PATIENT)
    drawn = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, 16, 16).data).size"
    canvases = page.locator(".fit-pictures canvas:visible")
    n = canvases.count()
    assert n >= 4
    assert all(canvases.nth(i).evaluate(drawn) > 20 for i in range(n))


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_wider_than_a_narrow_screen(place, open_page, width):
    url, _ = place
    page = open_page(f"{url}/#/train")
    page.set_viewport_size({"width": width, "height": 800})
    checked(page)
    page.locator("details summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
