/**
 * A row of a table as bars, each feature on a scale of its own and in its own units, beside the row that is
 * selected.
 */

import { el, replace } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";

const MOST = 120;

export class Bars {
  /**
   * @param {{features: string[], low: ArrayLike<number>, high: ArrayLike<number>, label: string}} options
   *   ends of the scale of each feature
   */
  constructor({ features, low, high, label }) {
    Object.assign(this, { low, high, features });
    this.bars = features.slice(0, MOST).map((name, i) => new Bar(name, low[i], high[i]));
    this.values = el(
      "ul",
      { class: "bars-list", "aria-label": label },
      this.bars.map((bar) => bar.node),
    );
    const more = features.length > MOST ? `The first ${MOST} of ${features.length} features.` : null;
    this.node = el(
      "div",
      { class: "bars" },
      this.values,
      more ? el("p", { class: "small muted" }, more) : null,
    );
  }

  /** @param {ArrayLike<number>} values what the sliders make */
  show(values) {
    this.bars.forEach((bar, i) => bar.show(values[i]));
    this.node.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  /** @param {ArrayLike<number>|null} values the selected row */
  beside(values) {
    this.bars.forEach((bar, i) => bar.beside(values ? values[i] : null));
  }
}

class Bar {
  constructor(name, low, high) {
    Object.assign(this, { name, low, high });
    this.fill = el("span", { class: "bar-fill" });
    this.other = el("span", { class: "bar-other" });
    this.value = el("span", { class: "bar-value number" });
    this.known = el("span", { class: "bar-known number" });
    this.node = el(
      "li",
      { class: "bar-row" },
      el("span", { class: "bar-name", title: name }, name),
      el("span", { class: "bar-track", "aria-hidden": "true" }, this.fill, this.other),
      this.value,
      this.known,
    );
  }

  #share(value) {
    return Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low || 1)));
  }

  show(value) {
    this.fill.style.transform = `scaleX(${this.#share(value)})`;
    this.value.textContent = short(value);
  }

  beside(value) {
    this.other.hidden = value === null;
    this.known.textContent = value === null ? "" : short(value);
    if (value !== null) this.other.style.left = `${100 * this.#share(value)}%`;
  }
}

/**
 * Ends of the scale of each feature, a little beyond what the rows show.
 * @param {ArrayLike<number>[]} rows
 */
export function rangesOf(rows) {
  const d = rows[0]?.length ?? 0;
  const low = new Float64Array(d).fill(Infinity);
  const high = new Float64Array(d).fill(-Infinity);
  for (const row of rows) {
    for (let i = 0; i < d; i += 1) {
      low[i] = Math.min(low[i], row[i]);
      high[i] = Math.max(high[i], row[i]);
    }
  }
  return { low, high };
}

/** The first features of a row as text, for a small place. */
export function rowSummary(features, values, most = 5) {
  const lines = Array.from(values.slice(0, most), (value, i) =>
    el("li", {}, el("span", { class: "muted" }, features?.[i] ?? `feature ${i + 1}`), " ", short(value)),
  );
  return replace(el("ul", { class: "row-summary small number" }), lines);
}
