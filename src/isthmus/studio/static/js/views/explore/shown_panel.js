/** What the sliders make, beside the selected sample. */

import { Bars } from "isthmus/parts/bars.js";
import { button, choice, el, replace } from "isthmus/parts/dom.js";
import { fixed, short } from "isthmus/parts/numbers.js";
import { Picture } from "isthmus/parts/picture.js";
import { nameOf } from "isthmus/parts/samples.js";

export class ShownPanel {
  /**
   * @param {{info: Object, samples: Object, condition: any, actions: Object<string, Function>}} options
   *   `actions` are `reset`, `draw`, `undo`, `select` (of another row) and `classOf` (decode as another
   *   class)
   */
  constructor({ info, samples, actions, condition }) {
    Object.assign(this, { info, samples, actions });
    this.facts = el("dl", { class: "facts" });
    this.rowInput = el("input", {
      type: "number",
      min: 0,
      max: Math.max(0, info.n_rows - 1),
      "aria-label": "Number of the selected row",
      class: "row-number",
      onchange: () => this.#asked(this.rowInput.valueAsNumber),
    });
    this.undoButton = button("Undo", {
      icon: "undo",
      onclick: actions.undo,
      title: "Undo (Ctrl or Cmd with Z)",
    });
    this.node = el(
      "section",
      { class: "card shown-panel", "aria-label": "What the decoder makes" },
      el(
        "div",
        { class: "card-head" },
        el("h2", {}, "Decoded"),
        el(
          "div",
          { class: "row" },
          info.conditions ? this.#classes(condition) : null,
          this.undoButton,
          button("Reset", {
            icon: "reset",
            onclick: actions.reset,
            title: "Back to the selected sample, or to the middle",
          }),
          info.has.prior
            ? button("Draw", { icon: "draw", onclick: actions.draw, title: "A random draw from the prior" })
            : null,
        ),
      ),
      info.kind === "picture" ? this.#pictures() : this.#bars(),
    );
  }

  #classes(condition) {
    const options = this.info.conditions.map((name) => ({ id: String(name), name: String(name) }));
    const field = choice("Class", options, String(condition), (id) =>
      this.actions.classOf(this.info.conditions.find((name) => String(name) === id)),
    );
    this.classChoice = field.querySelector("select");
    return field;
  }

  /** Choose the class that positions are decoded as. */
  decodedAs(name) {
    this.classChoice.value = String(name);
    this.actions.classOf(name);
  }

  #pictures() {
    this.picture = new Picture({
      label: "Picture decoded at the position of the sliders",
      class: "shown-main",
    });
    this.other = new Picture({ label: "The selected sample", class: "shown-other" });
    return el(
      "div",
      { class: "shown-pictures" },
      el("figure", { class: "shown-figure" }, this.picture.node),
      el("div", { class: "shown-side" }, this.#selection(this.other.node)),
    );
  }

  #bars() {
    return el("div", { class: "shown-table" }, el("div", {}, this.#makeBars()), this.#selection(null));
  }

  #selection(picture) {
    this.selected = el("div", { class: "selected" }, picture, this.facts);
    this.none = el(
      "p",
      { class: "muted" },
      this.info.has.data ? "Select a point on the map." : "The data are not at hand.",
    );
    const step = (by) => this.#asked((this.row ?? -1) + by);
    return [
      el(
        "div",
        { class: "selected-head" },
        el("h3", {}, "Selected sample"),
        this.info.has.data
          ? el(
              "div",
              { class: "row tight" },
              button("", { icon: "previous", label: "Previous row", quiet: true, onclick: () => step(-1) }),
              this.rowInput,
              button("", { icon: "next", label: "Next row", quiet: true, onclick: () => step(1) }),
            )
          : null,
      ),
      this.none,
      this.selected,
    ];
  }

  #asked(row) {
    if (!Number.isFinite(row)) return;
    const n = this.info.n_rows;
    this.actions.select(((Math.round(row) % n) + n) % n);
  }

  #makeBars() {
    const { ranges, features, low, high } = this.info;
    const d = this.info.shape.reduce((product, length) => product * length, 1);
    const ends = ranges ?? { low: new Float64Array(d).fill(low), high: new Float64Array(d).fill(high) };
    const names = features ?? Array.from({ length: d }, (_, i) => `feature ${i + 1}`);
    this.bars = new Bars({ features: names, ...ends, label: "Decoded row, by feature" });
    return [barsHead(), this.bars.node];
  }

  /** @param {import("isthmus/backend.js").Shown} shown */
  show(shown) {
    if (shown.kind === "picture") this.picture.show(shown);
    else this.bars.show(shown.values);
  }

  /**
   * @param {{row: number, shown: Object, label: string|null}|null} sample
   * @param {Object|null} known the answer of `posterior`
   */
  select(sample, known) {
    this.row = sample?.row ?? null;
    this.rowInput.value = sample ? sample.row : "";
    this.none.hidden = Boolean(sample);
    this.selected.hidden = !sample;
    this.bars?.beside(sample ? sample.shown.values : null);
    if (!sample) return;
    if (this.other) {
      this.other.show(sample.shown);
      this.other.label(`The selected sample, ${nameOf(sample)}`);
    }
    replace(
      this.facts,
      facts(sample, known).map(([name, value, note]) => fact(name, value, note)),
    );
  }

  undoable(can) {
    this.undoButton.disabled = !can;
  }
}

function barsHead() {
  return el(
    "p",
    { class: "bars-head small muted" },
    el("span", {}, "feature"),
    el("span", {}),
    el("span", { class: "bars-head-value" }, "decoded"),
    el("span", { class: "bars-head-value" }, "selected"),
  );
}

function facts(sample, known) {
  const list = [];
  if (sample.label !== null) list.push(["label", sample.label]);
  if (Number.isFinite(known?.error)) list.push(["error", short(known.error), "reconstruction error"]);
  if (Number.isFinite(known?.score))
    list.push(["score", `${short(known.score)} nats`, "lower bound on log p(x)"]);
  for (const { name, mean, std, probability } of known?.attributes ?? []) {
    const spread = std ? ` ± ${fixed(std)}` : "";
    const chance = Number.isFinite(probability) ? `probability ${fixed(probability)} of having it` : "";
    list.push([name, `${fixed(mean)}${spread}`, chance]);
  }
  return list;
}

function fact(name, value, note) {
  return el("div", { title: note || null }, el("dt", {}, name), el("dd", { class: "number" }, value));
}
