"""What everyone can use: names of controls, contrast, themes, narrow pages, keys, and browsers without WebGL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import isthmus

STATIC = Path(isthmus.__file__).parent / "studio" / "static"
VIEWS = (
    "#/runs",
    "#/run/faces/explore?row=3",
    "#/run/table/explore?row=3",
    "#/run/faces/paths",
    "#/compare/digits/more%2Fplane",
)
READY = ".run-card, .way-strip button, .compare-table tr, .facts > div"

UNNAMED = """() => [...document.querySelectorAll("button, a[href], input, select, textarea, [tabindex='0']")]
    .filter((node) => node.checkVisibility())
    .filter((node) => {
        const label = node.labels?.length ? [...node.labels].map((one) => one.textContent).join("") : "";
        const name = node.getAttribute("aria-label") || label || node.textContent || node.title;
        return !name.trim();
    })
    .map((node) => node.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("view", VIEWS)
def test_every_control_has_a_name_and_a_small_phone_is_wide_enough(open_page, studio, view):
    page = open_page(f"{studio}/{view}")
    page.wait_for_selector(READY)
    assert page.evaluate(UNNAMED) == []
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    pictures = (
        "all => all.filter(c => !c.getAttribute('aria-label') && c.getAttribute('aria-hidden') !== 'true').length"
    )
    assert page.eval_on_selector_all("canvas, svg", pictures) == 0
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def tokens(theme):
    """Colours of a theme."""
    css = (STATIC / "css" / "tokens.css").read_text()
    block = css.split(':root[data-theme="dark"]')[1 if theme == "dark" else 0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour):
    """Relative luminance, as WCAG 2 defines it."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    ]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_controls_stand_out(theme):
    colours = tokens(theme)
    for ground in ("paper", "surface", "sunken"):
        for text in ("ink", "muted", "accent", "problem"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        # Lines of controls need less.
        assert contrast(colours["edge"], colours[ground]) >= 3, ground
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["ink"], colours["accent-soft"]) >= 4.5
    for i in range(10):
        assert contrast(colours[f"class-{i}"], colours["sunken"]) >= 2, i


def test_both_themes_name_the_same_colours():
    assert set(tokens("light")) == set(tokens("dark"))


def test_the_theme_follows_the_system_until_one_is_chosen(open_page, studio):
    page = open_page(f"{studio}/#/runs", color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"dark => {ground} !== dark", arg=dark)
    page.get_by_role("button", name=re.compile("^Theme")).click()
    page.get_by_role("button", name=re.compile("^Theme: light")).click()
    assert page.evaluate(ground) == dark
    page.reload()
    page.wait_for_selector(".theme")
    assert page.evaluate(ground) == dark


def test_all_of_a_view_can_be_reached_by_tab(open_page, studio):
    page = open_page(f"{studio}/#/run/table/explore?row=3")
    page.wait_for_selector(READY)
    wanted = page.evaluate(
        "[...document.querySelectorAll('button, a[href], input, select, summary, [tabindex=\"0\"]')]"
        ".filter((node) => node.checkVisibility() && !node.disabled).length"
    )
    page.evaluate("window.seen = new Set()")
    for _ in range(wanted + 3):
        page.keyboard.press("Tab")
        page.evaluate("document.activeElement !== document.body && window.seen.add(document.activeElement)")
    assert page.evaluate("window.seen.size") >= wanted


def test_the_first_tab_leads_past_the_bar(open_page, studio):
    page = open_page(f"{studio}/#/run/table/explore?row=3")
    page.wait_for_selector(READY)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.locator(".map-stage").count() == 1


@pytest.mark.parametrize("software", [True, False])
def test_both_ways_to_draw_points_put_them_where_they_are(open_page, studio, software):
    page = open_page(f"{studio}/#/runs")
    drawn = page.evaluate(
        """async (software) => {
            const { webglPoints } = await import("isthmus/parts/scatter_gl.js");
            const { makePoints } = await import("isthmus/parts/scatter.js");
            const { Camera } = await import("isthmus/parts/camera.js");
            const painter = software
                ? webglPoints(document.createElement("canvas"), { software: true })
                : makePoints();
            if (!painter) return null;
            const { canvas } = painter;
            Object.assign(canvas, { width: 80, height: 60 });
            const camera = new Camera();
            camera.resize(80, 60);
            const map = { x: [-1, 1, 0.25], y: [-1, 1, 0.5] };
            camera.fit(map);
            painter.load(map, new Uint8Array([255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255]));
            painter.draw(camera, { radius: 3, opacity: 1, ratio: 1 });
            const copy = document.createElement("canvas").getContext("2d");
            Object.assign(copy.canvas, { width: 80, height: 60 });
            copy.drawImage(canvas, 0, 0);
            const pixel = (x, y) => copy.getImageData(...camera.toPixels(x, y).map(Math.floor), 1, 1).data;
            const at = (x, y) => [...pixel(x, y).slice(0, 3)];
            return { kind: painter.kind, colours: [at(-1, -1), at(1, 1), at(0.25, 0.5)], between: at(0.5, -0.5) };
        }""",
        software,
    )
    if drawn is None:
        pytest.skip("this browser has no WebGL 2, in software or otherwise")
    if not software:
        # The tests' browser has no graphics card.
        assert drawn["kind"] == "pixels"
    assert drawn["colours"] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert drawn["between"] not in drawn["colours"]


def test_the_nearest_point_is_the_nearest_and_inside_is_inside(open_page, studio):
    page = open_page(f"{studio}/#/runs")
    wrong = page.evaluate(
        """async () => {
            const { Finder } = await import("isthmus/parts/nearest.js");
            let state = 1;
            const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
            const [x, y] = [0, 1].map(() => Float32Array.from({ length: 500 }, random));
            const finder = new Finder({ x, y });
            let wrong = 0;
            for (let k = 0; k < 300; k += 1) {
                const [px, py] = [random(), random()];
                const distance = [...x].map((_, i) => (x[i] - px) ** 2 + (y[i] - py) ** 2);
                const best = distance.indexOf(Math.min(...distance));
                const expected = distance[best] <= 0.01 ** 2 ? best : -1;
                wrong += finder.nearest(px, py, [0.01, 0.01]) !== expected;
            }
            const box = [[0.2, 0.3], [0.6, 0.3], [0.6, 0.9], [0.2, 0.9]];
            const inside = [...x.keys()].filter((i) => x[i] > 0.2 && x[i] < 0.6 && y[i] > 0.3 && y[i] < 0.9);
            return [wrong, JSON.stringify(finder.inside(box)) === JSON.stringify(inside)];
        }"""
    )
    assert wrong == [0, True]
