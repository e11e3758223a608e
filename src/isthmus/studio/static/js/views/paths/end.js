/**
 * One end of a path: a sample that is chosen by its number, at random, or on the map; without data, a draw.
 */

import { rowSummary } from "isthmus/parts/bars.js";
import { button, el, replace } from "isthmus/parts/dom.js";
import { Picture } from "isthmus/parts/picture.js";
import { nameOf } from "isthmus/parts/samples.js";

export class End {
  /**
   * @param {{title: string, info: Object, samples: Object, backend: Object, onchange: () => void,
   *   onactive: () => void, onerror: (error: Error) => void}} options
   */
  constructor(options) {
    Object.assign(this, options);
    this.value = null;
    this.picture = new Picture({ label: this.title });
    this.body = el("div", {});
    this.caption = el("p", { class: "small muted" });
    this.number = el("input", {
      type: "number",
      min: 0,
      max: Math.max(0, this.info.n_rows - 1),
      class: "row-number",
      "aria-label": `${this.title}: number of the row`,
      onchange: () =>
        Number.isFinite(this.number.valueAsNumber) &&
        this.choose({ row: this.#within(this.number.valueAsNumber) }),
    });
    this.pick = button("On the map", {
      "aria-pressed": "false",
      title: `A click on the map sets: ${this.title.toLowerCase()}`,
      onclick: () => this.onactive(),
    });
    this.node = el(
      "section",
      { class: "end", "aria-label": this.title },
      el(
        "div",
        { class: "selected-head" },
        el("h3", {}, this.title),
        this.info.has.data ? this.number : null,
      ),
      this.body,
      this.caption,
      el(
        "div",
        { class: "row" },
        this.pick,
        button("", { icon: "random", label: `${this.title}: any`, onclick: () => this.any() }),
      ),
    );
  }

  #within(row) {
    return Math.min(this.info.n_rows - 1, Math.max(0, Math.round(row)));
  }

  activate(on) {
    this.node.dataset.active = String(on);
    this.pick.setAttribute("aria-pressed", String(on));
  }

  async any() {
    try {
      if (this.info.has.data) await this.choose({ row: Math.floor(Math.random() * this.info.n_rows) });
      else
        await this.choose({
          z: await this.backend.draw(this.info.name, Math.floor(Math.random() * 2 ** 31)),
        });
    } catch (error) {
      this.onerror(error);
    }
  }

  /** @param {{row: number}|{z: ArrayLike<number>}} value */
  async choose(value, { quiet = false } = {}) {
    this.value = value.z ? { z: Array.from(value.z) } : value;
    try {
      await this.#show();
    } catch (error) {
      this.onerror(error);
    }
    if (!quiet) this.onchange();
  }

  async #show() {
    const { value } = this;
    const { name } = this.info;
    const sample = value.z
      ? { shown: await this.backend.decode(name, value.z) }
      : await this.samples.one(value.row);
    if (this.value !== value) return;
    this.number.value = value.z ? "" : value.row;
    this.caption.textContent = value.z ? "a place on the map" : (sample.label ?? `row ${value.row}`);
    if (sample.shown.kind === "picture") {
      if (this.body.firstChild !== this.picture.node) replace(this.body, this.picture.node);
      this.picture.show(sample.shown);
      this.picture.label(value.z ? this.title : `${this.title}: ${nameOf(sample)}`);
    } else replace(this.body, rowSummary(this.info.features, sample.shown.values, 4));
  }
}
