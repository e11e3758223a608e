/** A path as pictures: scrubbed, played, or all at once in a strip. */

import { Bars, rangesOf } from "isthmus/parts/bars.js";
import { button, el, icon, replace } from "isthmus/parts/dom.js";
import { Picture, thumbnail } from "isthmus/parts/picture.js";

const FRAMES_PER_SECOND = 12;

export class Way {
  /** @param {{info: Object, onmove: (at: number) => void}} options */
  constructor({ info, onmove }) {
    Object.assign(this, { info, onmove, frames: [], at: 0, timer: 0, turn: 1 });
    this.picture = new Picture({ label: "Picture on the path" });
    this.main = el("div", { class: "way-main" }, info.kind === "picture" ? this.picture.node : null);
    if (info.kind !== "picture") this.main.classList.add("way-rows");
    this.range = el("input", {
      type: "range",
      class: "slider-input",
      min: 0,
      max: 1,
      step: 1,
      "aria-label": "Step of the path",
      oninput: () => {
        this.stop();
        this.go(this.range.valueAsNumber);
      },
    });
    this.counter = el("output", { class: "slider-value number" });
    this.playButton = button("", { icon: "play", label: "Play", onclick: () => this.toggle() });
    this.strip = el("div", { class: "way-strip", role: "group", "aria-label": "All steps" });
    this.node = el(
      "div",
      { class: "way" },
      this.main,
      el(
        "div",
        { class: "scrub" },
        this.playButton,
        el("div", { class: "slider-track" }, this.range),
        this.counter,
      ),
      this.strip,
    );
  }

  /** @param {import("isthmus/backend.js").Shown[]} frames */
  show(frames) {
    this.frames = frames;
    this.range.max = frames.length - 1;
    if (frames[0]?.kind === "picture") {
      replace(
        this.strip,
        frames.map((frame, i) =>
          el(
            "button",
            { type: "button", "aria-label": `Step ${i + 1}`, onclick: () => this.go(i) },
            thumbnail(frame),
          ),
        ),
      );
    } else this.#makeBars(frames);
    this.go(Math.min(this.at, frames.length - 1));
  }

  #makeBars(frames) {
    const names = this.info.features ?? Array.from(frames[0].values, (_, i) => `feature ${i + 1}`);
    this.bars = new Bars({
      features: names,
      ...(this.info.ranges ?? rangesOf(frames.map(({ values }) => values))),
      label: "Row on the path",
    });
    this.bars.beside(frames[0].values);
    replace(this.main, this.bars.node);
  }

  go(at) {
    this.at = at;
    const frame = this.frames[at];
    if (!frame) return;
    if (frame.kind === "picture") this.picture.show(frame);
    else this.bars.show(frame.values);
    this.range.valueAsNumber = at;
    this.counter.textContent = `${at + 1} / ${this.frames.length}`;
    this.range.setAttribute("aria-valuetext", `step ${at + 1} of ${this.frames.length}`);
    [...this.strip.children].forEach((node, i) => node.setAttribute("aria-current", String(i === at)));
    this.onmove(at);
  }

  toggle() {
    if (this.timer) this.stop();
    else {
      this.timer = setInterval(() => this.#step(), 1000 / FRAMES_PER_SECOND);
      this.#drawButton("pause", "Stop");
    }
  }

  /** There and back again. */
  #step() {
    const last = this.frames.length - 1;
    if (last < 1) return;
    if (this.at >= last) this.turn = -1;
    if (this.at <= 0) this.turn = 1;
    this.go(this.at + this.turn);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.#drawButton("play", "Play");
  }

  #drawButton(name, label) {
    replace(this.playButton, icon(name));
    this.playButton.setAttribute("aria-label", label);
    this.playButton.title = label;
  }
}
