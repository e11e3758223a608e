"""How fast the studio follows the hand, measured inside a headless Chromium on the same machine.

Slider to picture: from the ``input`` event of a slider to the canvas having been drawn, for a VAE with 16 latents and
the usual convolutional decoder of 64 x 64 pictures in colour. Once one move after the other, each when the one before
has been drawn; and once dragged, with a move in every frame, where the newest wins: the time is that of the moves that
were asked for. Speed needs no skill, so the model is fitted for one epoch on few pictures.

Map: frames drawn per second while 100,000 points are panned by the mouse and zoomed by the wheel, at the size that the
map has on a page of 1440 x 900. Headless Chromium has no graphics card, so the points are drawn by the processor.

Run ``python benchmarks/studio_speed.py``; it needs the extra ``studio``, playwright and Chromium, and takes a minute.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from common import environment
from playwright.sync_api import Page, sync_playwright

from isthmus import VAE
from isthmus.runs import write_run

FLAGS = {
    "plain": [],
    "no-gpu": ["--disable-gpu"],
    "swiftshader": ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
}

READY = (
    "Boolean(document.querySelector('.map-stage')?.dataset.points && document.querySelector('.shown-main, .bar-value'))"
)

ONE_BY_ONE = """async (n) => {
    const slider = document.querySelector(".sliders-panel input[aria-label^=Latent]");
    const picture = document.querySelector(".shown-main");
    const times = [];
    for (let i = 0; i < n; i += 1) {
        const drawn = new Promise((resolve) => picture.addEventListener("drawn", resolve, { once: true }));
        slider.valueAsNumber = Number(slider.min) + ((i * 37) % 101) / 100 * (slider.max - slider.min);
        const start = performance.now();
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        await drawn;
        times.push(performance.now() - start);
        await new Promise(requestAnimationFrame);
    }
    return times;
}"""

DRAGGED = """async (n) => {
    const { Live } = await import("isthmus/live.js");
    const slider = document.querySelector(".sliders-panel input[aria-label^=Latent]");
    const picture = document.querySelector(".shown-main");
    const { request } = Live.prototype;
    let [moved, asked] = [0, 0];
    Live.prototype.request = function (...args) {
        asked = moved;
        return request.apply(this, args);
    };
    const times = [];
    const listener = () => times.push(performance.now() - asked);
    picture.addEventListener("drawn", listener);
    for (let i = 0; i < n; i += 1) {
        await new Promise(requestAnimationFrame);
        slider.valueAsNumber = Number(slider.min) + (0.5 + 0.5 * Math.sin(i / 20)) * (slider.max - slider.min);
        moved = performance.now();
        slider.dispatchEvent(new Event("input", { bubbles: true }));
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    picture.removeEventListener("drawn", listener);
    Live.prototype.request = request;
    return times;
}"""

COUNT = """() => {
    window.frames_ = [];
    document.querySelector(".map-stage").addEventListener("mapdrawn", () => window.frames_.push(performance.now()));
}"""

WHEEL = """async (seconds) => {
    const stage = document.querySelector(".map-stage");
    const box = stage.getBoundingClientRect();
    const start = performance.now();
    for (let i = 0; performance.now() - start < 1000 * seconds; i += 1) {
        await new Promise(requestAnimationFrame);
        const at = { clientX: box.left + box.width * 0.4, clientY: box.top + box.height * 0.4 };
        const deltaY = i % 120 < 60 ? -12 : 12;
        stage.dispatchEvent(new WheelEvent("wheel", { deltaY, bubbles: true, cancelable: true, ...at }));
    }
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=300, help="moves of the slider")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long the map is moved, each way")
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--browsers", nargs="+", choices=FLAGS, default=list(FLAGS), help="how Chromium is started")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_runs(Path(folder), options.points)
        with studio(Path(folder)) as url, sync_playwright() as playwright:
            print("| what | browser | median | 95th percentile | rate |\n| --- | --- | --- | --- | --- |")
            for name in options.browsers:
                arguments = ["--no-sandbox", *FLAGS[name]]
                browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                sliders(page, url, name, options.moves)
                points(page, url, name, options.points, options.seconds)
                browser.close()
    print(f"\n{environment()}")


def make_runs(folder: Path, n_points: int) -> None:
    """A decoder of pictures in colour, and many points."""
    source = "faces:n=256,size=64,channels=3"
    model = VAE(latent_dim=16, max_epochs=1, random_state=0).fit(source)
    write_run(model, folder / "faces", {"data": source, "options": {}})
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=3, size=(10, 8))
    table = folder / "points.npy"
    np.save(table, (centres[rng.integers(10, size=n_points)] + rng.normal(size=(n_points, 8))).astype(np.float32))
    model = VAE(latent_dim=2, max_epochs=1, random_state=0).fit(np.load(table)[:2000])
    write_run(model, folder / "points", {"data": str(table), "options": {}})


@contextmanager
def studio(folder: Path) -> Iterator[str]:
    """The server as it is started from a shell; gives its address."""
    command = [sys.executable, "-m", "isthmus", "studio", str(folder), "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().rsplit(maxsplit=1)[-1]
        finally:
            process.terminate()


def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise SystemExit("there is no Chromium on this machine")
    return found


def explore(page: Page, url: str, run: str) -> None:
    page.goto("about:blank")
    page.goto(f"{url}/#/run/{run}/explore")
    # Playwright's own way of waiting has the page evaluate text, which the studio forbids.
    while not page.evaluate(READY):
        time.sleep(0.05)
    time.sleep(1)


def sliders(page: Page, url: str, browser: str, n: int) -> None:
    explore(page, url, "faces")
    page.evaluate(ONE_BY_ONE, 30)
    for name, code in (("one by one", ONE_BY_ONE), ("dragged", DRAGGED)):
        start = time.perf_counter()
        times = page.evaluate(code, n)
        rate = len(times) / (time.perf_counter() - start)
        report(f"slider to picture, {name}", browser, times, f"{rate:.0f} pictures/s")


def points(page: Page, url: str, browser: str, n_points: int, seconds: float) -> None:
    explore(page, url, "points")
    stage = page.locator(".map-stage")
    # The map grows while samples are encoded.
    while int(stage.get_attribute("data-points") or 0) < n_points:
        time.sleep(0.1)
    painter, n = stage.get_attribute("data-painter"), int(stage.get_attribute("data-points") or 0)
    page.evaluate(COUNT)
    for name, move in (("panned", pan), ("zoomed", lambda page, s: page.evaluate(WHEEL, s))):
        page.evaluate("window.frames_.length = 0")
        move(page, seconds)
        frames = np.array(page.evaluate("window.frames_"))
        rate = (len(frames) - 1) / (frames[-1] - frames[0]) * 1000
        report(f"{n:,} points {name} ({painter})", browser, np.diff(frames), f"{rate:.0f} frames/s")


def pan(page: Page, seconds: float) -> None:
    box = page.locator(".map-stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    start, i = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        i += 1
        page.mouse.move(x + 60 * np.sin(i / 15), y + 40 * np.cos(i / 15))
    page.mouse.up()


def report(what: str, browser: str, times: list[float] | np.ndarray, rate: str) -> None:
    median, high = np.percentile(times, [50, 95])
    print(f"| {what} | {browser} | {median:.1f} ms | {high:.1f} ms | {rate} |", flush=True)


if __name__ == "__main__":
    main()
