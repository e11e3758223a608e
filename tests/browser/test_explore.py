"""The latent space of a run in the browser: sliders, map, selection, lasso, undo, and what a reload keeps."""

from __future__ import annotations

import base64
import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

MAIN = ".shown-main"
STAGE = ".map-stage"


def explore(open_page, studio, run, query="", **options):
    """Open the view and wait for its first picture."""
    page = open_page(f"{studio}/#/run/{run}/explore{query}", **options)
    page.wait_for_selector(".slider")
    page.wait_for_function("document.querySelector('.map-stage').dataset.points")
    return page


def pixels(page, selector=MAIN):
    """What a canvas shows, as (height, width, 3) bytes."""
    url = page.eval_on_selector(selector, "canvas => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")).astype(int)


def differ(some, others):
    return not np.array_equal(some, others)


def settled(page):
    """Wait until the last move has been answered, and the address written."""
    page.wait_for_timeout(350)


def drag(page, slider, share):
    """Move a slider's thumb with the mouse, in several steps."""
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * float(slider.evaluate("s => s.style.getPropertyValue('--share')")), y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * share, y, steps=6)
    page.mouse.up()


def sliders(page, kind="Latent"):
    return page.locator(f"input[type=range][aria-label^='{kind}']")


def test_a_slider_that_is_dragged_changes_the_picture(open_page, studio):
    page = explore(open_page, studio, "faces")
    settled(page)
    before = pixels(page)
    slider = sliders(page).first
    drag(page, slider, 0.95)
    settled(page)
    assert differ(pixels(page), before)
    assert float(slider.evaluate("s => s.style.getPropertyValue('--share')")) > 0.8
    settled(page)
    page.keyboard.press("Control+z")
    settled(page)
    assert not differ(pixels(page), before)
    assert page.get_by_role("button", name="Undo").is_disabled()


def test_the_newest_position_wins_with_one_request_in_flight(open_page, studio):
    page = explore(open_page, studio, "faces")
    settled(page)
    seen = page.evaluate(
        """async () => {
            const { Live } = await import("isthmus/live.js");
            const request = Live.prototype.request;
            let [now, most, sent] = [0, 0, 0];
            Live.prototype.request = async function (...args) {
                sent += 1;
                most = Math.max(most, ++now);
                try { return await request.apply(this, args); } finally { now -= 1; }
            };
            const slider = document.querySelector(".sliders-panel input[aria-label^=Latent]");
            for (let i = 0; i < 50; i += 1) {
                slider.valueAsNumber = Number(slider.min) + (i / 49) * (slider.max - slider.min);
                slider.dispatchEvent(new Event("input", { bubbles: true }));
            }
            await new Promise((resolve) => setTimeout(resolve, 400));
            return { most, sent, now };
        }"""
    )
    assert seen["most"] == 1
    assert seen["now"] == 0
    assert 2 <= seen["sent"] < 50
    fast = pixels(page)
    settled(page)
    page.reload()
    page.wait_for_selector(".slider")
    settled(page)
    # The picture after the race is that of the last position, which the reloaded page decodes on its own.
    assert np.abs(np.subtract(fast, pixels(page))).max() <= 1


def test_an_attribute_slider_moves_along_the_attribute(open_page, studio):
    page = explore(open_page, studio, "faces", "?row=3")
    slider = sliders(page, "Attribute smile")
    before = page.url
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    settled(page)
    assert page.url != before
    low, high = (float(slider.get_attribute(name)) for name in ("min", "max"))
    start = float(re.search(r"sample: ([−\d.]+)", slider.get_attribute("aria-description")).group(1).replace("−", "-"))
    moved = slider.evaluate("s => s.valueAsNumber")
    assert moved == pytest.approx(start + 5 * (high - low) / 100, abs=0.06 * (high - low))


def test_the_posterior_is_drawn_on_every_slider(open_page, studio):
    page = explore(open_page, studio, "faces")
    drawn = "nodes => nodes.filter(path => path.getAttribute('d')).length"
    assert page.eval_on_selector_all(".bell-middle", drawn) == 0
    page.get_by_role("button", name="Next row").click()
    page.wait_for_function("document.querySelector('.bell-middle').getAttribute('d')")
    assert page.eval_on_selector_all(".bell-middle", drawn) == page.locator(".slider").count()
    assert "±" in sliders(page).first.get_attribute("aria-description")


