"""Reconstruct and denoise in the browser: own files, the noise slider, features, chains, and rows of tables."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from studio_server import running


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a studio with a denoiser, a sparse model, and a denoiser of a table."""
    from isthmus import DenoisingAutoencoder, SparseAutoencoder
    from isthmus.data import load
    from isthmus.runs import write_run

    folder = tmp_path_factory.mktemp("lab")
    np.save(folder / "digits.npy", load("digits").X[:150])
    rows = np.random.default_rng(0).normal(size=(60, 3)) * [1, 10, 100] + [0, 50, 1000]
    lines = "\n".join(",".join(f"{value:.4f}" for value in row) for row in rows)
    (folder / "table.csv").write_text(f"height,weight,income\n{lines}\n")
    fits = {
        "denoising": (DenoisingAutoencoder(8, max_epochs=3, random_state=0), "digits.npy"),
        "sparse": (SparseAutoencoder(32, n_active=4, max_epochs=3, random_state=0), "digits.npy"),
        "table": (DenoisingAutoencoder(2, max_epochs=2, random_state=0), "table.csv"),
    }
    for name, (model, data) in fits.items():
        path = str(folder / data)
        write_run(model.fit(path), folder / name, {"data": path, "options": {}})
    with running(folder) as url:
        yield url


def enter(open_page, lab, run, query="", **options):
    """Open the view and wait until the sample has found its place."""
    page = open_page(f"{lab}/#/run/{run}/lab{query}", **options)
    page.wait_for_selector(".lab-histogram-mark", state="attached")
    return page


def pixels(page, label):
    return page.get_by_role("img", name=label, exact=True).first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )


def wait_for_other(page, label, before):
    page.wait_for_function(
        "([label, before]) => [...document.querySelector(`canvas[aria-label='${label}']`).getContext('2d')"
        ".getImageData(0, 0, 8, 8).data].some((value, i) => value !== before[i])",
        arg=[label, before],
    )


