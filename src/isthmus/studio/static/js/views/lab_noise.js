/** Noise on the sample, as strong as the slider says, and what the model makes of it. */

import { shownFrom } from "isthmus/backend.js";
import { Latest } from "isthmus/latest.js";
import { button, choice, el, replace } from "isthmus/parts/dom.js";
import { fixed } from "isthmus/parts/numbers.js";
import { Picture } from "isthmus/parts/picture.js";
import { Slider } from "isthmus/parts/slider.js";
import { figure } from "isthmus/views/lab_result.js";
import { ColumnBars } from "isthmus/views/lab_table.js";

export class NoisePanel {
  /** @param {import("isthmus/views/lab.js").Lab} lab */
  constructor(lab) {
    this.lab = lab;
    this.sample = null;
    this.seed = 0;
    const { kinds, remark } = lab.about.noise;
    const asked = lab.state.get("noise");
    this.kind = kinds.find(({ id }) => id === asked) ?? kinds[0];
    this.content = lab.about.kind === "picture" ? new Pictures() : new Rows(lab.about);
    this.place = el("div", { class: "lab-slider" });
    this.unit = el("span", { class: "small muted" });
    this.verdict = el("p", { class: "lab-verdict number" });
    this.problem = el("p", { class: "problem-note", role: "alert", hidden: true });
    this.asks = new Latest(
      ({ sample, choices }) => lab.server.noise(sample, choices),
      (result) => this.#done(result),
      (error) => this.#failed(error),
    );
    const named = kinds.map(({ id, name, trained }) => ({
      id,
      name: trained ? `${name} (as in training)` : name,
    }));
    this.node = el(
      "section",
      { class: "card lab-noise", "aria-labelledby": "lab-noise-title" },
      el("div", { class: "card-head" }, el("h2", { id: "lab-noise-title" }, "Noise"), this.verdict),
      el(
        "div",
        { class: "lab-controls" },
        choice("Kind", named, this.kind.id, (id) => this.#choose(id)),
        el("div", { class: "lab-strength" }, this.place, this.unit),
        button("New noise", { icon: "random", onclick: () => this.#reseed() }),
      ),
      this.content.node,
      remark ? el("p", { class: "small muted lab-remark" }, remark) : null,
      this.problem,
    );
    this.#drawSlider(Number(lab.state.get("strength", this.kind.default)));
  }

  show({ arrays }) {
    this.sample = arrays.sample;
    this.#ask();
  }

  stop() {
    this.asks.stop();
  }

  #choose(id) {
    this.kind = this.lab.about.noise.kinds.find((kind) => kind.id === id);
    this.lab.state.set("noise", id);
    this.#drawSlider(this.kind.default);
    this.#ask();
  }

  #reseed() {
    this.seed = Math.floor(Math.random() * 2 ** 31);
    this.#ask();
  }

  #drawSlider(value) {
    const { most, unit, name, default: usual } = this.kind;
    this.slider = new Slider({
      name: "strength",
      label: `Strength of the noise: ${name}, ${unit}`,
      low: 0,
      high: most,
      value: value >= 0 && value <= most ? value : usual,
      oninput: () => this.#ask(),
    });
    this.unit.textContent = unit;
    replace(this.place, this.slider.node);
  }

  #ask() {
    if (!this.sample) return;
    const strength = this.slider.value;
    this.lab.state.set("strength", strength);
    this.asks.push({ sample: this.sample, choices: { kind: this.kind.id, strength, seed: this.seed } });
  }

  #done({ header, arrays }) {
    this.problem.hidden = true;
    this.content.show(arrays);
    this.verdict.textContent = said(header);
  }

  #failed(error) {
    this.problem.textContent = error.message;
    this.problem.hidden = false;
  }
}

/** Errors before and after, as a line. */
function said({ measure, before, after }) {
  if (measure === "psnr") {
    const db = (value) => (value === null ? "∞" : fixed(value, 1));
    const gain =
      before === null || after === null ? "" : ` (${after > before ? "+" : ""}${fixed(after - before, 1)})`;
    return `PSNR ${db(before)} → ${db(after)} dB${gain}`;
  }
  return `Error ${fixed(before, 2)} → ${fixed(after, 2)} sd`;
}

class Pictures {
  constructor() {
    this.pictures = ["Clean", "Noisy", "Denoised"].map((label) => new Picture({ label }));
    this.node = el(
      "div",
      { class: "lab-three" },
      ["Clean", "Noisy", "Denoised"].map((name, i) => figure(name, this.pictures[i].node)),
    );
  }

  show({ shown }) {
    shownFrom(shown).forEach((picture, i) => this.pictures[i].show(picture));
  }
}

class Rows {
  constructor(about) {
    this.bars = new ColumnBars({ about, series: ["clean", "noisy", "denoised"] });
    this.node = this.bars.node;
  }

  show({ samples: { shape, values } }) {
    const d = shape[1];
    this.bars.show([0, 1, 2].map((i) => values.subarray(i * d, (i + 1) * d)));
  }
}