def points(page):
    """Where the points of the map are, in pixels of the page, by their row."""
    return page.evaluate(
        """async () => {
            const { unpack } = await import("isthmus/frame.js");
            const run = decodeURIComponent(location.hash.split("/")[2]);
            const { arrays } = unpack(await (await fetch(`/api/map/${run}?colour=none`)).arrayBuffer());
            const { Camera } = await import("isthmus/parts/camera.js");
            const stage = document.querySelector(".map-stage");
            const camera = new Camera();
            camera.resize(stage.clientWidth, stage.clientHeight);
            camera.fit({ x: arrays.x.values, y: arrays.y.values });
            const box = stage.getBoundingClientRect();
            return Array.from(arrays.x.values, (x, i) => {
                const [px, py] = camera.toPixels(x, arrays.y.values[i]);
                return [px + box.left, py + box.top, arrays.rows.values[i]];
            });
        }"""
    )


def lonely(places):
    """The place that is furthest from all others."""
    xy = np.array(places)[:, :2]
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1) + 1e9 * np.eye(len(xy))
    return places[int(distance.min(1).argmax())]


def test_a_click_on_a_point_selects_its_sample(open_page, studio):
    page = explore(open_page, studio, "faces")
    x, y, row = lonely(points(page))
    page.mouse.move(x + 1, y + 1)
    page.wait_for_selector(".tip:not([hidden])")
    assert page.locator(".tip-caption").inner_text() == f"row {row}"
    page.mouse.click(x + 1, y + 1)
    page.wait_for_function(
        "row => document.querySelector('[aria-label=\"Number of the selected row\"]').value === String(row)", arg=row
    )
    said = page.locator(".sr-only[role=status]").filter(has_text="Selected")
    assert f"row {row}" in said.inner_text()
    settled(page)
    assert f"row={row}" in page.url


@pytest.mark.parametrize("axes", ["", "?x=attribute:smile&y=z1", "?x=z3&y=z0"])
def test_codes_are_placed_where_their_points_are(open_page, studio, axes):
    page = explore(open_page, studio, "faces", axes)
    apart = page.evaluate(
        """async (axes) => {
            const { placeOf, codeAt } = await import("isthmus/parts/plane.js");
            const { serverBackend } = await import("isthmus/server.js");
            const backend = serverBackend();
            const choices = Object.fromEntries(new URLSearchParams(axes));
            const map = await backend.map("faces", choices);
            let apart = 0;
            for (const row of [0, 7, 50]) {
                const [x, y] = placeOf(map.header.plane, (await backend.posterior("faces", row)).mean);
                const i = map.rows.indexOf(row);
                apart = Math.max(apart, Math.abs(map.x[i] - x), Math.abs(map.y[i] - y));
                const [u, v] = placeOf(map.header.plane, codeAt(map.header.plane, [x, y]));
                apart = Math.max(apart, Math.abs(u - x), Math.abs(v - y));
            }
            return apart;
        }""",
        axes.lstrip("?"),
    )
    assert apart < 1e-3


def test_empty_space_shows_what_the_decoder_makes_there(open_page, studio):
    page = explore(open_page, studio, "faces")
    box = page.locator(STAGE).bounding_box()
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.wait_for_selector(".tip-decoded:not([hidden])")
    assert page.locator(".tip-caption").inner_text() == "decoded here"
    before = pixels(page)
    page.mouse.click(box["x"] + 8, box["y"] + 8)
    settled(page)
    assert differ(pixels(page), before)
    assert not differ(pixels(page), pixels(page, ".tip-picture"))


def circle(page, centre, radius, n=24):
    for i in range(n + 1):
        angle = 2 * np.pi * i / n
        x, y = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
        page.mouse.move(x, y)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


