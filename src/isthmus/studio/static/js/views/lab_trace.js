/** Drawings of chains: a statistic over the steps, and the states of a table as lines across its features. */

import { choice, el, replace } from "isthmus/parts/dom.js";
import { classColours, token } from "isthmus/parts/colours.js";
import { ticks } from "isthmus/parts/plot.js";
import { short } from "isthmus/parts/numbers.js";

const FONT = "11px system-ui, sans-serif";

/** A canvas as sharp as the screen, drawn once a frame however often it is asked to. */
class Board {
  constructor(height, draw, label) {
    this.draw = draw;
    this.height = height;
    this.node = el("canvas", { class: "lab-board", role: "img", "aria-label": label });
    this.node.style.height = `${height}px`;
    this.context = this.node.getContext("2d");
    this.asked = 0;
    this.again = () => this.ask();
    this.watch = new ResizeObserver(this.again);
    this.watch.observe(this.node);
    window.addEventListener("themechange", this.again);
  }

  ask() {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.#now());
  }

  #now() {
    this.asked = 0;
    const width = this.node.clientWidth;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(this.height * ratio)];
    if (this.node.width !== wide || this.node.height !== high)
      Object.assign(this.node, { width: wide, height: high });
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, width, this.height);
    this.context.font = FONT;
    this.draw(this.context, width, this.height);
  }

  stop() {
    cancelAnimationFrame(this.asked);
    this.watch.disconnect();
    window.removeEventListener("themechange", this.again);
  }
}

const css = ([red, green, blue], alpha = 1) => `rgb(${red} ${green} ${blue} / ${alpha})`;

/** One statistic of all chains over their steps, on the band where nearly all of the data lie. */
export class Trace {
  /** @param {Object<string, {mean: number, sd: number}>} references of the data */
  constructor(references) {
    this.references = references;
    this.names = [];
    this.columns = [];
    this.at = 0;
    this.board = new Board(180, (...args) => this.#draw(...args), "Trace of the chains");
    this.place = el("div");
    this.node = el(
      "figure",
      { class: "lab-trace" },
      el("figcaption", { class: "lab-trace-head" }, this.place),
      this.board.node,
      el(
        "p",
        { class: "small muted" },
        "The band holds 95 % of the data. Left of the dashed line nothing counts for the verdict.",
      ),
    );
  }

  reset(names) {
    if (names.join() !== this.names.join()) {
      this.names = names;
      this.at = 0;
      const options = names.map((name, i) => ({ id: String(i), name }));
      replace(
        this.place,
        choice("Trace of", options, "0", (i) => this.#choose(Number(i))),
      );
    }
    this.columns = names.map(() => []);
    this.board.ask();
  }

  #choose(i) {
    this.at = i;
    this.board.ask();
  }

  /** @param {{shape: number[], values: Float32Array}} trace of shape (steps, statistics, chains) */
  add({ shape: [steps, n, chains], values }) {
    for (let t = 0; t < steps; t += 1) {
      for (let i = 0; i < n; i += 1)
        this.columns[i].push(values.subarray((t * n + i) * chains, (t * n + i + 1) * chains));
    }
    this.board.ask();
  }

  stop() {
    this.board.stop();
  }

  #draw(context, width, height) {
    const states = this.columns[this.at] ?? [];
    const known = this.references[this.names[this.at]];
    const [left, right, top, bottom] = [48, width - 8, 8, height - 22];
    const [low, high] = ends(states, known);
    const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
    const x = (t) => left + (states.length > 1 ? t / (states.length - 1) : 0) * (right - left);
    const muted = css(token("--muted"));
    if (known) {
      context.fillStyle = css(token("--accent-soft"), 0.7);
      const [upper, lower] = [y(known.mean + 2 * known.sd), y(known.mean - 2 * known.sd)].map((at) =>
        Math.min(bottom, Math.max(top, at)),
      );
      context.fillRect(left, upper, right - left, lower - upper);
    }
    context.strokeStyle = css(token("--line"));
    context.fillStyle = muted;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of ticks(low, high, 4)) {
      line(context, left, y(value), right, y(value));
      context.fillText(short(value).replace(/\.?0+$/, ""), left - 6, y(value));
    }
    if (states.length < 2) return;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const t of ticks(0, states.length - 1, Math.min(6, states.length)))
      if (Number.isInteger(t)) context.fillText(short(t).replace(/\.\d+$/, ""), x(t), bottom + 6);
    context.strokeStyle = css(token("--edge"));
    context.setLineDash([4, 4]);
    line(context, x((states.length - 1) / 2), top, x((states.length - 1) / 2), bottom);
    context.setLineDash([]);
    this.#lines(context, states, x, y, right - left);
  }

  #lines(context, states, x, y, room) {
    const colours = classColours();
    // More points than pixels would only take time.
    const stride = Math.max(1, Math.floor(states.length / room));
    for (let k = 0; k < states[0].length; k += 1) {
      context.strokeStyle = css(colours[k % colours.length], 0.8);
      context.lineWidth = 1.1;
      context.beginPath();
      for (let t = 0; t < states.length; t += stride) context.lineTo(x(t), y(states[t][k]));
      context.stroke();
    }
  }
}

