/** The choice of data: what comes with isthmus, what the runs were fitted on, or all that `isthmus fit` takes. */

import { el } from "isthmus/parts/dom.js";

const OTHER = "other";

export class Sources {
  /**
   * @param {{data: string, options: Object, about: string}[]} known
   * @param {import("isthmus/state.js").State} state
   * @param {(options: Object|null) => void} onchange how the chosen data are to be read, if that is known
   */
  constructor(known, state, onchange) {
    Object.assign(this, { known, state, onchange });
    const wish = state.get("data", known[0]?.data ?? "");
    const index = known.findIndex(({ data }) => data === wish);
    this.select = el(
      "select",
      { id: "train-data", onchange: () => this.#chosen() },
      known.map(({ data, about }, i) => el("option", { value: i }, `${shortPath(data)}  (${about})`)),
      el("option", { value: OTHER }, "a path or another name"),
    );
    this.select.value = index >= 0 ? String(index) : OTHER;
    this.path = el("input", {
      type: "text",
      "aria-label": "Path or name of the data",
      placeholder: "pictures/, table.csv, data.npz:images, faces:n=500,size=64",
      autocomplete: "off",
      spellcheck: "false",
      value: index >= 0 ? "" : wish,
      hidden: index >= 0,
      onchange: () => this.#typed(),
    });
    this.error = el("p", { class: "form-error", id: "train-data-error", hidden: true });
    for (const control of [this.select, this.path])
      control.setAttribute("aria-describedby", "train-data-error");
    this.node = el(
      "div",
      { class: "form-field" },
      el("label", { class: "form-name", for: "train-data" }, "Data"),
      this.select,
      this.path,
      this.error,
    );
  }

  /** As `isthmus fit` takes it. */
  get value() {
    return this.select.value === OTHER ? this.path.value.trim() : this.known[Number(this.select.value)].data;
  }

  complain(sentence) {
    this.error.textContent = sentence ?? "";
    this.error.hidden = !sentence;
    const control = this.select.value === OTHER ? this.path : this.select;
    for (const each of [this.select, this.path]) each.removeAttribute("aria-invalid");
    if (sentence) control.setAttribute("aria-invalid", "true");
  }

  #chosen() {
    const other = this.select.value === OTHER;
    this.path.hidden = !other;
    if (other) this.path.focus();
    this.#remember();
    this.onchange(other ? null : this.known[Number(this.select.value)].options);
  }

  #typed() {
    this.#remember();
    this.onchange(null);
  }

  #remember() {
    this.complain(null);
    this.state.set("data", this.value === this.known[0]?.data ? null : this.value || null);
  }
}

/** The end of a long path, which tells most. */
function shortPath(path) {
  return path.length > 40 ? `…${path.slice(-38)}` : path;
}