@pytest.mark.parametrize("way", ["button", "shift"])
def test_a_lasso_gives_a_contact_sheet_that_can_be_saved(open_page, studio, way):
    page = explore(open_page, studio, "faces")
    places = points(page)
    box = page.locator(STAGE).bounding_box()
    centre = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    radius = box["height"] / 5
    if way == "button":
        page.get_by_role("button", name="Lasso").click()
        circle(page, centre, radius)
    else:
        page.keyboard.down("Shift")
        circle(page, centre, radius)
        page.keyboard.up("Shift")
    page.wait_for_selector(".sheet-item")
    distances = [np.hypot(x - centre[0], y - centre[1]) for x, y, _ in places]
    # Between the polygon's inner circle and a pixel more than its outer one.
    inside = {row for distance, (*_, row) in zip(distances, places, strict=True) if distance < 0.98 * radius}
    maybe = {row for distance, (*_, row) in zip(distances, places, strict=True) if distance < radius + 1}
    with page.expect_download() as download:
        page.get_by_role("button", name="NPZ").click()
    with np.load(io.BytesIO(download.value.path().read_bytes())) as saved:
        rows = saved["rows"].tolist()
    assert inside <= set(rows) <= maybe
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert Image.open(io.BytesIO(download.value.path().read_bytes())).format == "PNG"
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert len(download.value.path().read_text().splitlines()) == 1 + len(rows)
    assert page.locator(".sheet-item").count() == len(rows)


def test_axes_and_colours_can_be_chosen(open_page, studio):
    page = explore(open_page, studio, "digits", "?row=4")
    assert page.locator(".legend-class").count() == 10
    over = ".map-points"
    image = "c => c.toDataURL()"
    first = page.eval_on_selector(over, image)
    page.get_by_label("Colour").select_option("error")
    page.wait_for_selector(".legend-scale")
    second = page.eval_on_selector(over, image)
    page.get_by_label("Across").select_option("z2")
    page.wait_for_function("url => document.querySelector('.map-points').toDataURL() !== url", arg=second)
    assert len({first, second, page.eval_on_selector(over, image)}) == 3
    settled(page)
    assert "x=z2" in page.url
    assert "colour=error" in page.url


def test_one_class_can_be_singled_out(open_page, studio):
    page = explore(open_page, studio, "digits")
    before = page.eval_on_selector(".map-points", "c => c.toDataURL()")
    page.locator(".legend-class").nth(3).click()
    page.wait_for_function("url => document.querySelector('.map-points').toDataURL() !== url", arg=before)
    assert page.locator(".legend-class[aria-pressed=true]").inner_text() == "3"
    page.locator(".legend-class").nth(3).click()
    page.wait_for_function("url => document.querySelector('.map-points').toDataURL() === url", arg=before)


def test_wheel_and_drag_move_the_map(open_page, studio):
    page = explore(open_page, studio, "faces")
    image = "c => c.toDataURL()"
    seen = [page.eval_on_selector(".map-points", image)]
    box = page.locator(STAGE).bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(60)
    seen.append(page.eval_on_selector(".map-points", image))
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 130, steps=3)
    page.mouse.up()
    page.wait_for_timeout(60)
    seen.append(page.eval_on_selector(".map-points", image))
    assert len(set(seen)) == 3
    moved = pixels(page, ".map-points")
    settled(page)
    page.reload()
    page.wait_for_function("document.querySelector('.map-stage')?.dataset.points")
    page.wait_for_timeout(60)
    # Places within a pixel are rounded, so a few pixels may differ.
    assert np.mean(pixels(page, ".map-points") != moved) < 0.01
    page.get_by_role("button", name="Show all points").click()
    page.wait_for_timeout(60)
    assert page.eval_on_selector(".map-points", image) == seen[0]


def test_the_map_by_keys_alone(open_page, studio):
    page = explore(open_page, studio, "faces")
    page.locator(STAGE).focus()
    for key in ("ArrowLeft", "ArrowUp", "+", "-"):
        page.keyboard.press(key)
    page.wait_for_selector(".tip:not([hidden])")
    page.keyboard.press("Enter")
    settled(page)
    assert re.search(r"[?&](row|z)=", page.url)
    page.keyboard.down("Shift")
    for _ in range(12):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
    page.keyboard.up("Shift")
    page.wait_for_selector(".sheet-item")
    page.locator(STAGE).focus()
    page.keyboard.press("Escape")
    page.wait_for_selector(".sheet", state="hidden")


