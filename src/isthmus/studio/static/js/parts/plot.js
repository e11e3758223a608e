/** A small line plot, as SVG that fills its box. */

import { el, replace, svg } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";

const WIDTH = 480;
const MARGIN = { top: 10, right: 12, bottom: 24, left: 52 };

export class Plot {
  /**
   * @param {{label: string, height?: number, xName?: string}} options `label` says what is plotted
   */
  constructor({ label, height = 200, xName = "" }) {
    Object.assign(this, { label, height, xName });
    this.legend = el("ul", { class: "plot-legend" });
    this.drawing = svg("svg", { class: "plot-drawing", viewBox: `0 0 ${WIDTH} ${height}`, role: "img" });
    this.node = el("figure", { class: "plot" }, this.legend, this.drawing);
  }

  /**
   * @param {{name: string, x: ArrayLike<number>, y: ArrayLike<number>, dashed?: boolean}[]} lines values that
   *   are not finite leave a gap; at most five lines have colours of their own
   */
  show(lines) {
    const xs = lines.flatMap(({ x }) => Array.from(x)).filter(Number.isFinite);
    const ys = lines.flatMap(({ y }) => Array.from(y)).filter(Number.isFinite);
    if (!xs.length || !ys.length) return replace(this.drawing);
    const x = scale(Math.min(...xs), Math.max(...xs), MARGIN.left, WIDTH - MARGIN.right);
    const y = scale(...padded(Math.min(...ys), Math.max(...ys)), this.height - MARGIN.bottom, MARGIN.top);
    this.drawing.setAttribute("aria-label", this.#summary(lines));
    replace(
      this.drawing,
      ticks(y.low, y.high, 4).map((value) => this.#across(y(value), value)),
      ticks(x.low, x.high, 6).map((value) => text(x(value), this.height - 6, short0(value), "middle")),
      lines.map((line, i) => svg("path", { class: lineClass(line, i), d: pathOf(line, x, y) })),
      lines.filter((line) => line.x.length === 1).map((line, i) => dot(x(line.x[0]), y(line.y[0]), i)),
    );
    replace(
      this.legend,
      lines.map((line, i) => el("li", {}, el("span", { class: `swatch ${lineClass(line, i)}` }), line.name)),
    );
    return this.node;
  }

  #across(at, value) {
    return [
      svg("line", { class: "plot-grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: at, y2: at }),
      text(MARGIN.left - 8, at + 4, short0(value), "end"),
    ];
  }

  #summary(lines) {
    const ends = lines.map(({ name, y }) => `${name} ${short(y[y.length - 1])}`);
    return `${this.label}${this.xName ? ` by ${this.xName}` : ""}. Last values: ${ends.join(", ")}`;
  }
}

function lineClass({ dashed }, i) {
  return `plot-line line-${i % 5}${dashed ? " dashed" : ""}`;
}

function pathOf({ x: xs, y: ys }, x, y) {
  let path = "";
  let on = false;
  for (let i = 0; i < xs.length; i += 1) {
    if (Number.isFinite(ys[i])) path += `${on ? "L" : "M"}${x(xs[i]).toFixed(1)} ${y(ys[i]).toFixed(1)}`;
    on = Number.isFinite(ys[i]);
  }
  return path;
}

function dot(cx, cy, i) {
  return svg("circle", { class: `plot-dot line-${i % 5}`, cx, cy, r: 3 });
}

function text(x, y, said, anchor) {
  return svg("text", { class: "plot-text", x, y, "text-anchor": anchor }, said);
}

function short0(value) {
  return short(value)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
}

function padded(low, high) {
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

function scale(low, high, from, to) {
  const span = high - low || 1;
  return Object.assign((value) => from + ((value - low) / span) * (to - from), { low, high });
}

/** Round numbers in a range. */
export function ticks(low, high, about) {
  const rough = (high - low || 1) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return found;
}