function line(context, x1, y1, x2, y2) {
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function ends(states, known) {
  let [low, high] = known
    ? [known.mean - 2.5 * known.sd, known.mean + 2.5 * known.sd]
    : [Infinity, -Infinity];
  for (const state of states) {
    for (const value of state) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low < high) return [low, high];
  return Number.isFinite(low) ? [low - 1, low + 1] : [-1, 1];
}

/** States of a table, a line for each chain across the features, in standard deviations from the mean of the data. */
export class Parallel {
  constructor({ columns, features }) {
    this.columns = columns;
    this.names = columns.map((_, i) => features?.[i] ?? String(i + 1));
    this.rows = [];
    this.board = new Board(
      320,
      (...args) => this.#draw(...args),
      "States of the chains, a line for each across the features",
    );
    this.node = el(
      "figure",
      { class: "lab-parallel" },
      this.board.node,
      el(
        "figcaption",
        { class: "small muted" },
        "Each line is a chain; each feature in standard deviations from its mean in the data.",
      ),
    );
  }

  /** @param {Float32Array[]} rows */
  show(rows) {
    this.rows = rows;
    this.board.ask();
    this.node.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  stop() {
    this.board.stop();
  }

  #draw(context, width, height) {
    const n = this.columns.length;
    const named = n <= 24;
    const [left, right, top, bottom] = [32, width - 12, 8, height - (named ? 96 : 22)];
    const reach = 4;
    const x = (i) => left + (n > 1 ? i / (n - 1) : 0.5) * (right - left);
    const y = (value) =>
      top + ((reach - Math.max(-reach, Math.min(reach, value))) / (2 * reach)) * (bottom - top);
    context.fillStyle = css(token("--accent-soft"), 0.7);
    context.fillRect(left, y(2), right - left, y(-2) - y(2));
    context.strokeStyle = css(token("--line"));
    context.fillStyle = css(token("--muted"));
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of [-4, -2, 0, 2, 4]) {
      line(context, left, y(value), right, y(value));
      context.fillText(String(value).replace("-", "−"), left - 6, y(value));
    }
    if (named) this.names.forEach((name, i) => slanted(context, name, x(i), bottom + 8));
    const colours = classColours();
    this.rows.forEach((row, k) => {
      context.strokeStyle = css(colours[k % colours.length], 0.85);
      context.lineWidth = 1.5;
      context.beginPath();
      this.columns.forEach(({ mean, sd }, i) => context.lineTo(x(i), y((row[i] - mean) / sd)));
      context.stroke();
    });
  }
}

function slanted(context, name, x, y) {
  context.save();
  context.translate(x + 3, y);
  context.rotate(-Math.PI / 3.4);
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText(name.length > 14 ? `${name.slice(0, 13)}…` : name, 0, 0);
  context.restore();
}
