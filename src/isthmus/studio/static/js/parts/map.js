/**
 * The latent map: points that can be moved, enlarged, pointed at, selected and drawn around.
 *
 * Not more than drawing and pointing; what a place or a point means is the view's matter.
 */

import { Camera } from "isthmus/parts/camera.js";
import { pointColours } from "isthmus/parts/colours.js";
import { el } from "isthmus/parts/dom.js";
import { listen } from "isthmus/parts/map_hands.js";
import { drawOverlay } from "isthmus/parts/map_overlay.js";
import { Finder } from "isthmus/parts/nearest.js";
import { makePoints } from "isthmus/parts/scatter.js";

const REACH = 9;

export class LatentMap {
  /**
   * @param {Object} on callbacks, each optional
   * @param {(hit: {index: number, at: [number, number], pixel: [number, number]}|null) => void} [on.hover]
   *   `index` is the point's, or -1 over empty space; null when the pointer has left
   * @param {(hit: {index: number, at: [number, number]}) => void} [on.click]
   * @param {(indices: number[]) => void} [on.lasso]
   * @param {(state: number[]) => void} [on.camera]
   * @param {() => void} [on.escape]
   * @param {string} label what a screen reader says
   */
  constructor(on, label = "Latent map") {
    this.on = on;
    this.camera = new Camera();
    this.marks = {};
    this.map = null;
    this.only = null;
    this.lassoOn = false;
    this.painter = makePoints();
    this.points = this.painter.canvas;
    this.over = el("canvas", { class: "map-over", "aria-hidden": "true" });
    this.node = el(
      "div",
      {
        class: "map-stage",
        tabindex: 0,
        role: "application",
        "aria-roledescription": "map",
        "aria-label": label,
      },
      this.points,
      this.over,
    );
    this.painter.onrestored = () => this.redraw();
    this.node.dataset.painter = this.painter.kind;
    listen(this.node, this);
    this.watcher = new ResizeObserver(() => this.#resize());
    this.watcher.observe(this.node);
    this.retheme = () => this.map && this.colour();
    window.addEventListener("themechange", this.retheme);
  }

  /**
   * @param {import("isthmus/backend.js").MapData} map
   * @param {{keep?: boolean}} [options] whether the camera stays, as for new colours of the same points
   */
  show(map, { keep = false } = {}) {
    this.map = map;
    this.only = null;
    this.finder = new Finder(map);
    this.marks.contours = map.header.contours ?? [];
    this.camera.fit(map, { keep });
    this.painter.load(map, pointColours(map));
    this.redraw();
  }

  /** Dim all classes but one, or none. */
  isolate(only) {
    this.only = only;
    this.colour();
  }

  colour() {
    this.painter.paint(pointColours(this.map, this.only));
    this.redraw();
  }

  /** Change marks: `selected`, `here`, `chosen`, `way`; places in units of the map. */
  mark(marks) {
    Object.assign(this.marks, marks);
    this.redraw({ points: false });
  }

  place(index) {
    return [this.map.x[index], this.map.y[index]];
  }

  /** Draw in the next frame, once however often this is called. */
  redraw({ points = true } = {}) {
    this.stale = this.stale || points;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#draw();
    });
  }

  #draw() {
    const ratio = window.devicePixelRatio || 1;
    if (this.stale && this.map) this.painter.draw(this.camera, { ...this.#look(), ratio });
    this.stale = false;
    drawOverlay(this.over.getContext("2d"), this.camera, ratio, this.marks);
    this.node.dispatchEvent(new CustomEvent("mapdrawn"));
  }

  /** Many points are small and let others shine through; enlarged they grow. */
  #look() {
    const n = this.map.x.length;
    const base = n > 50_000 ? 1.3 : n > 10_000 ? 1.8 : n > 3_000 ? 2.4 : n > 800 ? 3 : 4;
    const radius = base * Math.min(2.5, Math.max(0.8, this.camera.zoom ** 0.35));
    return { radius, opacity: n > 10_000 ? 0.6 : 0.85 };
  }

  #resize() {
    const { clientWidth, clientHeight } = this.node;
    if (!clientWidth || !clientHeight) return;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.points, this.over]) {
      canvas.width = Math.round(clientWidth * ratio);
      canvas.height = Math.round(clientHeight * ratio);
    }
    this.camera.resize(clientWidth, clientHeight);
    // At once, not in the next frame: a canvas of a new size is empty.
    this.stale = true;
    this.#draw();
  }

  #at(pixel) {
    const at = this.camera.toData(...pixel);
    const index = this.map
      ? this.finder.nearest(
          ...at,
          this.camera.scale.map((scale) => REACH / scale),
        )
      : -1;
    return { index, at, pixel };
  }

  // What the hands call.

  moved() {
    this.redraw();
    this.on.camera?.(this.camera.state);
  }

  hovered(pixel) {
    if (this.map) this.on.hover?.(this.#at(pixel));
  }

  left() {
    this.on.hover?.(null);
  }

  clicked(pixel) {
    if (this.map) this.on.click?.(this.#at(pixel));
  }

  drawing(line) {
    this.mark({ lasso: line });
  }

  drawn(line) {
    this.mark({ lasso: null });
    if (this.map && line.length > 2) this.on.lasso?.(this.finder.inside(line));
  }

  cursor(cursor) {
    this.mark({ cursor });
  }

  escaped() {
    this.on.escape?.();
  }

  destroy() {
    this.watcher.disconnect();
    window.removeEventListener("themechange", this.retheme);
    if (this.frame) cancelAnimationFrame(this.frame);
    this.painter.destroy();
  }
}
