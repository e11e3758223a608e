"""The list of runs, two runs side by side, and paths, in the browser."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def test_runs_are_listed_with_what_they_are(open_page, studio):
    page = open_page(f"{studio}/")
    page.wait_for_selector(".run-card")
    cards = {card.locator("h2").inner_text(): card.inner_text() for card in page.locator(".run-card").all()}
    assert set(cards) == {"faces", "digits", "more/plane", "table", "told", "loose", "damaged"}
    assert "VAE" in cards["faces"]
    assert "16 × 16" in cards["faces"]
    assert "validation loss" in cards["faces"]
    assert "damaged" in cards["damaged"]
    assert page.locator(".broken .problem-note").inner_text()
    assert not page.locator(".broken a").count()
    page.get_by_role("link", name="more/plane").click()
    page.wait_for_selector(".map-stage")
    assert page.url.partition("#")[2].startswith("/run/more%2Fplane/explore")


def test_two_runs_are_chosen_and_compared(open_page, studio):
    page = open_page(f"{studio}/#/runs")
    go = page.get_by_role("button", name="Compare")
    assert go.is_disabled()
    page.get_by_label("Compare digits").check()
    page.get_by_label("Compare more/plane").check()
    go.click()
    page.wait_for_selector(".compare-table tbody tr")
    rows = page.locator(".compare-table tbody tr")
    assert rows.count() == 6
    errors = rows.locator("td.number").all_inner_texts()
    better = rows.locator("td.better").all_inner_texts()
    pairs = [tuple(float(text) for text in errors[i : i + 2]) for i in range(0, len(errors), 2)]
    assert [float(text) for text in better] == [min(pair) for pair in pairs]
    rows.nth(3).get_by_role("button").click()
    page.wait_for_timeout(250)
    assert "row=3" in page.url
    marked = page.locator("tr[aria-selected=true]")
    assert marked.count() == 1
    assert marked.get_attribute("data-row") == "3"
    page.reload()
    page.wait_for_selector("tr[aria-selected=true][data-row='3']")


def test_runs_of_different_data_have_no_sample_in_common(open_page, studio):
    page = open_page(f"{studio}/#/compare/digits/faces")
    page.wait_for_selector(".compare-rows p:not([hidden])")
    page.wait_for_function("document.querySelector('.compare-rows p').textContent.includes('different data')")
    assert page.locator(".compare-table").count() == 0


def open_path(open_page, studio, query=""):
    page = open_page(f"{studio}/#/run/faces/paths{query}")
    page.wait_for_selector(".way-strip button")
    return page


def shown(page):
    return page.eval_on_selector(".way-main canvas", "c => c.toDataURL()")


def test_a_path_is_scrubbed_from_one_sample_to_the_other(open_page, studio):
    page = open_path(open_page, studio, "?from=3&to=8&steps=6&kind=linear")
    assert page.locator(".way-strip button").count() == 6
    scrub = page.get_by_label("Step of the path")
    seen = [shown(page)]
    scrub.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        seen.append(shown(page))
    assert len(set(seen)) == 6
    ends = page.evaluate(
        """async () => {
            const { serverBackend } = await import("isthmus/server.js");
            const backend = serverBackend();
            return Promise.all([3, 8].map(async (row) => Array.from((await backend.reconstruct("faces", row)).pixels)));
        }"""
    )
    for step, expected in zip((0, 5), ends, strict=True):
        page.locator(".way-strip button").nth(step).click()
        drawn = page.eval_on_selector(
            ".way-main canvas",
            "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0)",
        )
        assert np.abs(np.subtract(drawn, expected)).max() <= 1


def test_a_path_plays_and_stops(open_page, studio):
    page = open_path(open_page, studio, "?steps=6")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.scrub output').textContent.startsWith('4')")
    page.get_by_role("button", name="Stop").click()
    at = page.locator(".scrub output").inner_text()
    page.wait_for_timeout(250)
    assert page.locator(".scrub output").inner_text() == at


def test_a_path_is_saved_as_a_film_and_as_a_strip(open_page, studio):
    page = open_path(open_page, studio, "?from=0&to=1&steps=8")
    files = {}
    for name in ("GIF", "PNG strip"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        files[name] = Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert files["GIF"].format == "GIF"
    assert files["GIF"].n_frames == 8
    assert files["PNG strip"].format == "PNG"
    assert files["PNG strip"].width > 4 * files["PNG strip"].height


def test_the_ends_of_a_path_are_chosen_and_kept(open_page, studio):
    page = open_path(open_page, studio)
    page.get_by_label("From: number of the row").fill("5")
    page.keyboard.press("Tab")
    page.get_by_label("Way").select_option("linear")
    page.get_by_role("button", name="To: any").click()
    # A click on the map sets the end that is waiting for one.
    before = page.url
    box = page.locator(".map-stage").bounding_box()
    page.locator(".end").nth(1).get_by_role("button", name="On the map").click()
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    page.wait_for_timeout(400)
    assert page.url != before
    assert "from=5" in page.url
    assert "kind=linear" in page.url
    assert page.locator(".end").nth(1).locator("p").inner_text() == "a place on the map"
    picture = shown(page)
    page.reload()
    page.wait_for_selector(".way-strip button")
    page.wait_for_timeout(200)
    assert page.get_by_label("From: number of the row").input_value() == "5"
    assert shown(page) == picture


def test_a_path_between_rows_of_a_table(open_page, studio):
    page = open_page(f"{studio}/#/run/table/paths?from=0&to=3")
    page.wait_for_selector(".bar-value")
    page.wait_for_function("document.querySelector('.bar-value').textContent")
    first = page.locator(".bar-value").all_inner_texts()
    page.get_by_label("Step of the path").focus()
    page.keyboard.press("End")
    assert page.locator(".bar-value").all_inner_texts() != first
