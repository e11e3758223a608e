/** Rows of a table as bars, feature by feature on a scale of its own, several rows one above the other. */

import { button, el, replace } from "isthmus/parts/dom.js";
import { fixed, short } from "isthmus/parts/numbers.js";

const FIRST = 20;

export class ColumnBars {
  /**
   * @param {{about: Object, series: string[], edited?: (column: number, value: number) => void, extra?: string}} options
   *   `series` names the rows; with `edited` the values of the first can be changed; `extra` heads the last column, how
   *   far apart two of them are in standard deviations
   */
  constructor({ about, series, edited = null, extra = "" }) {
    Object.assign(this, { about, series, edited, extra });
    this.names = about.columns.map((_, i) => about.features?.[i] ?? `feature ${i + 1}`);
    this.all = false;
    this.places = this.names.map((_, i) => i);
    this.lines = this.names.map((name, i) => this.#line(name, i));
    this.list = el("ul", { class: `lab-columns with-${series.length}` });
    this.more = button("", { quiet: true });
    this.more.className = "button quiet";
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this.#place();
    });
    this.legend = el(
      "ul",
      { class: "lab-legend small muted" },
      series.map((name, i) => el("li", {}, el("span", { class: `lab-swatch series-${i}` }), name)),
    );
    this.node = el("div", { class: "lab-bars" }, this.legend, this.list, this.more);
    this.#place();
  }

  /** Put the features in the order of these sizes, the largest first. */
  order(sizes) {
    this.places = this.names.map((_, i) => i).sort((a, b) => Math.abs(sizes[b]) - Math.abs(sizes[a]));
    this.#place();
  }

  #place() {
    const shown = this.all ? this.places : this.places.slice(0, FIRST);
    replace(
      this.list,
      shown.map((i) => this.lines[i].node),
    );
    this.more.hidden = this.names.length <= FIRST;
    this.more.textContent = this.all ? `Show the first ${FIRST}` : `Show all ${this.names.length} features`;
  }

  /**
   * @param {ArrayLike<number>[]} rows one for each of the series
   * @param {{apart?: number[], edited?: boolean}} [options] `edited`: leave the field alone that is being changed
   */
  show(rows, { apart = null, edited = false } = {}) {
    this.lines.forEach((line, i) =>
      line.show(
        rows.map((row) => row[i]),
        apart?.[i],
        edited,
      ),
    );
    this.node.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  #line(name, i) {
    const { low, high } = this.about.columns[i];
    const fills = this.series.map((_, k) => el("span", { class: `lab-bar series-${k}` }));
    const field = this.edited ? this.#field(name, i) : el("span", { class: "number" });
    const values = this.series.map((series, k) =>
      k === 0 ? field : el("span", { class: "number", title: series }),
    );
    const apart = this.extra ? el("span", { class: "lab-apart number small" }) : null;
    const node = el(
      "li",
      { class: "lab-column", dataset: { column: name } },
      el("span", { class: "lab-column-name", title: name }, name),
      el(
        "span",
        {
          class: "lab-column-track",
          "aria-hidden": "true",
          title: `${short(low)} to ${short(high)} in the data`,
        },
        fills,
      ),
      values.map((value) => el("span", { class: "lab-column-value" }, value)),
      apart,
    );
    const share = (value) => Math.min(1, Math.max(0.004, (value - low) / (high - low || 1)));
    const show = (row, distance, edited) => {
      row.forEach((value, k) => {
        fills[k].style.transform = `scaleX(${share(value)})`;
        if (k === 0 && this.edited) {
          if (!(edited && document.activeElement === field)) field.value = Number(value.toPrecision(6));
        } else values[k].textContent = short(value);
      });
      if (apart) apart.textContent = `${signed(distance)} sd`;
    };
    return { node, show };
  }

  #field(name, i) {
    const { low, high } = this.about.columns[i];
    const field = el("input", {
      type: "number",
      step: "any",
      class: "lab-value",
      "aria-label": `${name}, input`,
    });
    field.title = `${short(low)} to ${short(high)} in the data`;
    field.addEventListener("input", () => {
      if (Number.isFinite(field.valueAsNumber)) this.edited(i, field.valueAsNumber);
    });
    return field;
  }
}

/** With its sign, unless it is rounded to nothing. */
function signed(value) {
  if (Math.abs(value) < 0.05) return "0.0";
  return `${value > 0 ? "+" : ""}${fixed(value, 1)}`;
}
