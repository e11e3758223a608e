/** The strongest features of the sample in a sparse model: what each adds, and the inputs that fire it most. */

import { Latest } from "isthmus/latest.js";
import { el, replace } from "isthmus/parts/dom.js";
import { fixed, short } from "isthmus/parts/numbers.js";
import { thumbnail } from "isthmus/parts/picture.js";
import { Scale, Signed } from "isthmus/views/lab_colours.js";

const MOST_COLUMNS = 4;

export class FeaturesPanel {
  /** @param {import("isthmus/views/lab.js").Lab} lab */
  constructor(lab) {
    this.lab = lab;
    this.atoms = [];
    this.scale = new Scale();
    this.words = el("p", { class: "muted" });
    this.list = el("ul", { class: "lab-features-list" });
    this.asks = new Latest(
      (sample) => this.#ask(sample),
      (found) => this.#draw(found),
      (error) => replace(this.list, el("li", { class: "problem-note", role: "alert" }, error.message)),
    );
    const picture = lab.about.kind === "picture";
    this.node = el(
      "section",
      { class: "card lab-features", "aria-labelledby": "lab-features-title" },
      el(
        "div",
        { class: "card-head" },
        el("h2", { id: "lab-features-title" }, "Features"),
        picture ? this.scale.node : null,
      ),
      this.words,
      this.list,
    );
  }

  show({ arrays }) {
    this.asks.push(arrays.sample);
  }

  stop() {
    this.asks.stop();
    this.scale.stop();
    this.#forget();
  }

  #forget() {
    for (const atom of this.atoms) atom.stop();
    this.atoms = [];
  }

  /** The features, and the pictures of the rows that fire them, each row once. */
  async #ask(sample) {
    const found = await this.lab.server.features(sample);
    const rows = [...new Set(found.header.features.flatMap((feature) => feature.rows ?? []))];
    const inputs = new Map();
    if (rows.length && this.lab.about.kind === "picture") {
      const { shown } = await this.lab.backend.samples(this.lab.run, rows);
      shown.forEach((one, i) => inputs.set(rows[i], one));
    }
    return { ...found, inputs };
  }

  #draw({ header, arrays, inputs }) {
    this.#forget();
    const { features, n_active: active, latent_dim: width, limit } = header;
    const first = features.length < active ? ` The ${features.length} strongest:` : "";
    this.words.textContent = `This sample is made of ${active} of ${short0(width)} features.${first}`;
    this.scale.show(limit || 1);
    const size = arrays.parts.values.length / Math.max(1, features.length);
    const part = (i) => arrays.parts.values.subarray(i * size, (i + 1) * size);
    replace(
      this.list,
      features.map((feature, i) =>
        this.#feature(feature, part(i), arrays.parts.shape.slice(1), limit, inputs),
      ),
    );
  }

  #feature({ latent, activation, share, rows }, part, shape, limit, inputs) {
    const often = share === null ? "" : `fires for ${percent(share)} of the data`;
    const picture = shape.length > 1;
    return el(
      "li",
      { class: picture ? "lab-feature" : "lab-feature of-row" },
      picture ? this.#atom(latent, part, shape, limit) : null,
      el(
        "div",
        { class: "lab-feature-words" },
        el("h3", {}, `Feature ${latent}`),
        el(
          "p",
          { class: "small muted number" },
          `strength ${fixed(activation, 2)}${often ? `, ${often}` : ""}`,
        ),
        picture ? null : this.#columns(part),
        rows === null ? null : this.#inputs(latent, rows, inputs),
      ),
    );
  }

  #atom(latent, part, shape, limit) {
    const atom = new Signed({ label: `What feature ${latent} adds`, class: "lab-atom" });
    atom.show({ shape, values: part }, limit || 1);
    this.atoms.push(atom);
    return atom.node;
  }

  #columns(part) {
    const { columns, features } = this.lab.about;
    const moved = Array.from(part, (value, i) => ({ i, value, size: Math.abs(value) / columns[i].sd }))
      .sort((a, b) => b.size - a.size)
      .slice(0, MOST_COLUMNS);
    return el(
      "ul",
      { class: "lab-adds small number", "aria-label": "What it adds most to" },
      el("li", { class: "muted", "aria-hidden": "true" }, "adds"),
      moved.map(({ i, value }) =>
        el(
          "li",
          {},
          el("span", { class: "muted" }, features?.[i] ?? `feature ${i + 1}`),
          ` ${value > 0 ? "+" : ""}${short(value)}`,
        ),
      ),
    );
  }

  #inputs(latent, rows, inputs) {
    if (this.lab.about.kind !== "picture") {
      return el(
        "p",
        { class: "small muted number" },
        rows.length ? `strongest for rows ${rows.slice(0, 5).join(", ")}` : "",
      );
    }
    return el(
      "div",
      { class: "lab-inputs", role: "group", "aria-label": `Inputs that fire feature ${latent} most` },
      rows.map((row) => thumbnail(inputs.get(row), `Row ${row}`)),
    );
  }
}

function percent(share) {
  const value = 100 * share;
  return `${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))} %`;
}

function short0(n) {
  return n.toLocaleString("en").replaceAll(",", "\u202f");
}
