"""Pages without a server: from a plain file server and from the disk, offline, the models computing as in Python."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from isthmus import VAE, load
from isthmus.data import load as load_data
from isthmus.engines.settings import RUNTIME, has_onnx
from isthmus.export import write_page
from isthmus.networks import Linear
from isthmus.onnx import Graphs, make_graphs
from isthmus.runs import write_run
from isthmus.studio.shown import shown

if not has_onnx((*RUNTIME, "onnxscript")):
    pytest.skip("needs the extra onnx", allow_module_level=True)

FACES = "faces:n=120,size=16"
PIXELS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return { width: canvas.width, grey: Array.from(data).filter((_, i) => i % 4 === 0) };
}"""
NASTY = '</script><img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def pages(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of faces, as a folder and as a file, and of a table."""
    folder = tmp_path_factory.mktemp("pages")
    made: dict[tuple[int, ...], Graphs] = {}

    def once(estimator, positions):
        """Networks of a model that is written twice."""
        if estimator.info_.shape not in made:
            made[estimator.info_.shape] = make_graphs(estimator, positions)
        return made[estimator.info_.shape]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isthmus.onnx.make_graphs", once)
        write_page(runs / "faces", folder / "faces")
        write_page(runs / "faces", folder / "faces.html", n_samples=50)
        write_page(runs / "table", folder / "table.html")
    return folder


