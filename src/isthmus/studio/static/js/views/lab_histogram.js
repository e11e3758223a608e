/** A small histogram of the training samples, with a mark where a sample lies. */

import { el, replace, svg } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";

const WIDTH = 320;
const HEIGHT = 64;
const EDGE = 6;

export class Histogram {
  constructor() {
    this.drawing = svg("svg", { class: "lab-histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.low = el("span");
    this.high = el("span");
    this.ends = el(
      "div",
      { class: "lab-ends small muted number", "aria-hidden": "true" },
      this.low,
      this.high,
    );
    this.node = el("div", { hidden: true }, this.drawing, this.ends);
  }

  /**
   * @param {{edges: number[], counts: number[], sentence: string}|null} place
   * @param {number|null} value
   */
  show(place, value) {
    this.node.hidden = !place;
    if (!place) return;
    const { edges, counts } = place;
    const [first, last] = [edges[0], edges[edges.length - 1]];
    const most = Math.max(...counts, 1);
    const wide = (WIDTH - 2 * EDGE) / counts.length;
    const bars = counts.map((count, i) => {
      const height = count ? Math.max(1, (count / most) * (HEIGHT - 12)) : 0;
      return svg("rect", { x: EDGE + i * wide, y: HEIGHT - height, width: Math.max(1, wide - 1), height });
    });
    const share = (value - first) / (last - first);
    const x = EDGE + Math.min(1, Math.max(0, share)) * (WIDTH - 2 * EDGE);
    replace(
      this.drawing,
      svg("g", { class: "lab-histogram-bars" }, bars),
      svg("line", { class: "lab-histogram-mark", x1: x, x2: x, y1: 8, y2: HEIGHT }),
      svg("path", { class: "lab-histogram-head", d: head(share, x) }),
    );
    this.drawing.setAttribute(
      "aria-label",
      `Histogram of the training samples, and this one at ${short(value)}`,
    );
    this.low.textContent = short(first);
    this.high.textContent = short(last);
  }
}

/** The head of the mark: it points down, or off the end beyond which the value lies. */
function head(share, x) {
  if (share > 1) return `M${x - 4} 2l6 5l-6 5z`;
  if (share < 0) return `M${x + 4} 2l-6 5l6 5z`;
  return `M${x - 5} 1h10l-5 8z`;
}
