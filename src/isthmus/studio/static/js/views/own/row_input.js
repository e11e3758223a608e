/** A row of one's own: a field for each feature, or a line that is pasted. */

import { button, el } from "isthmus/parts/dom.js";

const MOST = 200;

export class RowInput {
  /**
   * @param {{info: Object, backend: Object, ontake: (values: Float64Array) => void,
   *   onproblem: (text: string) => void}} options
   */
  constructor(options) {
    Object.assign(this, options);
    const { features, ranges } = this.info;
    this.values = Float64Array.from(ranges.low, (low, i) => (low + ranges.high[i]) / 2);
    this.fields = features.slice(0, MOST).map((name, i) => this.#field(name, i));
    const more =
      features.length > MOST ? `The first ${MOST} of ${features.length} features have fields.` : null;
    this.node = el(
      "section",
      { class: "card own-input", "aria-label": "Your row" },
      el(
        "div",
        { class: "card-head" },
        el("h2", {}, "Your row"),
        this.info.has.data ? button("Any sample", { icon: "random", onclick: () => this.#any() }) : null,
      ),
      el(
        "p",
        { class: "small muted" },
        "Type values, or paste a line of numbers. They never leave this page.",
      ),
      el(
        "div",
        { class: "own-fields" },
        this.fields.map(({ node }) => node),
      ),
      more ? el("p", { class: "small muted" }, more) : null,
    );
    this.paste = (event) => this.#pasted(event);
    document.addEventListener("paste", this.paste);
  }

  start() {
    return this.info.has.data ? this.#any(0) : this.#take(this.values);
  }

  stop() {
    document.removeEventListener("paste", this.paste);
  }

  #field(name, i) {
    const input = el("input", { type: "number", step: "any" });
    input.addEventListener("input", () => {
      if (!Number.isFinite(input.valueAsNumber)) return;
      this.values[i] = input.valueAsNumber;
      this.ontake(this.values.slice());
    });
    return {
      input,
      node: el("label", { class: "field" }, el("span", { class: "field-name", title: name }, name), input),
    };
  }

  async #any(row = Math.floor(Math.random() * this.info.n_rows)) {
    const { shown } = await this.backend.samples(this.info.name, [row]);
    this.#take(shown[0].values);
  }

  #take(values) {
    this.values = Float64Array.from(values);
    this.fields.forEach(({ input }, i) => {
      input.value = Number(this.values[i].toPrecision(7));
    });
    this.ontake(this.values.slice());
  }

  /** A line with as many numbers as there are features fills all fields, one number its own. */
  #pasted(event) {
    const numbers = event.clipboardData
      .getData("text/plain")
      .trim()
      .split(/[\s,;]+/)
      .map(Number);
    if (numbers.length < 2) return;
    event.preventDefault();
    if (numbers.length === this.values.length && numbers.every(Number.isFinite)) this.#take(numbers);
    else this.onproblem(`A row has ${this.values.length} numbers, and what was pasted is something else.`);
  }
}
