/** A map with its choices, its legend and its tip: the part that views put on the page. */

import { button, choice, el, replace } from "isthmus/parts/dom.js";
import { drawLegend } from "isthmus/parts/legend.js";
import { LatentMap } from "isthmus/parts/map.js";
import { count } from "isthmus/parts/numbers.js";
import { codeAt, placeOf } from "isthmus/parts/plane.js";
import { Tip } from "isthmus/parts/tip.js";

/** Samples whose reconstruction errors are there before anybody waits. */
const SOON = 10_000;

/** Seconds of encoding after which the server shows what it has so far: at first, and up to when. */
const FIRST = 0.3;
const LAST = 30;

export class MapPanel {
  /**
   * @param {Object} options
   * @param {import("isthmus/backend.js").Backend} options.backend
   * @param {Object} options.info of the run
   * @param {import("isthmus/state.js").State} options.state keeps axes, colour and camera
   * @param {import("isthmus/parts/samples.js").Samples} options.samples
   * @param {(text: string, how?: Object) => void} options.toast
   * @param {string} [options.title]
   * @param {(row: number) => void} [options.onselect]
   * @param {(z: Float64Array) => void} [options.onplace] a click on empty space
   * @param {(rows: number[]) => void} [options.onlasso] without it there is no lasso
   * @param {() => void} [options.onescape]
   */
  constructor(options) {
    Object.assign(this, options);
    this.map = new LatentMap(
      {
        hover: (hit) => this.tip.point(this.data ? hit : null),
        click: (hit) => this.#click(hit),
        lasso: this.onlasso ? (indices) => this.#lasso(indices) : undefined,
        camera: (camera) =>
          this.state.set("view", camera.map((value) => Number(value.toPrecision(8))).join(",")),
        escape: () => this.onescape?.(),
      },
      `Map of the codes of ${this.info.name}. ` +
        "Arrows move a cursor, Enter selects, plus and minus enlarge, 0 shows all" +
        `${this.onlasso ? ", shift with arrows draws a box" : ""}`,
    );
    this.tip = new Tip(this.map.node, (hit) => this.#look(hit), this.info.features);
    this.wait = el("p", { class: "map-wait", role: "status" }, "Placing the samples");
    this.map.node.append(this.wait);
    this.choices = el("div", { class: "map-choices row" });
    this.legend = el("div", { class: "legend" });
    this.caption = el("p", { class: "map-caption small muted" });
    this.node = el(
      "section",
      { class: "card map-panel", "aria-label": this.title ?? "Latent map" },
      el("div", { class: "map-head" }, this.choices, this.#tools()),
      this.map.node,
      el("div", { class: "map-foot" }, this.legend, this.caption),
    );
    this.retheme = () => {
      if (this.data) this.map.isolate(null);
      this.#drawLegend();
    };
    window.addEventListener("themechange", this.retheme);
  }

  #tools() {
    const zoom = (factor) => {
      const { camera } = this.map;
      camera.zoomAt(factor, camera.width / 2, camera.height / 2);
      this.map.moved();
    };
    this.lassoButton = this.onlasso
      ? button("Lasso", {
          icon: "lasso",
          "aria-pressed": "false",
          title: "Draw around points (or shift-drag on the map)",
          onclick: () => this.lassoing(!this.map.lassoOn),
        })
      : null;
    return el(
      "div",
      { class: "map-tools row" },
      this.lassoButton,
      button("", { icon: "plus", label: "Enlarge", quiet: true, onclick: () => zoom(1.5) }),
      button("", { icon: "minus", label: "Make smaller", quiet: true, onclick: () => zoom(1 / 1.5) }),
      button("", {
        icon: "fit",
        label: "Show all points",
        quiet: true,
        onclick: () => {
          this.map.camera.reset();
          this.map.moved();
        },
      }),
    );
  }

  lassoing(on) {
    this.map.lassoOn = on;
    this.map.node.classList.toggle("lassoing", on);
    this.lassoButton?.setAttribute("aria-pressed", String(on));
  }

  /** Fetch the points while the rest of the page can be used already: a first map may take its time. */
  open() {
    this.load().catch((error) => {
      this.wait.textContent = error.message;
      this.wait.classList.add("problem-note");
    });
  }

  /** Fetch the points; the camera stays where it was left when only colours change. */
  async load({
    x = this.state.get("x"),
    y = this.state.get("y"),
    colour = this.#firstColour(),
    patience = FIRST,
  } = {}) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const data = await this.#fetch({ x, y, colour, patience });
    if (turn !== this.turn || this.gone) return;
    const same = this.data?.header.x === data.header.x && this.data?.header.y === data.header.y;
    const first = !this.data;
    this.data = data;
    this.wait.remove();
    this.indexOf = new Map(Array.from(data.rows ?? [], (row, i) => [row, i]));
    this.map.show(data, { keep: same });
    const view = this.state.get("view")?.split(",").map(Number);
    if (first && view?.length === 3) this.map.camera.state = view;
    else if (!same) this.state.set("view", null);
    this.#drawChoices();
    this.#drawLegend();
    this.note();
    this.#remark();
    // The server has not encoded all samples yet: the others follow.
    if (data.header.complete === false) {
      const more = this.load({ x, y, colour, patience: patience < LAST ? 3 * patience : null });
      more.catch((error) => this.toast(error.message, { problem: true }));
    }
  }

