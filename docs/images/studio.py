"""Photograph the studio for the documentation: ``studio.png``, which opens the README, and four more.

Run it with ``.venv/bin/python docs/images/studio.py``, with Chromium on the machine. It trains for some minutes, unless
``--runs`` names a folder that holds the runs of an earlier time.
"""

from __future__ import annotations

import argparse
import io
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_wine

from isthmus import VAE, Noise2Noise, Trainer
from isthmus.data import load
from isthmus.models.base import BaseAutoencoder
from isthmus.networks import Conv
from isthmus.runs import write_run

HERE = Path(__file__).parent
# Few factors, so that a short training tells all of them.
FACES = "faces:n=2500,size=40,channels=3,pose_y=0,eye_openness=0.8,brow=0,face_width=0,hair=0.5,light=0"
ATTRIBUTES = {
    "smile": ("smile", "-1..-0.5", "0.5..1"),
    "head pose": ("pose_x", "-1..-0.5", "0.5..1"),
    "hair tone": ("hair_tone", "0..0.25", "0.75..1"),
    "skin tone": ("skin_tone", "0..0.25", "0.75..1"),
}
SIZE = {"width": 1440, "height": 900}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/studio"), help="folder of the runs, made if missing")
    runs = parser.parse_args().runs
    make_runs(runs)
    with studio(runs) as url, sync_playwright() as playwright:
        executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for name, picture in PICTURES.items():
            page = browser.new_page(viewport=SIZE, device_scale_factor=1.5)
            picture(page, url)
            keep(page, HERE / f"{name}.png")
            page.close()
        browser.close()


def make_runs(folder: Path) -> None:
    """Faces with attributes, digits in two and in eight latents, a model that restores faces, and a table of wines."""
    if not (folder / "faces").is_dir():
        trainer = Trainer(batch_size=32, learning_rate=4e-3)
        network = Conv(channels=(16, 32, 64), norm="batch")
        options = {"corruption": "block", "beta": 4, "network": network, "scaling": "center", "max_epochs": 60}
        model = VAE(6, **options, trainer=trainer, random_state=0, verbose=True).fit(FACES)
        for name, (factor, low, high) in ATTRIBUTES.items():
            some = FACES.replace("n=2500", "n=60")
            model.fit_attribute(name, load(f"{some},{factor}={high}"), load(f"{some},{factor}={low}"))
        keep_run(model, folder / "faces", FACES)
    for name, width in (("digits", 8), ("digits-2", 2)):
        if not (folder / name).is_dir():
            keep_run(VAE(width, max_epochs=40, random_state=0).fit("digits"), folder / name, "digits")
    if not (folder / "restorer").is_dir():
        some = "faces:n=1200,size=32,channels=3"
        keep_run(Noise2Noise(max_epochs=10, random_state=0).fit(some), folder / "restorer", some)
    if not (folder / "wine").is_dir():
        table = folder / "wine.csv"
        wine = load_wine(as_frame=True)
        wine.data.assign(cultivar=wine.target.map(dict(enumerate(wine.target_names)))).to_csv(table, index=False)
        options = {"label": "cultivar"}
        model = VAE(4, max_epochs=200, random_state=0).fit(load(str(table), **options))
        keep_run(model, folder / "wine", str(table), options)


def keep_run(model: BaseAutoencoder, folder: Path, data: str, options: dict[str, str] | None = None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_run(model, folder, {"data": data, "options": options or {}})


@contextmanager
def studio(folder: Path) -> Iterator[str]:
    """Address of a studio that serves the runs."""
    command = [sys.executable, "-m", "isthmus", "studio", str(folder), "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().rsplit(maxsplit=1)[-1]
        finally:
            process.terminate()


def explore_faces(page: Page, url: str) -> None:
    open_view(page, f"{url}/#/run/faces/explore?row=23&colour=factor:smile")
    page.get_by_label("Attribute smile").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.evaluate("document.activeElement.blur()")
    point_at(page, 0.27, 0.5)


def explore_wine(page: Page, url: str) -> None:
    page.emulate_media(color_scheme="dark")
    open_view(page, f"{url}/#/run/wine/explore?row=3")
    page.locator("input[aria-label^=Latent]").first.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")


def walk_between_faces(page: Page, url: str) -> None:
    open_view(page, f"{url}/#/run/faces/paths?from=8&to=2&steps=12&at=5&colour=factor:smile")


def compare_digits(page: Page, url: str) -> None:
    open_view(page, f"{url}/#/compare/digits/digits-2?row=2")


def restore_face(page: Page, url: str) -> None:
    page.goto(f"{url}/#/run/restorer/lab?row=4&strength=0.7")
    page.wait_for_selector(".lab-histogram")


PICTURES = {
    "studio": explore_faces,
    "studio_table": explore_wine,
    "studio_paths": walk_between_faces,
    "studio_compare": compare_digits,
    "studio_lab": restore_face,
}


def open_view(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".way-strip button, .compare-table tr, .facts > div")
    page.wait_for_selector(".map-choices select")
    page.wait_for_timeout(1000)


def point_at(page: Page, across: float, down: float) -> None:
    """Rest the pointer on the map."""
    box = page.locator(".map-stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=4)
    page.wait_for_selector(".tip:not([hidden])")
    page.wait_for_timeout(300)


def keep(page: Page, path: Path) -> None:
    """All of the page; 256 colours are a third of the bytes."""
    # Twice, as the map is higher on a higher page.
    for _ in range(2):
        height = math.ceil(page.evaluate("document.querySelector('.view').getBoundingClientRect().bottom + 24"))
        page.set_viewport_size({"width": SIZE["width"], "height": height})
        page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
