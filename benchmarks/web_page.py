"""How quickly an exported page follows a slider, and how large it is.

    OMP_NUM_THREADS=1 python benchmarks/web_page.py

Trains a VAE with a convolutional network on colour pictures of 64 x 64, exports it as a folder and as one file, and
opens both in headless Chromium: the folder from a plain file server, the file from the disk. There a slider is moved
many times, each time after the picture of the last move, and the time is taken from the input event to the picture on
the canvas, and to the frame after it, in which a screen would show it. Needs Playwright and Chromium.
"""

import argparse
import contextlib
import functools
import http.server
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import environment

from isthmus import VAE
from isthmus.data import load
from isthmus.export import write_page
from isthmus.runs import write_run

MOVES = """async (moves) => {
  const slider = document.querySelector(".sliders-panel input[type=range]");
  const canvas = document.querySelector("canvas.shown-main");
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const times = [];
  for (let i = 0; i < moves; i += 1) {
    const drawn = new Promise((resolve) => canvas.addEventListener("drawn", resolve, { once: true }));
    slider.value = low + (high - low) * ((i * 0.618034) % 1);
    const start = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await drawn;
    const shown = performance.now();
    await new Promise((resolve) => requestAnimationFrame(resolve));
    times.push([shown - start, performance.now() - start]);
  }
  return times;
}"""


def make_run(folder: Path, side: int, latents: int, n: int, epochs: int) -> Path:
    """A run on portraits in three tints."""
    grey = load(f"faces:n={n},size={side}").X.astype(np.float64)
    tints = np.random.default_rng(0).uniform(0.4, 1, (n, 1, 1, 3))
    np.save(folder / "tinted.npy", (grey[..., None] * tints).astype(np.uint8))
    source = str(folder / "tinted.npy")
    model = VAE(latents, network="conv", max_epochs=epochs, random_state=0).fit(load(source))
    write_run(model, folder / "tinted", {"data": source, "options": {}})
    return folder / "tinted"


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder from Python's own file server."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.html"
        finally:
            server.shutdown()
            thread.join()


def measure(browser, url: str, moves: int, repeats: int) -> tuple[float, np.ndarray]:
    """Seconds to the first picture, and milliseconds (moves, 2) to each drawn one and to the frame after it."""
    first, found = [], []
    for _ in range(repeats):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        page.goto(url)
        page.wait_for_function(
            "() => { const c = document.querySelector('canvas.shown-main'); return c && c.width > 1; }"
        )
        first.append(time.perf_counter() - started)
        page.evaluate(MOVES, 20)
        found.append(np.array(page.evaluate(MOVES, moves)))
        page.close()
    return float(np.median(first)), np.concatenate(found)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--latents", type=int, default=16)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    print(environment(), "\n")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        run = make_run(folder, args.side, args.latents, args.rows, args.epochs)
        page, single = write_page(run, folder / "page"), write_page(run, folder / "page.html")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"Chromium {browser.version}, pictures of {args.side} x {args.side} x 3, {args.latents} latents\n")
        print(
            "| page | MB | first picture, s | slider to picture, ms: median | 95 % | to the next frame: median | 95 % |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- |")
        with served(folder / "page") as url:
            rows = [("folder, file server", page, url), ("one file, from the disk", single, single.start.as_uri())]
            for label, written, address in rows:
                first, times = measure(browser, address, args.moves, args.repeats)
                drawn, frame = (np.percentile(column, [50, 95]) for column in times.T)
                print(
                    f"| {label} | {written.n_bytes / 1e6:.1f} | {first:.1f} | {drawn[0]:.1f} | {drawn[1]:.1f} | "
                    f"{frame[0]:.1f} | {frame[1]:.1f} |"
                )
        print("\n| part of the folder | MB |\n| --- | --- |")
        for part in sorted((folder / "page").rglob("*.*")):
            print(f"| {part.relative_to(folder / 'page')} | {part.stat().st_size / 1e6:.2f} |")
        browser.close()


if __name__ == "__main__":
    main()
