/** What the model makes of a sample: the sample, its reconstruction, and where it lies in the code. */

import { Bars } from "isthmus/parts/bars.js";
import { el, replace } from "isthmus/parts/dom.js";
import { fixed, short } from "isthmus/parts/numbers.js";
import { Picture } from "isthmus/parts/picture.js";
import { writeCode } from "isthmus/parts/position.js";
import { Slider } from "isthmus/parts/slider.js";
import { href } from "isthmus/router.js";

const MOST = 16;

export class OwnResult {
  /** @param {{info: Object, errors: Float32Array|null}} options `errors` of the samples of the page */
  constructor({ info, errors }) {
    Object.assign(this, { info, errors, said: "" });
    this.verdict = el("p", {});
    this.codes = el("div", { class: "slider-group" });
    this.go = el("a", { class: "button primary" }, "Explore from here");
    this.body = el("div", { class: "own-body", hidden: true }, this.#shown(), this.verdict, this.codes);
    this.none = el("p", { class: "muted" }, "Nothing yet.");
    this.node = el(
      "section",
      { class: "card own-result", "aria-label": "What the model makes of it" },
      el("div", { class: "card-head" }, el("h2", {}, "What the model makes of it"), this.go),
      this.none,
      this.body,
    );
    this.go.hidden = true;
  }

  #shown() {
    if (this.info.kind === "row") {
      this.bars = new Bars({
        features: this.info.features,
        ...this.info.ranges,
        label: "Reconstructed row, by feature",
      });
      return el("div", {}, barsHead(), this.bars.node);
    }
    this.input = new Picture({ label: "Your picture as the model sees it", class: "own-picture" });
    this.rebuilt = new Picture({
      label: "The reconstruction of your picture",
      class: "own-picture own-rebuilt",
    });
    return el(
      "div",
      { class: "own-pair" },
      figure("As the model sees it", this.input.node),
      figure("Reconstruction", this.rebuilt.node),
    );
  }

  /** @param {{known: Object, given: Object, shown: Object, error: number}} found the answer of `own` */
  show({ known, given, shown, error }) {
    this.none.hidden = true;
    this.body.hidden = false;
    this.go.hidden = false;
    this.go.href = `${href("run", this.info.name, "explore")}?z=${writeCode(known.mean)}`;
    if (this.bars) {
      this.bars.show(shown.values);
      this.bars.beside(given.values);
    } else {
      this.input.show(given);
      this.rebuilt.show(shown);
    }
    this.said = sentence(error, this.errors);
    this.verdict.textContent = this.said;
    this.#drawCodes(known);
  }

  #drawCodes({ mean, std, attributes }) {
    const latents = this.info.latents
      .slice(0, MOST)
      .map((latent) => marked(latent, { mean: mean[latent.index], std: std?.[latent.index] }));
    const found = attributes.map((attribute, i) => marked(this.info.attributes[i], attribute));
    replace(
      this.codes,
      found.length ? [el("h3", {}, "Attributes"), el("ul", { class: "own-codes" }, found)] : null,
      el("h3", {}, "Code"),
      el("ul", { class: "own-codes" }, latents),
    );
  }
}

function barsHead() {
  const head = (text) => el("span", { class: "bars-head-value" }, text);
  return el(
    "p",
    { class: "bars-head small muted" },
    el("span", {}, "feature"),
    el("span", {}),
    head("rebuilt"),
    head("yours"),
  );
}

/** A slider that shows and cannot be moved. */
function marked({ name, low, high, step }, { mean, std }) {
  const slider = new Slider({
    name,
    low: Math.min(low, mean),
    high: Math.max(high, mean),
    step,
    value: mean,
  });
  slider.posterior({ mean, std: std ?? null });
  slider.input.disabled = true;
  if (std) slider.output.textContent = `${fixed(mean)} ± ${fixed(std)}`;
  return el("li", {}, slider.node);
}

function sentence(error, errors) {
  const said = `Reconstruction error ${short(error)}, the root mean square difference`;
  if (!errors?.length) return `${said}.`;
  const below = errors.filter((other) => other < error).length / errors.length;
  const share = below === 1 ? "every sample" : `${Math.round(100 * below)} % of the samples`;
  return `${said}: larger than that of ${share} on the map.`;
}

function figure(name, node) {
  return el("figure", { class: "own-figure" }, el("figcaption", { class: "small muted" }, name), node);
}
