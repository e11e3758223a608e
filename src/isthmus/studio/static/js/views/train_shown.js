/** A few samples that are held out, and what the model makes of them by now. */

import { shownFrom } from "isthmus/backend.js";
import { Bars, rangesOf } from "isthmus/parts/bars.js";
import { el, replace } from "isthmus/parts/dom.js";
import { Picture } from "isthmus/parts/picture.js";

const MOST_ROWS = 3;

export class ShownSamples {
  constructor() {
    this.when = el("p", { class: "muted small number" }, "They come with the first epoch.");
    this.body = el("div", { class: "fit-shown" });
    this.node = el(
      "section",
      { class: "card", hidden: true, "aria-label": "Reconstructions" },
      el("div", { class: "card-head" }, el("h2", {}, "Reconstructions"), this.when),
      this.body,
    );
    this.made = null;
  }

  /** @param {{header: Object, arrays: Object}} frame of the data, or of what the model makes of them */
  show({ header, arrays }) {
    const shown = shownFrom(arrays.shown);
    if (header.of === "data") {
      this.node.hidden = false;
      this.#layOut(shown, header);
      return;
    }
    if (header.of === "noisy") {
      this.noisy?.(shown);
      return;
    }
    this.made?.(shown);
    this.when.textContent = header.epoch ? `after epoch ${header.epoch}` : "of the model that is kept";
  }

  #layOut(shown, header) {
    if (shown[0]?.kind === "row") this.#bars(shown.slice(0, MOST_ROWS), header);
    else this.#pictures(shown, header);
  }

  #pictures(shown, { rows }) {
    const pairs = shown.map((picture, i) => {
      const sample = new Picture({ label: `Sample ${rows[i]}` });
      const noisy = new Picture({ label: `Sample ${rows[i]} with noise, as the model gets it` });
      const model = new Picture({ label: `Sample ${rows[i]} as the model gives it back` });
      sample.show(picture);
      return { sample, noisy, model };
    });
    const line = (name, hidden) => [
      el("span", { class: "small muted fit-row-name", hidden }, name),
      pairs.map((pair) => {
        pair[name].node.hidden = hidden;
        return pair[name].node;
      }),
    ];
    const noise = line("noisy", true);
    replace(
      this.body,
      el("div", { class: "fit-pictures" }, line("sample", false), noise, line("model", false)),
    );
    this.body.style.setProperty("--columns", pairs.length);
    this.made = (made) => made.forEach((picture, i) => pairs[i]?.model.show(picture));
    this.noisy = (noisy) => {
      for (const node of noise.flat()) node.hidden = false;
      noisy.forEach((picture, i) => pairs[i]?.noisy.show(picture));
    };
  }

  #bars(shown, { rows, names }) {
    const values = shown.map((row) => row.values);
    const { low, high } = rangesOf(values);
    const features = names ?? Array.from(values[0], (_, i) => `feature ${i + 1}`);
    // A feature that is the same in the few rows still needs room to be missed in.
    for (let i = 0; i < low.length; i += 1) {
      const room = (high[i] - low[i] || Math.abs(high[i]) || 1) * 0.5;
      low[i] -= room;
      high[i] += room;
    }
    const all = rows
      .slice(0, shown.length)
      .map((row) => new Bars({ features, low, high, label: `Row ${row}` }));
    all.forEach((bars, i) => bars.beside(values[i]));
    replace(
      this.body,
      all.map((bars, i) =>
        el(
          "figure",
          {},
          el(
            "figcaption",
            { class: "small muted" },
            `Row ${rows[i]}: as the model gives it back, and as it is`,
          ),
          bars.node,
        ),
      ),
    );
    this.made = (made) => all.forEach((bars, i) => bars.show(made[i].values));
  }
}
