/** Signed numbers in colour: blue below zero, red above, the page's own ground at zero. */

import { el } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";
import { rgb } from "isthmus/parts/colours.js";

const STOPS = {
  light: ["#2166ac", "#7db5d8", "#f7f7f7", "#ee9d7e", "#b2182b"],
  dark: ["#6ab7f2", "#2f6690", "#1b2322", "#98432f", "#ff8a6a"],
};
const N = 255;
const tables = new Map();

function table() {
  const theme = document.documentElement.dataset.theme === "dark" ? "dark" : "light";
  if (!tables.has(theme))
    tables.set(
      theme,
      Array.from({ length: N }, (_, i) => mixed(STOPS[theme].map(rgb), i / (N - 1))),
    );
  return tables.get(theme);
}

function mixed(stops, share) {
  const at = share * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  return stops[low].map((value, i) => Math.round(value + (at - low) * (stops[low + 1][i] - value)));
}

/** A picture of signed numbers that is drawn anew when the theme changes. */
export class Signed {
  /** @param {{label?: string, class?: string}} [options] */
  constructor({ label, class: kind = "" } = {}) {
    this.node = el("canvas", { class: `picture ${kind}`.trim(), width: 1, height: 1 });
    if (label) {
      this.node.setAttribute("role", "img");
      this.node.setAttribute("aria-label", label);
    } else this.node.setAttribute("aria-hidden", "true");
    this.shown = null;
    this.redraw = () => this.#draw();
    window.addEventListener("themechange", this.redraw);
  }

  stop() {
    window.removeEventListener("themechange", this.redraw);
  }

  /**
   * @param {{shape: number[], values: ArrayLike<number>}} numbers of shape (H, W)
   * @param {number} limit the value of full colour
   */
  show(numbers, limit) {
    this.shown = { numbers, limit };
    this.#draw();
  }

  #draw() {
    if (!this.shown) return;
    const { numbers, limit } = this.shown;
    const [height, width] = numbers.shape;
    if (this.node.width !== width || this.node.height !== height) Object.assign(this.node, { width, height });
    this.node.style.aspectRatio = `${width} / ${height}`;
    const context = this.node.getContext("2d");
    const data = context.createImageData(width, height);
    const colours = table();
    for (let i = 0; i < numbers.values.length; i += 1) {
      const share = 0.5 + (0.5 * numbers.values[i]) / (limit || 1);
      const [red, green, blue] = colours[Math.round(Math.min(1, Math.max(0, share)) * (N - 1))];
      data.data.set([red, green, blue, 255], 4 * i);
    }
    context.putImageData(data, 0, 0);
    this.node.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }
}

/** The scale of such a picture. */
export class Scale {
  constructor() {
    this.low = el("span");
    this.high = el("span");
    this.strip = new Signed({ class: "lab-scale-strip" });
    this.strip.show(
      { shape: [1, N], values: Float32Array.from({ length: N }, (_, i) => (2 * i) / (N - 1) - 1) },
      1,
    );
    this.node = el("div", { class: "lab-scale small muted number" }, this.low, this.strip.node, this.high);
  }

  show(limit) {
    this.low.textContent = short(-limit);
    this.high.textContent = `+${short(limit)}`;
  }

  stop() {
    this.strip.stop();
  }
}

/** The largest size of any value; a difference of nothing has the limit `least`. */
export function limitOf(values, least = 0) {
  let limit = least;
  for (const value of values) limit = Math.max(limit, Math.abs(value));
  return limit || 1;
}
