/**
 * A slider: a native range input, with what is known of the selected sample drawn behind it.
 *
 * The posterior is a bell of the height of its density, so an uncertain one is wide and low; the part within
 * one standard deviation of the mean is darker. A mean without a spread is a tick.
 */

import { el, svg } from "isthmus/parts/dom.js";
import { decimalsFor, fixed } from "isthmus/parts/numbers.js";

const WIDTH = 200;
const HEIGHT = 26;
/** Narrower than this, in units of the drawing, a bell could not be seen. */
const NARROWEST = 1.6;

export class Slider {
  /**
   * @param {{name: string, low: number, high: number, value?: number, step?: number, note?: string, label?:
   *   string, oninput?: (value: number) => void, onstart?: () => void, onend?: () => void}} options `onstart`
   *   comes before the first of a row of changes, `onend` after the last
   */
  constructor({ name, low, high, value = 0, step, note, label, oninput, onstart, onend }) {
    Object.assign(this, { low, high, oninput, name });
    this.decimals = step >= 1 ? 0 : decimalsFor(low, high);
    this.input = el("input", {
      type: "range",
      min: low,
      max: high,
      step: step ?? "any",
      "aria-label": label ?? name,
      class: "slider-input",
    });
    this.output = el("output", { class: "slider-value number" });
    this.bell = svg("path", { class: "bell" });
    this.middle = svg("path", { class: "bell-middle" });
    this.tick = svg("line", { class: "bell-mean", y1: 0, y2: HEIGHT });
    this.drawing = svg(
      "svg",
      {
        class: "slider-bell",
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
      },
      this.bell,
      this.middle,
      this.tick,
    );
    this.node = el(
      "div",
      { class: "slider" },
      el("span", { class: "slider-name", title: note ?? null }, name),
      el("div", { class: "slider-track" }, this.drawing, this.input),
      this.output,
    );
    this.#listen({ oninput, onstart, onend });
    this.posterior(null);
    this.set(value);
  }

  #listen({ oninput, onstart, onend }) {
    let moving = false;
    const start = () => {
      if (!moving) onstart?.();
      moving = true;
    };
    this.input.addEventListener("input", () => {
      start();
      // "any" keeps the value exact when it is set; a key should still move by a hundredth of the range.
      this.#write(this.input.valueAsNumber);
      oninput?.(this.input.valueAsNumber);
    });
    this.input.addEventListener("change", () => {
      moving = false;
      onend?.();
    });
    this.input.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    const move = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[
      event.key
    ];
    if (!move || event.ctrlKey || event.metaKey || event.altKey || this.input.step !== "any") return;
    event.preventDefault();
    const value = this.input.valueAsNumber + (move * (this.high - this.low)) / 100;
    this.input.valueAsNumber = Math.min(this.high, Math.max(this.low, value));
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  get value() {
    return this.input.valueAsNumber;
  }

  /** Move without telling anyone; a value beyond the ends is written, and the thumb stays at the end. */
  set(value) {
    this.input.valueAsNumber = value;
    this.#write(value);
  }

  #write(value) {
    const share = Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low || 1)));
    this.input.style.setProperty("--share", share);
    this.output.textContent = fixed(value, this.decimals);
  }

  /**
   * Draw what is known of the selected sample.
   * @param {{mean: number, std: number|null}|null} known
   */
  posterior(known) {
    const at = (value) => ((value - this.low) / (this.high - this.low || 1)) * WIDTH;
    const text =
      known &&
      `${fixed(known.mean, this.decimals)}${known.std ? ` ± ${fixed(known.std, this.decimals)}` : ""}`;
    this.input.setAttribute("aria-description", known ? `The selected sample: ${text}` : "");
    this.node.title = known ? `Selected sample: ${text}` : "";
    this.tick.style.display = known && !known.std ? "" : "none";
    const sd = known?.std ? Math.max(NARROWEST, at(known.mean + known.std) - at(known.mean)) : 0;
    this.bell.setAttribute("d", sd ? bellPath(at(known.mean), sd, 3.5) : "");
    this.middle.setAttribute("d", sd ? bellPath(at(known.mean), sd, 1) : "");
    if (known) {
      this.tick.setAttribute("x1", at(known.mean));
      this.tick.setAttribute("x2", at(known.mean));
    }
  }
}

/** A normal density from -reach to reach standard deviations; a narrow one is as high as there is room. */
function bellPath(mean, sd, reach) {
  const height = Math.min(1, 10 / sd + 0.25) * (HEIGHT - 1);
  const points = [];
  for (let i = 0; i <= 32; i += 1) {
    const t = -reach + (2 * reach * i) / 32;
    points.push(`${(mean + t * sd).toFixed(2)} ${(HEIGHT - height * Math.exp(-(t * t) / 2)).toFixed(2)}`);
  }
  const foot = (side) => `${(mean + side * reach * sd).toFixed(2)} ${HEIGHT}`;
  return `M${foot(-1)}L${points.join("L")}L${foot(1)}Z`;
}