@pytest.fixture(scope="module")
def address(pages: Path) -> Iterator[str]:
    """Of the pages on Python's own file server."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=pages)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def faces(runs: Path) -> VAE:
    return load(runs / "faces")


def grey(page, selector: str) -> np.ndarray:
    """What a canvas shows, once it shows anything."""
    page.wait_for_function("(css) => (document.querySelector(css)?.width ?? 0) > 1", arg=selector)
    found = page.eval_on_selector(selector, PIXELS)
    return np.array(found["grey"]).reshape(-1, found["width"])


def after_drawing(page, selector: str, act) -> np.ndarray:
    """What a canvas shows after something was done that draws on it."""
    page.eval_on_selector(
        selector,
        "(canvas) => { canvas.dataset.drawn = ''; "
        "canvas.addEventListener('drawn', () => { canvas.dataset.drawn = 'yes'; }, { once: true }); }",
    )
    act()
    page.wait_for_selector(f"{selector}[data-drawn=yes]")
    return grey(page, selector)


def expected(model: VAE, codes) -> np.ndarray:
    """Bytes (H, W) of a decoded code."""
    return shown(model.inverse_transform(np.atleast_2d(np.asarray(codes, np.float32))), model.info_)[0, ..., 0]


@pytest.mark.parametrize("where", ["server", "disk", "disk, as a folder"])
def test_a_slider_changes_the_picture_to_what_torch_decodes(where, pages, address, open_page, faces):
    urls = {
        "server": f"{address}/faces/index.html",
        "disk": (pages / "faces.html").as_uri(),
        "disk, as a folder": (pages / "faces" / "index.html").as_uri(),
    }
    page = open_page(urls[where], offline=where != "server")
    before = grey(page, "canvas.shown-main")
    slider = page.locator(".sliders-panel input[type=range]").nth(1)
    after = after_drawing(page, "canvas.shown-main", lambda: [slider.focus(), page.keyboard.press("PageUp")])
    assert (before != after).any()
    # Leaving a page writes into its address what is pending.
    page.evaluate("() => dispatchEvent(new Event('pagehide'))")
    code = page.evaluate("() => new URLSearchParams(location.hash.split('?')[1]).get('z')")
    # The address holds five digits of each value.
    assert np.abs(after.astype(int) - expected(faces, [float(value) for value in code.split(",")])).max() <= 1


def test_a_sample_is_shown_with_its_posterior(pages, open_page, faces):
    page = open_page((pages / "faces" / "index.html").as_uri(), offline=True)
    page.locator(".row-number").fill("7")
    page.locator(".row-number").press("Enter")
    page.wait_for_selector(".selected canvas")
    page.wait_for_function("() => !document.querySelector('.selected').hidden")
    X = load_data(FACES).X[7:8]
    np.testing.assert_array_equal(grey(page, "canvas.shown-other"), X[0])
    q, smile = faces.posterior(X), faces.attribute("smile", X)
    said = page.locator(".sliders-panel input[type=range]").evaluate_all(
        "(inputs) => inputs.map((input) => [input.getAttribute('aria-label'), input.getAttribute('aria-description')])"
    )
    texts = {label: description.replace("−", "-") for label, description in said}
    (attribute,) = (text for label, text in texts.items() if label == "Attribute smile")
    assert numbers(attribute) == pytest.approx([smile.mean[0], smile.std[0]], rel=0.006, abs=0.006)
    for k in range(4):
        (latent,) = (text for label, text in texts.items() if label.startswith(f"Latent z{k},"))
        assert numbers(latent) == pytest.approx([q.mean[0, k], q.std[0, k]], rel=0.006, abs=0.006)
    page.reload()
    page.wait_for_function("() => document.querySelector('.row-number')?.value === '7'")


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.rpartition(": ")[2].split("±")]


def test_the_pointer_decodes_where_nothing_is(pages, open_page):
    page = open_page((pages / "faces.html").as_uri(), offline=True)
    grey(page, "canvas.shown-main")
    box = page.locator(".map-stage").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.move(box["x"] + 6, box["y"] + 6)
    page.wait_for_selector(".tip:not([hidden])")
    assert page.locator(".tip-caption").text_content() == "decoded here"
    before = grey(page, "canvas.shown-main")
    after = after_drawing(page, "canvas.shown-main", lambda: page.mouse.click(box["x"] + 6, box["y"] + 6))
    assert (before != after).any()


def test_axes_and_colours_can_be_chosen(pages, open_page):
    page = open_page((pages / "faces.html").as_uri(), offline=True)
    page.wait_for_selector(".map-stage[data-points='50']")
    for field, value in ((1, "z0"), (0, "z2"), (2, "error"), (2, "attribute:smile")):
        choice = page.locator(".map-choices select").nth(field)
        choice.select_option(value)
        page.wait_for_function("(value) => location.hash.includes(encodeURIComponent(value))", arg=value)
        assert choice.input_value() == value
    assert page.locator(".toast").count() == 0


def test_a_path_leads_from_one_sample_to_another(pages, open_page, faces):
    page = open_page(f"{(pages / 'faces' / 'index.html').as_uri()}#/run/faces/paths?from=3&to=9&steps=6", offline=True)
    page.wait_for_function("() => document.querySelectorAll('.way-strip canvas').length === 6")
    codes = faces.transform(load_data(FACES).X[[3, 9]])
    for place, code in ((0, codes[0]), (5, codes[1])):
        found = page.locator(".way-strip canvas").nth(place).evaluate(PIXELS)
        picture = np.array(found["grey"]).reshape(-1, found["width"])
        assert np.abs(picture.astype(int) - expected(faces, code)).max() <= 1


def test_a_picture_of_ones_own_is_reconstructed(pages, open_page, faces, tmp_path):
    own = load_data("faces:n=5,size=16,smile=0.9..1").X[4]
    Image.fromarray(own).save(tmp_path / "own.png")
    (tmp_path / "notes.png").write_text("no picture")
    page = open_page(f"{(pages / 'faces.html').as_uri()}#/run/faces/own", offline=True)
    page.set_input_files("input[type=file]", tmp_path / "notes.png")
    page.get_by_text("notes.png is not a picture that this browser can read.").wait_for()
    page.set_input_files("input[type=file]", tmp_path / "own.png")
    page.wait_for_selector(".own-body:not([hidden])")
    np.testing.assert_array_equal(grey(page, ".own-pair canvas"), own)
    rebuilt = grey(page, "canvas.own-rebuilt")
    assert np.abs(rebuilt.astype(int) - expected(faces, faces.transform(own[None]))).max() <= 1
    page.get_by_text("Explore from here").click()
    np.testing.assert_array_equal(grey(page, "canvas.shown-main"), rebuilt)


def test_what_needs_a_server_is_left_out(pages, open_page):
    page = open_page((pages / "faces.html").as_uri(), offline=True)
    page.wait_for_selector(".bar .tabs")
    assert page.locator(".bar nav a").all_text_contents() == ["Explore", "Paths", "Your own"]
    page.evaluate("() => { location.hash = '#/runs'; }")
    page.wait_for_function("() => location.hash.startsWith('#/run/faces/explore')")
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Licences").click()
    assert "ONNX Runtime" in popup.value.locator("body").text_content()


def test_a_table_shows_its_rows_in_their_own_units(pages, runs, open_page):
    model = load(runs / "table")
    table = load_data(str(runs / "table.csv"), label="kind")
    page = open_page(f"{(pages / 'table.html').as_uri()}#/run/table/own", offline=True)
    page.wait_for_selector(".own-body:not([hidden])")
    fields = page.locator(".own-fields input")
    typed = fields.evaluate_all("(all) => all.map((one) => Number(one.value))")
    assert typed == pytest.approx(table.X[0])
    fields.nth(2).fill("444")
    changed = replace(table, X=np.array([[*table.X[0, :2], 444.0]]), y=None)
    page.wait_for_function("() => document.querySelectorAll('.bar-known')[2].textContent === '444'")
    made = [float(text.replace("−", "-")) for text in page.locator(".bar-value").all_text_contents()]
    assert made == pytest.approx(model.reconstruct(changed)[0], rel=0.01, abs=0.006)


def test_labels_and_names_stay_text(open_page, tmp_path):
    rows = "\n".join(f"{i % 7},{i % 5},{NASTY}" for i in range(40))
    header = f"{NASTY},b,kind"
    (tmp_path / "nasty.csv").write_text("\n".join([quoted(header), *map(quoted, rows.splitlines())]) + "\n")
    source = str(tmp_path / "nasty.csv")
    model = VAE(2, network=Linear(), max_epochs=1, random_state=0).fit(load_data(source, label="kind"))
    write_run(model, tmp_path / "run", {"data": source, "options": {"label": "kind"}})
    written = write_page(tmp_path / "run", tmp_path / "nasty.html", name=NASTY)
    page = open_page(f"{written.start.as_uri()}#/run/{quote(NASTY, safe='')}/explore?row=0", offline=True)
    page.wait_for_function("(name) => document.querySelector('h1')?.textContent === name", arg=NASTY)
    page.wait_for_function("(name) => document.querySelector('.bar-name')?.textContent === name", arg=NASTY)
    page.wait_for_function("(name) => document.querySelector('.facts')?.textContent.includes(name)", arg=NASTY)
    assert page.locator("img").count() == 0


def quoted(line: str) -> str:
    return ",".join('"' + part.replace('"', '""') + '"' if "<" in part else part for part in line.split(","))


def test_a_page_that_is_not_whole_says_so(pages, open_page, tmp_path):
    shutil.copytree(pages / "faces", tmp_path / "part")
    (tmp_path / "part" / "assets" / "decoder.js").unlink()
    page = open_page((tmp_path / "part" / "index.html").as_uri(), offline=True, complaints=("ERR_FILE_NOT_FOUND",))
    page.get_by_text("assets/decoder.js is missing; keep all files of this page together.").first.wait_for()
