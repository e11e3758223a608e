/** A contact sheet of selected samples, and their export. */

import { rowSummary } from "isthmus/parts/bars.js";
import { button, el, replace } from "isthmus/parts/dom.js";
import { save } from "isthmus/parts/files.js";
import { count } from "isthmus/parts/numbers.js";
import { thumbnail } from "isthmus/parts/picture.js";
import { nameOf } from "isthmus/parts/samples.js";

const MOST = 120;
const KINDS = [
  ["png", "Contact sheet as PNG"],
  ["npz", "Data, codes and row numbers as NPZ"],
  ["csv", "Table as CSV"],
];

export class Sheet {
  /**
   * @param {{backend: Object, info: Object, samples: Object, toast: Function, onselect: (row: number) =>
   *   void, onclose: () => void}} options
   */
  constructor(options) {
    Object.assign(this, options);
    this.title = el("h2", {});
    this.list = el("ul", { class: "sheet-list" });
    this.note = el("p", { class: "small muted" });
    this.node = el(
      "section",
      { class: "card sheet", hidden: true, "aria-label": "Selected samples" },
      el(
        "div",
        { class: "card-head" },
        this.title,
        el(
          "div",
          { class: "row" },
          this.backend.can.files
            ? KINDS.map(([kind, title]) =>
                button(kind.toUpperCase(), { icon: "save", title, onclick: () => this.#export(kind) }),
              )
            : null,
          button("", {
            icon: "close",
            label: "Close the selection",
            quiet: true,
            onclick: () => this.onclose(),
          }),
        ),
      ),
      this.list,
      this.note,
    );
  }

  /** @param {number[]} rows none hides the sheet */
  async show(rows) {
    this.rows = rows;
    this.node.hidden = rows.length === 0;
    if (!rows.length) return;
    this.title.textContent = `${count(rows.length, "sample")} selected`;
    const found = await this.samples.get(rows.slice(0, MOST));
    if (this.rows !== rows) return;
    replace(
      this.list,
      found.map((sample) => this.#item(sample)),
    );
    this.note.textContent = rows.length > MOST ? `The first ${MOST} are shown; an export holds all.` : "";
  }

  #item(sample) {
    const { row, label, shown } = sample;
    const name = nameOf(sample);
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "sheet-item",
          "aria-label": `Select ${name}`,
          title: name,
          onclick: () => this.onselect(row),
        },
        shown.kind === "picture" ? thumbnail(shown) : rowSummary(this.info.features, shown.values, 3),
        el("span", { class: "sheet-name" }, label ?? `${row}`),
      ),
    );
  }

  async #export(kind) {
    try {
      const file = await this.backend.selectionFile(this.info.name, Array.from(this.rows), kind);
      save(file, `${this.info.name.replaceAll("/", "-")}-selection.${kind}`);
    } catch (error) {
      this.toast(error.message, { problem: true });
    }
  }
}
