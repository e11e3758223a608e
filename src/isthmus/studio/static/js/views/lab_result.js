/** Input, reconstruction and difference, and how unusual the input is among the training samples. */

import { shownFrom } from "isthmus/backend.js";
import { Latest } from "isthmus/latest.js";
import { el } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";
import { Picture } from "isthmus/parts/picture.js";
import { limitOf, Scale, Signed } from "isthmus/views/lab_colours.js";
import { Histogram } from "isthmus/views/lab_histogram.js";
import { ColumnBars } from "isthmus/views/lab_table.js";

// Differences smaller than this share of the range are shown as small.
const FAINT = 0.1;

export class ResultPanel {
  /** @param {import("isthmus/views/lab.js").Lab} lab */
  constructor(lab) {
    this.lab = lab;
    this.content = lab.about.kind === "picture" ? new Pictures(lab.about) : new Rows(lab);
    const waiting = lab.about.n_rows
      ? "Comparing with the data …"
      : "The data of this run are not at hand to compare with.";
    this.error = new Place("Mean squared error", "error", waiting);
    this.score = new Place("Score", "score", waiting);
    this.places = new Latest(
      (figures) => lab.server.place(figures),
      (found, figures) => this.#place(found, figures),
      (error) => lab.toast(error.message, { problem: true }),
    );
    this.node = el(
      "section",
      { class: "card lab-result", "aria-labelledby": "lab-result-title" },
      el("div", { class: "card-head" }, el("h2", { id: "lab-result-title" }, "Reconstruction")),
      this.content.node,
      el("div", { class: "lab-places" }, this.error.node, this.score.node),
    );
  }

  show(result, how) {
    const { header } = result;
    this.content.show(result, how);
    const unit = this.lab.about.kind === "picture" ? "" : ", in squared standard deviations of the columns";
    this.error.show(header.mse, `per value${unit}`);
    const meaning = header.bound
      ? "nats, a lower bound on log p(x)"
      : "nats, log p(x|z): how well it is reconstructed";
    this.score.show(header.score, meaning, header.score_problem);
    if (this.lab.about.n_rows) this.places.push(header);
  }

  #place(found, { mse, score }) {
    this.error.place(found.error, mse);
    if (found.score) this.score.place(found.score, score);
  }

  stop() {
    this.places.stop();
    this.content.stop();
  }
}

/** One number, what it means, and where it lies. */
class Place {
  constructor(name, kind, waiting) {
    this.value = el("span", { class: "lab-figure-value number" });
    this.unit = el("span", { class: "small muted" });
    this.sentence = el("p", { class: "lab-sentence", "aria-live": "polite" }, waiting);
    this.histogram = new Histogram();
    this.node = el(
      "div",
      { class: "lab-place", dataset: { kind } },
      el("h3", {}, name),
      el("div", { class: "lab-figure" }, this.value, " ", this.unit),
      this.histogram.node,
      this.sentence,
    );
  }

  show(value, unit, problem = null) {
    this.value.textContent = value === null ? "–" : short(value);
    this.unit.textContent = value === null ? "" : unit;
    if (problem) this.sentence.textContent = `No score: ${problem}`;
    if (value === null) this.histogram.show(null);
  }

  place(place, value) {
    this.histogram.show(place, value);
    this.sentence.textContent = place.sentence[0].toUpperCase() + place.sentence.slice(1);
  }
}

class Pictures {
  constructor({ low, high }) {
    this.faint = FAINT * (high - low);
    this.input = new Picture({ label: "Input" });
    this.rebuilt = new Picture({ label: "Reconstruction" });
    this.difference = new Signed({
      label: "Difference: red where the reconstruction is brighter, blue where it is darker",
    });
    this.scale = new Scale();
    this.node = el(
      "div",
      { class: "lab-three" },
      figure("Input", this.input.node),
      figure("Reconstruction", this.rebuilt.node),
      figure("Difference", this.difference.node, this.scale.node),
    );
  }

  show({ arrays }) {
    const [input, rebuilt] = shownFrom(arrays.shown);
    this.input.show(input);
    this.rebuilt.show(rebuilt);
    const limit = limitOf(arrays.difference.values, this.faint);
    this.difference.show(arrays.difference, limit);
    this.scale.show(limit);
  }

  stop() {
    this.difference.stop();
    this.scale.stop();
  }
}

export function figure(name, ...children) {
  return el(
    "figure",
    { class: "lab-figure-box" },
    el("figcaption", { class: "small muted" }, name),
    children,
  );
}

/** A row and its reconstruction by feature, the largest differences first; values can be changed. */
class Rows {
  constructor(lab) {
    this.lab = lab;
    this.values = null;
    this.bars = new ColumnBars({
      about: lab.about,
      series: ["input", "reconstruction"],
      edited: (column, value) => this.#edit(column, value),
      extra: "difference",
    });
    this.asks = new Latest(
      (values) => lab.server.tryValues(values),
      (result) => lab.tried(result, { edited: true }),
      (error) => lab.toast(error.message, { problem: true }),
    );
    this.node = el("div", {}, this.bars.node);
  }

  show({ arrays }, { edited = false } = {}) {
    this.values = Float64Array.from(arrays.sample.values);
    const rows = [arrays.sample.values, arrays.reconstruction.values];
    const apart = this.#apart(arrays.difference.values);
    // While a value is being changed the lines stay where they are.
    if (!edited) this.bars.order(apart);
    this.bars.show(rows, { apart, edited });
  }

  #apart(difference) {
    return Array.from(difference, (value, i) => value / this.lab.about.columns[i].sd);
  }

  #edit(column, value) {
    this.values[column] = value;
    this.asks.push(Float64Array.from(this.values));
  }

  stop() {
    this.asks.stop();
  }
}
