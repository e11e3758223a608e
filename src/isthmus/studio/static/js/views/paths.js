/** From one sample to another through the latent space. */

import { Latest } from "isthmus/latest.js";
import { button, choice, el } from "isthmus/parts/dom.js";
import { save } from "isthmus/parts/files.js";
import { MapPanel } from "isthmus/parts/map_panel.js";
import { middleOf, readCode, writeCode } from "isthmus/parts/position.js";
import { runHead } from "isthmus/parts/run_head.js";
import { Samples } from "isthmus/parts/samples.js";
import { End } from "isthmus/views/paths/end.js";
import { Way } from "isthmus/views/paths/way.js";

export const title = "Paths";

const KINDS = [
  { id: "linear", name: "Straight" },
  { id: "spherical", name: "Spherical" },
];
const STEPS = [6, 8, 12, 16, 24, 32].map((n) => ({ id: String(n), name: String(n) }));

export async function mount(root, context) {
  const info = await context.backend.run(context.route.params.run);
  const view = new Paths(root, info, context);
  await view.start();
  return () => view.stop();
}

class Paths {
  constructor(root, info, { backend, state, toast }) {
    Object.assign(this, { info, backend, state, toast });
    this.samples = new Samples(backend, info.name);
    this.kind = KINDS.some(({ id }) => id === state.get("kind"))
      ? state.get("kind")
      : info.has.prior
        ? "spherical"
        : "linear";
    this.steps = STEPS.some(({ id }) => id === state.get("steps")) ? Number(state.get("steps")) : 12;
    this.loader = new Latest(
      (ends) => backend.path(info.name, ends),
      (found) => this.#show(found),
      (error) => this.fail(error),
    );
    this.#build(root);
  }

  #build(root) {
    const { info } = this;
    this.ends = ["From", "To"].map(
      (name, i) =>
        new End({
          ...this.#parts(),
          title: name,
          onchange: () => this.#changed(),
          onactive: () => this.#activate(i),
          onerror: (error) => this.fail(error),
        }),
    );
    this.way = new Way({ info, onmove: (at) => this.#moved(at) });
    this.panel = new MapPanel({
      ...this.#parts(),
      onselect: (row) => this.#set({ row }),
      onplace: (z) => this.#set({ z }),
    });
    root.append(
      runHead(info),
      el(
        "div",
        { class: "paths" },
        this.panel.node,
        el(
          "div",
          { class: "paths-side" },
          el(
            "section",
            { class: "card", "aria-label": "Ends" },
            el(
              "div",
              { class: "ends" },
              this.ends.map(({ node }) => node),
            ),
          ),
          el("section", { class: "card way-card", "aria-label": "Path" }, this.#head(), this.way.node),
        ),
      ),
    );
  }

  #parts() {
    const { info, backend, state, toast, samples } = this;
    return { info, backend, state, toast, samples };
  }

  #head() {
    const set = (key, convert) => (value) => {
      this[key] = convert(value);
      this.state.set(key, value);
      this.load();
    };
    return el(
      "div",
      { class: "card-head" },
      el(
        "div",
        { class: "row" },
        choice("Way", KINDS, this.kind, set("kind", String)),
        choice("Steps", STEPS, String(this.steps), set("steps", Number)),
      ),
      this.backend.can.files ? this.#savers() : null,
    );
  }

  #savers() {
    const saver = (text, as) =>
      button(text, {
        icon: "save",
        title: `Save the path as ${as.toUpperCase()}`,
        onclick: () => this.#save(as),
      });
    return el(
      "div",
      { class: "row" },
      this.info.kind === "picture" ? saver("GIF", "gif") : null,
      saver("PNG strip", "png"),
    );
  }

  async start() {
    this.panel.open();
    this.#activate(0);
    await Promise.all(
      this.ends.map((end, i) => end.choose(this.#kept(i) ?? this.#first(i), { quiet: true })),
    );
    for (const [i, end] of this.ends.entries()) if (!end.value) await this.ends[i].any();
    this.way.at = Number(this.state.get("at") ?? 0) || 0;
    this.load();
  }

  #key(i) {
    return ["from", "to"][i];
  }

  #kept(i) {
    const text = this.state.get(this.#key(i));
    if (!text) return null;
    if (text.includes(",")) return { z: readCode(text, this.#middle().length) ?? this.#middle() };
    const row = Number(text);
    return this.info.has.data && Number.isInteger(row) && row >= 0 && row < this.info.n_rows ? { row } : null;
  }

  #first(i) {
    return this.info.has.data ? { row: Math.min(i, this.info.n_rows - 1) } : { z: this.#middle(i) };
  }

  /** Without data: from the middle to one standard deviation of the most active latent. */
  #middle(away = 0) {
    const z = middleOf(this.info);
    const [first] = this.info.latents;
    if (away && first) z[first.index] += 2 * first.sd;
    return z;
  }

  #activate(i) {
    this.active = i;
    this.ends.forEach((end, k) => end.activate(k === i));
  }

  async #set(value) {
    await this.ends[this.active].choose(value);
    this.#activate(1 - this.active);
  }

  #changed() {
    this.ends.forEach(
      ({ value }, i) => value && this.state.set(this.#key(i), value.z ? writeCode(value.z) : value.row),
    );
    this.load();
  }

  load() {
    const [from, to] = this.ends.map(({ value }) => value);
    if (from && to) this.loader.push(this.#asked());
  }

  #asked() {
    const [from, to] = this.ends.map(({ value }) => value);
    return { from, to, kind: this.kind, steps: this.steps };
  }

  #show({ shown, z }) {
    this.codes = z;
    this.panel.way(z);
    this.way.show(shown);
  }

  #moved(at) {
    this.state.set("at", at);
    if (this.codes) this.panel.here(this.codes[at]);
  }

  async #save(as) {
    try {
      save(
        await this.backend.pathFile(this.info.name, this.#asked(), as),
        `${this.info.name.replaceAll("/", "-")}-path.${as}`,
      );
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    this.toast(error.message, { problem: true });
  }

  stop() {
    this.way.stop();
    this.loader.stop();
    this.panel.destroy();
  }
}
