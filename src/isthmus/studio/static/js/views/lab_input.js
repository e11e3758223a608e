/** Where a sample comes from: a file that is dropped, pasted or chosen, or a row of the data. */

import { Latest } from "isthmus/latest.js";
import { button, choice, el, replace } from "isthmus/parts/dom.js";

const ACCEPT = ".png,.jpg,.jpeg,.webp,.bmp,.tif,.tiff,.gif,.npy,.npz,.csv,.tsv,image/*";

export class InputPanel {
  /** @param {import("isthmus/views/lab.js").Lab} lab */
  constructor(lab) {
    this.lab = lab;
    this.file = null;
    this.at = 0;
    this.options = { fit: "crop", invert: false, index: 0 };
    this.problem = el("p", { class: "problem-note", role: "alert", hidden: true });
    this.notes = el("ul", {
      class: "lab-notes small muted",
      "aria-label": "What was done to it",
      "aria-live": "polite",
    });
    this.choices = el("div", { class: "row lab-options" });
    this.asks = new Latest(
      (ask) => ask(),
      (result) => this.#done(result),
      (error) => this.#failed(error),
    );
    this.node = el(
      "section",
      { class: "card lab-input", "aria-labelledby": "lab-input-title" },
      el("div", { class: "card-head" }, el("h2", { id: "lab-input-title" }, "Input")),
      this.#drop(),
      this.#rows(),
      this.choices,
      this.problem,
      this.notes,
    );
    this.paste = (event) => this.#pasted(event);
    this.away = (event) => event.preventDefault();
    document.addEventListener("paste", this.paste);
    // A file that misses the field would replace the page.
    for (const kind of ["dragover", "drop"]) document.addEventListener(kind, this.away);
  }

  stop() {
    this.asks.stop();
    document.removeEventListener("paste", this.paste);
    for (const kind of ["dragover", "drop"]) document.removeEventListener(kind, this.away);
  }

  /** Begin with the row that the address names, or the first. */
  async start() {
    const { n_rows: n } = this.lab.about;
    if (!n) return;
    const row = Number(this.lab.state.get("row", "0"));
    this.takeRow(Number.isInteger(row) && row >= 0 && row < n ? row : 0);
  }

  takeRow(row) {
    this.file = null;
    this.at = row;
    this.row.value = row;
    this.lab.state.set("row", row);
    this.asks.push(() => this.lab.server.tryRow(row));
  }

  takeFile(file) {
    if (!file) return;
    this.file = file;
    this.row.value = "";
    this.options.index = 0;
    this.#askFile();
  }

  #askFile() {
    const { file, options } = this;
    this.asks.push(() => this.lab.server.tryFile(file, options));
  }

  /** Say what was done to the sample that was tried. */
  show({ header }) {
    replace(
      this.notes,
      header.notes.map((note) => el("li", {}, note)),
    );
    this.#drawChoices(header.of);
    const { label } = header;
    this.label.textContent = label === null || label === undefined ? "" : `label ${label}`;
    this.name.textContent = this.file ? this.file.name : "";
  }

  #done(result) {
    this.problem.hidden = true;
    this.lab.tried(result);
  }

  #failed(error) {
    this.problem.textContent = error.message;
    this.problem.hidden = false;
    replace(this.notes);
  }

  #drop() {
    const { kind } = this.lab.about;
    const input = el("input", { type: "file", accept: ACCEPT, class: "sr-only", id: "lab-file" });
    input.addEventListener("change", () => {
      this.takeFile(input.files[0]);
      input.value = "";
    });
    this.name = el("span", { class: "lab-file-name" });
    const what = kind === "picture" ? "a picture or an array" : "a row as .csv, .npy or .npz";
    const area = el(
      "label",
      { class: "lab-drop", for: "lab-file" },
      input,
      el("span", { class: "lab-drop-title" }, `Drop, paste or choose ${what}`),
      el(
        "span",
        { class: "small muted" },
        kind === "picture"
          ? "PNG, JPEG, WebP, TIFF, GIF, BMP, .npy, .npz or .csv. It stays on this machine and is not kept."
          : "It stays on this machine and is not kept.",
      ),
      this.name,
    );
    area.addEventListener("dragover", (event) => {
      event.preventDefault();
      area.classList.add("over");
    });
    area.addEventListener("dragleave", () => area.classList.remove("over"));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      area.classList.remove("over");
      this.takeFile(event.dataTransfer.files[0]);
    });
    return area;
  }

  #pasted(event) {
    if (event.target.closest?.("input[type=number], input[type=text], textarea")) return;
    const file = [...event.clipboardData.files][0];
    const text = event.clipboardData.getData("text/plain");
    if (file) this.takeFile(file);
    else if (text && this.lab.about.kind === "row") this.takeFile(new File([text], "the pasted text"));
    else return;
    event.preventDefault();
  }

  #rows() {
    const { n_rows: n } = this.lab.about;
    this.label = el("span", { class: "small muted" });
    this.row = el("input", { type: "number", min: 0, max: Math.max(0, n - 1), step: 1, class: "lab-row" });
    this.row.addEventListener("change", () => {
      const row = Math.round(this.row.valueAsNumber);
      if (Number.isNaN(row)) return;
      if (row >= 0 && row < n) this.takeRow(row);
      else this.#failed(new Error(`There are rows 0 to ${n - 1}.`));
    });
    if (!n)
      return el(
        "p",
        { class: "small muted" },
        "The data of this run are not at hand, so there is no sample to take.",
      );
    const move = (by) => () => this.takeRow((this.at + by + n) % n);
    return el(
      "div",
      { class: "row lab-rows" },
      el("label", { class: "field" }, el("span", { class: "field-name" }, "or take a sample"), this.row),
      el(
        "div",
        { class: "row" },
        button("", { icon: "previous", label: "Sample before", onclick: move(-1) }),
        button("", { icon: "next", label: "Next sample", onclick: move(1) }),
        button("", {
          icon: "random",
          label: "Any sample",
          onclick: () => this.takeRow(Math.floor(Math.random() * n)),
        }),
      ),
      this.label,
    );
  }

  #drawChoices(of) {
    const parts = [];
    if (this.file && this.lab.about.kind === "picture") {
      const fits = [
        { id: "crop", name: "cut the middle out" },
        { id: "stretch", name: "stretch" },
      ];
      parts.push(choice("Other proportions", fits, this.options.fit, (fit) => this.#change({ fit })));
      const box = el("input", {
        type: "checkbox",
        onchange: (event) => this.#change({ invert: event.target.checked }),
      });
      box.checked = this.options.invert;
      parts.push(el("label", { class: "lab-check" }, box, "Invert"));
    }
    if (this.file && of > 1) {
      const index = el("input", { type: "number", min: 1, max: of, step: 1, value: this.options.index + 1 });
      index.addEventListener("change", () => {
        const chosen = Math.round(index.valueAsNumber) - 1;
        if (chosen >= 0 && chosen < of) this.#change({ index: chosen });
      });
      parts.push(
        el("label", { class: "field" }, el("span", { class: "field-name" }, `Sample of ${of}`), index),
      );
    }
    // Redrawn only if others are wanted: a field that is being used must not lose the focus.
    const wanted = `${parts.length} ${of} ${this.file?.name}`;
    if (this.choices.dataset.drawn === wanted) return;
    this.choices.dataset.drawn = wanted;
    replace(this.choices, parts);
  }

  #change(options) {
    Object.assign(this.options, options);
    this.#askFile();
  }
}
