/** The latent space of one run: map, sliders, and what the decoder makes. */

import { Latest } from "isthmus/latest.js";
import { el, liveRegion } from "isthmus/parts/dom.js";
import { fixed } from "isthmus/parts/numbers.js";
import { MapPanel } from "isthmus/parts/map_panel.js";
import { middleOf, Position, readCode, writeCode } from "isthmus/parts/position.js";
import { runHead } from "isthmus/parts/run_head.js";
import { nameOf, Samples } from "isthmus/parts/samples.js";
import { Sheet } from "isthmus/parts/sheet.js";
import { ShownPanel } from "isthmus/views/explore/shown_panel.js";
import { SlidersPanel } from "isthmus/views/explore/sliders_panel.js";

export const title = "Explore";

/** Codes wider than this stay out of the address, which would be too long to be copied. */
const WIDEST_IN_ADDRESS = 64;

export async function mount(root, context) {
  const info = await context.backend.run(context.route.params.run);
  const explorer = new Explorer(root, info, context);
  await explorer.start();
  return () => explorer.stop();
}

class Explorer {
  constructor(root, info, { backend, state, toast }) {
    Object.assign(this, { info, backend, state, toast });
    this.samples = new Samples(backend, info.name);
    this.middle = middleOf(info);
    this.position = new Position(readCode(state.get("z"), this.middle.length) ?? this.middle);
    this.decoder = new Latest(
      (z) => backend.decode(info.name, z, this.condition),
      (shown) => {
        this.shown.show(shown);
        this.sliders.show(shown);
      },
      (error) => this.fail(error),
    );
    this.condition =
      info.conditions?.find((name) => String(name) === state.get("class")) ?? info.conditions?.[0];
    this.live = liveRegion();
    this.#build(root);
  }

  #build(root) {
    const { info, position, backend, state, toast, samples } = this;
    const parts = { info, backend, state, toast, samples };
    const select = (row) => this.select(row);
    this.shown = new ShownPanel({
      info,
      samples,
      condition: this.condition,
      actions: {
        classOf: (name) => this.decodeClass(name),
        undo: () => this.undo(),
        reset: () => this.reset(),
        draw: () => this.draw(),
        select,
      },
    });
    this.sliders = new SlidersPanel({ info, position });
    this.panel = new MapPanel({
      ...parts,
      onselect: select,
      // Of a model whose sliders count vectors a place on the map is a code, and no position of theirs.
      onplace: (z) => z.length === this.position.z.length && this.position.go(z),
      onlasso: (rows) => this.choose(rows),
      onescape: () => this.unselect(),
    });
    this.sheet = new Sheet({ ...parts, onselect: select, onclose: () => this.choose([]) });
    root.append(
      runHead(info),
      el(
        "div",
        { class: "explore" },
        el("div", { class: "explore-map" }, this.panel.node, this.sheet.node),
        el("div", { class: "explore-side" }, this.shown.node, this.sliders.node),
      ),
      this.live.node,
    );
    position.onchange(() => this.#moved());
    this.keydown = (event) => this.#key(event);
    document.addEventListener("keydown", this.keydown);
  }

  async start() {
    this.panel.open();
    const row = Number(this.state.get("row") ?? NaN);
    const kept = this.state.get("z");
    this.shown.select(null, null);
    if (this.info.has.data && Number.isInteger(row) && row >= 0 && row < this.info.n_rows)
      await this.select(row, { stay: Boolean(kept) });
    this.position.past = [];
    const chosen = this.state.getJSON("chosen");
    if (Array.isArray(chosen) && this.info.has.data) await this.choose(chosen);
    this.#moved();
  }

  #moved() {
    const { z, row } = this.position;
    this.decoder.push(z.slice());
    this.panel.here(z);
    this.shown.undoable(this.position.canUndo);
    this.state.set("z", writeCode(z), { address: z.length <= WIDEST_IN_ADDRESS });
    if (row !== this.selected) this.#selectSilently(row);
  }

  /** Select a sample and move to its code; `stay` selects without moving. */
  async select(row, { stay = false } = {}) {
    try {
      const [sample, known] = await Promise.all([
        this.samples.one(row),
        this.backend.posterior(this.info.name, row),
      ]);
      this.#showSelected(sample, known);
      this.#classOf(sample);
      if (stay) this.position.row = row;
      else this.position.go(known.mean, row);
      const error = Number.isFinite(known.error) ? `, error ${fixed(known.error)}` : "";
      this.live.say(`Selected ${nameOf(sample)}${error}`);
    } catch (error) {
      this.fail(error);
    }
  }

  /** A sample that is selected is decoded as what it is. */
  #classOf({ label }) {
    const name = this.info.conditions?.find((one) => String(one) === String(label));
    if (name !== undefined) this.shown.decodedAs(name);
  }

  /** After an undo: the selection goes back too. */
  async #selectSilently(row) {
    if (row === null) return this.#showSelected(null, null);
    this.selected = row;
    const [sample, known] = await Promise.all([
      this.samples.one(row),
      this.backend.posterior(this.info.name, row),
    ]);
    if (this.position.row === row) this.#showSelected(sample, known);
    return undefined;
  }

  #showSelected(sample, known) {
    this.selected = sample?.row ?? null;
    this.known = known;
    this.shown.select(sample, known);
    this.sliders.posterior(known);
    this.panel.select(this.selected);
    this.state.set("row", this.selected);
  }

  unselect() {
    this.position.row = null;
    this.#showSelected(null, null);
    this.choose([]);
    this.live.say("Nothing is selected");
  }

  async choose(rows) {
    this.panel.choose(rows);
    this.state.setJSON("chosen", rows.length ? Array.from(rows) : null, { address: false });
    try {
      await this.sheet.show(rows);
      if (rows.length) this.live.say(`${rows.length} samples selected`);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Models that were told classes decode a position as one of them. */
  decodeClass(name) {
    this.condition = name;
    this.state.set("class", name);
    this.decoder.push(this.position.z.slice());
  }

  reset() {
    this.position.go(this.known?.mean ?? this.middle);
  }

  async draw() {
    try {
      this.position.go(await this.backend.draw(this.info.name, Math.floor(Math.random() * 2 ** 31)));
    } catch (error) {
      this.fail(error);
    }
  }

  undo() {
    if (this.position.undo()) this.live.say("Undone");
  }

  #key(event) {
    const typing = event.target.matches?.("input:not([type=range]), textarea");
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z" && !typing) {
      event.preventDefault();
      this.undo();
    }
  }

  fail(error) {
    this.toast(error.message, { problem: true });
  }

  stop() {
    document.removeEventListener("keydown", this.keydown);
    this.decoder.stop();
    this.panel.destroy();
  }
}
