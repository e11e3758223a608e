/** Two runs side by side, on the same inputs. */

import { button, el, liveRegion, replace } from "isthmus/parts/dom.js";
import { figureList } from "isthmus/parts/figure_list.js";
import { MapPanel } from "isthmus/parts/map_panel.js";
import { count } from "isthmus/parts/numbers.js";
import { shapeOf } from "isthmus/parts/run_head.js";
import { nameOf, Samples } from "isthmus/parts/samples.js";
import { href } from "isthmus/router.js";
import { drawRows, markRow, sameSamples } from "isthmus/views/compare/rows.js";

export const title = "Compare";

const N_ROWS = 6;

export async function mount(root, context) {
  const { a, b } = context.route.params;
  const infos = await Promise.all([context.backend.run(a), context.backend.run(b)]);
  const view = new Compare(root, infos, context);
  await view.start();
  return () => view.stop();
}

class Compare {
  constructor(root, infos, { backend, state, toast }) {
    Object.assign(this, { infos, backend, state, toast });
    this.samples = infos.map((info) => new Samples(backend, info.name));
    this.panels = infos.map(
      (info, i) =>
        new MapPanel({
          info,
          backend,
          toast,
          samples: this.samples[i],
          state: new Beside(state, i),
          title: `Latent map of ${info.name}`,
          onselect: (row) => this.select(row),
        }),
    );
    this.live = liveRegion();
    this.table = el("div", { class: "compare-scroll" });
    this.note = el("p", { class: "muted" });
    this.#build(root);
  }

  #build(root) {
    const { infos } = this;
    const move = (by) => this.show(this.#wrapped(this.first + by * N_ROWS));
    root.append(
      el("header", { class: "run-head" }, el("h1", {}, `${infos[0].name} and ${infos[1].name}`)),
      el(
        "div",
        { class: "compare-runs" },
        infos.map((info, i) => el("div", { class: "compare-run" }, summary(info), this.panels[i].node)),
      ),
      el(
        "section",
        { class: "card compare-rows", "aria-label": "The same samples" },
        el(
          "div",
          { class: "card-head" },
          el("h2", {}, "The same samples"),
          el(
            "div",
            { class: "row" },
            button("", { icon: "previous", label: "Samples before", onclick: () => move(-1) }),
            button("", { icon: "next", label: "Samples after", onclick: () => move(1) }),
            button("Others", {
              icon: "random",
              onclick: () => this.show(Math.floor(Math.random() * this.#n)),
            }),
          ),
        ),
        this.note,
        this.table,
      ),
      this.live.node,
    );
  }

  get #n() {
    return Math.min(...this.infos.map(({ n_rows: n }) => n));
  }

  #wrapped(row) {
    return ((row % this.#n) + this.#n) % this.#n;
  }

  async start() {
    for (const panel of this.panels) panel.open();
    if (!this.infos.every(({ has }) => has.data)) {
      this.note.textContent =
        "The data of these runs are not at hand; start the studio with --data to compare them.";
      return;
    }
    const kept = (key) => this.#wrapped(Math.max(0, Math.round(Number(this.state.get(key)) || 0)));
    await this.show(kept("first"));
    if (this.state.get("row") !== null) this.#mark(kept("row"));
  }

  /** Show so many samples from this one on. */
  async show(first) {
    this.first = first;
    this.state.set("first", first);
    const numbers = Array.from({ length: Math.min(N_ROWS, this.#n) }, (_, i) => this.#wrapped(first + i));
    try {
      const found = await Promise.all(this.samples.map((samples) => samples.get(numbers)));
      if (!this.#comparable(found)) return;
      const rows = await Promise.all(numbers.map((row, i) => this.#row(row, found[0][i])));
      if (this.first !== first) return;
      drawRows(this.table, this.infos, rows, (row) => this.select(row));
      markRow(this.table, this.selected);
    } catch (error) {
      this.toast(error.message, { problem: true });
    }
  }

  #comparable([some, others]) {
    const same = sameSamples(some, others);
    this.note.hidden = same;
    this.note.textContent = "These runs have different data, so no sample is in both.";
    if (!same) replace(this.table);
    return same;
  }

  async #row(row, sample) {
    const names = this.infos.map(({ name }) => name);
    const [made, known] = await Promise.all([
      Promise.all(names.map((name) => this.backend.reconstruct(name, row))),
      Promise.all(names.map((name) => this.backend.posterior(name, row))),
    ]);
    return { sample, made, errors: known.map(({ error }) => error) };
  }

  async select(row) {
    this.#mark(row);
    if (!this.table.querySelector(`tr[data-row="${row}"]`)) await this.show(row);
    const sample = await this.samples[0].one(row);
    this.live.say(`Selected ${nameOf(sample)} in both runs`);
  }

  #mark(row) {
    this.selected = row;
    this.state.set("row", row);
    for (const panel of this.panels) panel.select(row);
    markRow(this.table, row);
  }

  stop() {
    for (const panel of this.panels) panel.destroy();
  }
}

/** The state of one of two maps: the same keys under names of their own. */
class Beside {
  constructor(state, i) {
    Object.assign(this, { state, tail: i ? "2" : "1" });
  }

  get(key, otherwise = null) {
    return this.state.get(key + this.tail, otherwise);
  }

  set(key, value, options) {
    this.state.set(key + this.tail, value, options);
  }
}

function summary(info) {
  return el(
    "div",
    { class: "card compare-summary" },
    el("h2", {}, el("a", { href: href("run", info.name, "explore") }, info.name)),
    el("p", { class: "muted" }, [info.title, shapeOf(info), count(info.latent_dim, "latent")].join(" · ")),
    figureList(info.figures),
  );
}