def test_draw_reset_and_undo(open_page, studio):
    page = explore(open_page, studio, "faces", "?row=2")
    settled(page)
    selected = pixels(page)
    page.get_by_role("button", name="Draw").click()
    settled(page)
    assert differ(pixels(page), selected)
    page.get_by_role("button", name="Reset").click()
    settled(page)
    assert not differ(pixels(page), selected)
    page.get_by_role("button", name="Undo").click()
    settled(page)
    assert differ(pixels(page), selected)


def test_a_reload_keeps_everything(open_page, studio):
    page = explore(open_page, studio, "digits", "?row=4")
    drag(page, sliders(page).nth(1), 0.2)
    page.get_by_label("Colour").select_option("error")
    page.wait_for_selector(".legend-scale")
    settled(page)
    url, before = page.url, pixels(page)
    values = page.eval_on_selector_all("input[type=range]", "all => all.map(s => s.valueAsNumber.toFixed(3))")
    page.reload()
    page.wait_for_selector(".legend-scale")
    settled(page)
    assert page.url == url
    assert page.eval_on_selector_all("input[type=range]", "all => all.map(s => s.valueAsNumber.toFixed(3))") == values
    assert np.abs(np.subtract(pixels(page), before)).max() <= 1
    assert page.get_by_label("Number of the selected row").input_value() == "4"


def test_a_table_is_shown_as_bars_in_its_own_units(open_page, studio):
    page = explore(open_page, studio, "table", "?row=5")
    names = page.locator(".bar-name").all_inner_texts()
    assert names == ["height", "width", "weight"]
    # What row 5 of the table holds: 5, 25 % 11 / 10, 300 + 200 + 0.
    assert page.locator(".bar-known").all_inner_texts() == ["5.00", "0.30", "500"]
    before = page.locator(".bar-value").all_inner_texts()
    drag(page, sliders(page).first, 0.05)
    settled(page)
    assert page.locator(".bar-value").all_inner_texts() != before


def test_runs_in_folders_have_views_of_their_own(open_page, studio):
    page = explore(open_page, studio, "more%2Fplane")
    assert page.locator("h1").inner_text() == "more/plane"
    assert page.title().startswith("more/plane")


def test_a_run_that_is_not_there_is_said_so(open_page, studio):
    page = open_page(f"{studio}/#/run/nothing/explore", complaints=("404",))
    page.wait_for_selector(".trouble")
    assert "nothing" in page.locator(".trouble").inner_text()


def test_the_npz_of_a_selection_is_a_plain_archive(open_page, studio):
    page = explore(open_page, studio, "table")
    body = page.evaluate(
        """async () => {
            const { send } = await import("isthmus/server.js");
            const answer = await send("/api/selection/table", { rows: [1, 4], as: "npz" });
            return Array.from(new Uint8Array(await answer.arrayBuffer()));
        }"""
    )
    assert zipfile.ZipFile(io.BytesIO(bytes(body))).testzip() is None


def test_a_run_without_its_data_is_explored_by_draws_from_the_prior(open_page, studio):
    page = explore(open_page, studio, "loose")
    assert "draws from the prior" in page.locator(".map-caption").inner_text()
    assert not page.get_by_label("Number of the selected row").count()
    settled(page)
    before = pixels(page)
    x, y, _ = lonely(points(page))
    page.mouse.click(x, y)
    settled(page)
    assert differ(pixels(page), before)


def test_a_model_of_classes_decodes_as_the_class_that_is_chosen(open_page, studio):
    page = explore(open_page, studio, "told", "?row=3")
    settled(page)
    chosen = page.locator(".shown-panel select")
    # Row 3 of the digits is a 3.
    assert chosen.input_value() == "3"
    before = pixels(page)
    chosen.select_option("0")
    settled(page)
    assert differ(pixels(page), before)
    page.get_by_role("button", name="Next row").click()
    settled(page)
    assert chosen.input_value() == "4"