def png(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return {"name": "own.png", "mimeType": "image/png", "buffer": out.getvalue()}


def sentence(page, kind="error"):
    return page.locator(f".lab-place[data-kind={kind}] .lab-sentence")


def test_an_own_picture_is_brought_to_the_model_and_its_place_is_told(open_page, lab):
    page = enter(open_page, lab, "denoising")
    before = pixels(page, "Input")
    page.set_input_files("#lab-file", png(np.full((30, 60, 3), 255, np.uint8)))
    wait_for_other(page, "Input", before)
    notes = page.locator(".lab-notes").inner_text()
    assert "30 x 30 of 60 x 30" in notes
    assert "8 x 8 pixels" in notes
    assert set(pixels(page, "Input")) == {255}
    sentence(page).filter(has_text="More unusual than all 150 training samples").wait_for()
    page.get_by_label("Invert").check()
    wait_for_other(page, "Input", [255] * 256)
    assert "exchanged" in page.locator(".lab-notes").inner_text()


def test_a_file_that_is_no_picture_is_refused_and_the_page_goes_on(open_page, lab):
    page = enter(open_page, lab, "denoising", complaints=("422",))
    page.set_input_files("#lab-file", {"name": "own.png", "mimeType": "image/png", "buffer": b"\x00 nothing"})
    alert = page.locator(".lab-input [role=alert]")
    alert.filter(has_text="own.png is no picture").wait_for()
    page.get_by_role("button", name="Next sample").click()
    alert.wait_for(state="hidden")
    page.wait_for_function("() => location.hash.includes('row=1')")


def test_a_picture_can_be_dropped_and_pasted(open_page, lab):
    page = enter(open_page, lab, "denoising")
    give = """async ([kind, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "given.png", { type: "image/png" }));
      const where = kind === "drop" ? document.querySelector(".lab-drop") : document;
      const event = kind === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
      where.dispatchEvent(event);
    }"""
    for kind, level in (("drop", 255), ("paste", 90)):
        before = pixels(page, "Input")
        page.evaluate(give, [kind, list(png(np.full((8, 8), level, np.uint8))["buffer"])])
        wait_for_other(page, "Input", before)
        assert pixels(page, "Input")[0] == level


def test_the_noise_slider_changes_noisy_and_denoised_and_the_numbers(open_page, lab):
    page = enter(open_page, lab, "denoising")
    page.locator(".lab-verdict", has_text="PSNR").wait_for()
    said, noisy, clean = page.locator(".lab-verdict").inner_text(), pixels(page, "Noisy"), pixels(page, "Clean")
    slider = page.get_by_label("Strength of the noise")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    wait_for_other(page, "Noisy", noisy)
    page.wait_for_function("said => document.querySelector('.lab-verdict').textContent !== said", arg=said)
    assert pixels(page, "Clean") == clean
    # At the left end there is no noise.
    slider.focus()
    page.keyboard.press("Home")
    page.locator(".lab-verdict", has_text="∞").wait_for()
    assert pixels(page, "Noisy") == clean


def test_row_noise_and_chains_survive_a_reload(open_page, lab):
    page = enter(open_page, lab, "denoising", "?row=7")
    page.get_by_label("Kind").select_option("masking")
    page.get_by_role("combobox", name="Chains").select_option("4")
    page.wait_for_function("() => location.hash.includes('noise=masking') && location.hash.includes('chains=4')")
    page.reload()
    page.wait_for_selector(".lab-histogram-mark", state="attached")
    assert page.locator(".lab-row").input_value() == "7"
    assert page.get_by_label("Kind").input_value() == "masking"
    page.wait_for_function("() => document.querySelectorAll('.lab-chains canvas').length === 4")


def test_chains_move_pause_and_step(open_page, lab):
    page = enter(open_page, lab, "denoising")
    page.wait_for_function("() => document.querySelectorAll('.lab-chains canvas').length === 8")
    start = pixels(page, "Chain 1")
    page.get_by_role("button", name="Play").click()
    wait_for_other(page, "Chain 1", start)
    page.locator(".lab-pill", has_text="Too early to tell").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(200)
    count = page.locator(".lab-chain .card-head .number")
    at = int(count.inner_text().split()[1])
    page.wait_for_timeout(300)
    assert count.inner_text() == f"step {at}"
    page.get_by_role("button", name="Step", exact=True).click()
    count.filter(has_text=f"step {at + 1}").wait_for()
    page.get_by_role("combobox", name="Start from").select_option("sample")
    count.filter(has_text="at the start").wait_for()
    page.wait_for_function(
        "() => new Set([...document.querySelectorAll('.lab-chains canvas')].map((c) => c.toDataURL())).size === 1"
    )


def test_features_show_what_they_add_and_what_fires_them(open_page, lab):
    page = enter(open_page, lab, "sparse")
    page.wait_for_selector(".lab-feature")
    assert 1 <= page.locator(".lab-feature").count() <= 4
    assert page.locator(".lab-feature .lab-atom").first.evaluate("c => c.width") == 8
    assert page.locator(".lab-feature .lab-inputs canvas").count() >= 4
    assert not page.locator(".lab-noise").count()


def test_values_of_a_row_can_be_changed(open_page, lab):
    page = enter(open_page, lab, "table")
    lines = page.locator(".lab-result .lab-column")
    assert lines.count() == 3
    apart = [abs(float(text.split()[0].replace("−", "-"))) for text in lines.locator(".lab-apart").all_inner_texts()]
    assert apart == sorted(apart, reverse=True)
    before = sentence(page).inner_text()
    field = page.get_by_label("income, input")
    field.fill("5000")
    sentence(page).filter(has_text="More unusual than all 60 training samples").wait_for()
    assert before != sentence(page).inner_text()
    # What is being typed stays.
    assert field.input_value() == "5000"
    page.locator(".lab-noise .lab-column").first.wait_for()
    page.locator(".lab-parallel canvas").wait_for()


def test_a_row_of_text_can_be_pasted(open_page, lab):
    page = enter(open_page, lab, "table")
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "income,height,weight\\n1234.5,0.5,55\\n");
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
    )
    page.wait_for_function("() => document.querySelector(\"[aria-label='income, input']\").value === '1234.5'")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_view_fits_a_narrow_page_in_both_themes(open_page, lab, theme):
    for run in ("denoising", "sparse", "table"):
        page = enter(open_page, lab, run, color_scheme=theme)
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
