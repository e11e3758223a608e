/** One slider for each attribute and each latent, the most active first. */

import { el } from "isthmus/parts/dom.js";
import { Picture } from "isthmus/parts/picture.js";
import { short } from "isthmus/parts/numbers.js";
import { Slider } from "isthmus/parts/slider.js";

const MOST = 16;
/** Less than this is nothing: in nats, or as a share of the most active where all have little. */
const LEAST_ACTIVITY = 0.01;

export class SlidersPanel {
  /** @param {{info: Object, position: import("isthmus/parts/position.js").Position}} options */
  constructor({ info, position }) {
    Object.assign(this, { info, position });
    this.latents = info.latents.map((latent) => this.#latent(latent));
    this.attributes = (info.attributes ?? []).map((attribute) => this.#attribute(attribute));
    const first = this.#nFirst();
    this.preview = new Picture({ class: "slider-preview-picture" });
    this.previewBar = el("div", { class: "slider-preview" }, this.preview.node);
    this.node = el(
      "section",
      { class: "card sliders-panel", "aria-label": "Sliders" },
      info.kind === "picture" ? this.previewBar : null,
      this.attributes.length ? group("Attributes", this.attributes) : null,
      group("Latents", this.latents.slice(0, first), "most active first"),
      this.#rest(first),
    );
    position.onchange(() => this.follow());
    this.follow();
  }

  /** Latents that say nothing are out of the way, unless none says anything. */
  #nFirst() {
    const activities = this.info.latents.map(({ activity }) => activity);
    const least = LEAST_ACTIVITY * Math.min(1, Math.max(...activities));
    const active = activities.filter((activity) => !(activity < least)).length;
    return Math.min(active || this.latents.length, MOST);
  }

  #rest(first) {
    const rest = this.latents.slice(first);
    if (!rest.length) return null;
    const name = first < MOST ? "inactive" : "more";
    return el(
      "details",
      { class: "more-sliders" },
      el("summary", {}, `${rest.length} ${name}`),
      el(
        "div",
        { class: "sliders" },
        rest.map(({ slider }) => slider.node),
      ),
    );
  }

  #latent({ index, name, activity, low, high, step }) {
    const slider = new Slider({
      name,
      low,
      high,
      step,
      note: `activity ${short(activity)}`,
      label: `Latent ${name}, activity ${short(activity)}`,
      onstart: () => this.position.keep(),
      oninput: (value) => this.position.moveOne(index, value),
    });
    return { slider, index };
  }

  #attribute(attribute) {
    const { name, low, high } = attribute;
    const slider = new Slider({
      name,
      low,
      high,
      label: `Attribute ${name}`,
      onstart: () => this.position.keep(),
      oninput: (value) =>
        this.position.moveAlong(attribute.axis, value - measure(attribute, this.position.z)),
    });
    return { slider, attribute };
  }

  /** On a narrow page the picture is far above; a small one stays beside the sliders. */
  show(shown) {
    if (shown.kind === "picture" && this.previewBar.offsetParent) this.preview.show(shown);
  }

  /** Put the thumbs where the position is. */
  follow() {
    const { z } = this.position;
    for (const { slider, index } of this.latents) if (slider.value !== z[index]) slider.set(z[index]);
    for (const { slider, attribute } of this.attributes) slider.set(measure(attribute, z));
  }

  /** @param {Object|null} known the answer of `posterior` for the selected sample */
  posterior(known) {
    for (const { slider, index } of this.latents) {
      slider.posterior(known ? { mean: known.mean[index], std: known.std?.[index] ?? null } : null);
    }
    for (const { slider, attribute } of this.attributes) {
      const found = known?.attributes?.find(({ name }) => name === attribute.name);
      slider.posterior(found ?? null);
    }
  }
}

/** How much of an attribute a code has: its weights measure, its axis moves. */
function measure({ weights, offset }, z) {
  return weights.reduce((sum, weight, i) => sum + weight * z[i], -offset);
}

/** Names take the room of the longest, so that all tracks of a group begin at one place. */
function nameWidth(names) {
  return `${Math.min(13, Math.max(...names.map((name) => name.length)))}ch`;
}

function group(name, parts, note) {
  const sliders = parts.map(({ slider }) => slider.node);
  const names = parts.map(({ slider }) => slider.name);
  return el(
    "div",
    { class: "slider-group", role: "group", "aria-label": name },
    el("h3", {}, name, note ? el("span", { class: "muted small" }, ` ${note}`) : null),
    el("div", { class: "sliders", style: { "--name-width": nameWidth(names) } }, sliders),
  );
}