  /** Without labels the error tells more than one colour for all, if it is soon computed. */
  #firstColour() {
    const { has, n_rows: n } = this.info;
    return this.state.get("colour") ?? (has.data && !has.labels && n <= SOON ? "error" : null);
  }

  /**
   * Choices kept from another time may be of a latent that there is no more: then those of the server stand.
   */
  async #fetch(choices) {
    try {
      return await this.backend.map(this.info.name, choices);
    } catch (error) {
      if (!choices.x && !choices.y && !choices.colour) throw error;
      return this.backend.map(this.info.name, {});
    }
  }

  note() {
    if (!this.data) return;
    const { header, x } = this.data;
    const what =
      header.of === "prior" ? `${count(x.length, "draw")} from the prior` : count(x.length, "sample");
    const lines = header.contours?.length ? "; dashed: shares of the prior" : "";
    this.caption.textContent = `${what}${lines}`;
    this.map.node.dataset.points = x.length;
  }

  #drawLegend() {
    if (this.data) drawLegend(this.legend, this.data.header.colour, (only) => this.map.isolate(only));
  }

  #drawChoices() {
    const { axes, x, y, colour, colours } = this.data.header;
    const named = axes.map(({ id, name, share }) => ({ id, name: axisName(name, share) }));
    const change = (key) => (value) => {
      this.state.set(key, value);
      this.load({ x, y, colour: colour.id, [key]: value }).catch((error) =>
        this.toast(error.message, { problem: true }),
      );
    };
    const focused = [...this.choices.querySelectorAll("select")].indexOf(document.activeElement);
    replace(
      this.choices,
      choice("Across", named, x, change("x")),
      choice("Up", named, y, change("y")),
      colours.length ? choice("Colour", colours, colour.id, change("colour")) : null,
    );
    if (focused >= 0) this.choices.querySelectorAll("select")[focused]?.focus();
  }

  async #look({ index, at }) {
    if (index >= 0 && this.data.header.of === "data") return this.samples.one(this.data.rows[index]);
    const place = index >= 0 ? this.map.place(index) : at;
    const z = codeAt(this.data.header.plane, place);
    return z && { shown: await this.backend.decode(this.info.name, z) };
  }

  #click({ index, at }) {
    if (index >= 0 && this.data.header.of === "data") this.onselect?.(this.data.rows[index]);
    else {
      const z = codeAt(this.data.header.plane, index >= 0 ? this.map.place(index) : at);
      if (z) this.onplace?.(z);
    }
  }

  #lasso(indices) {
    this.lassoing(false);
    if (this.data.header.of !== "data") {
      this.toast("These points are draws from the prior: there are no samples to select.", { problem: true });
    } else this.onlasso(indices.map((i) => this.data.rows[i]));
  }

  // Marks, by sample number or code.

  select(row) {
    this.selectedRow = row;
    this.#remark();
  }

  here(z) {
    this.code = z;
    this.#remark();
  }

  choose(rows) {
    this.chosenRows = rows;
    this.#remark();
  }

  way(codes) {
    this.wayCodes = codes;
    this.#remark();
  }

  #remark() {
    if (!this.data) return;
    const place = (row) => (this.indexOf.has(row) ? this.map.place(this.indexOf.get(row)) : null);
    const { plane } = this.data.header;
    this.map.mark({
      selected: place(this.selectedRow),
      here: this.code ? placeOf(plane, this.code) : null,
      chosen: (this.chosenRows ?? []).map(place).filter(Boolean),
      way: this.wayCodes ? this.wayCodes.map((z) => placeOf(plane, z)).filter(Boolean) : null,
    });
  }

  destroy() {
    this.gone = true;
    window.removeEventListener("themechange", this.retheme);
    this.tip.stop();
    this.map.destroy();
  }
}

/** Room is scarce beside a map: "PC 1, 17 %". */
function axisName(name, share) {
  const brief = name.replace(/^component /, "PC ");
  return share ? `${brief}, ${Math.round(100 * share)} %` : brief;
}
