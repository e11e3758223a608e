/** The Markov chain of corrupting and denoising, step by step, several chains side by side. */

import { shownFrom } from "isthmus/backend.js";
import { button, choice, el, icon, replace } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";
import { Picture } from "isthmus/parts/picture.js";
import { Slider } from "isthmus/parts/slider.js";
import { Parallel, Trace } from "isthmus/views/lab_trace.js";
import { VerdictCard } from "isthmus/views/lab_verdict.js";

const STARTS = [
  { id: "noise", name: "noise, far apart" },
  { id: "sample", name: "the sample above" },
  { id: "prior", name: "the prior" },
];
const COUNTS = [1, 4, 8, 16, 32];
// Steps a second, by the place of the slider.
const SPEEDS = [1, 2, 5, 10, 20, 50, 100, 200];
const BEAT = 50;
const JUDGE_EVERY = 1000;

export class ChainPanel {
  /** @param {import("isthmus/views/lab.js").Lab} lab */
  constructor(lab) {
    Object.assign(this, {
      lab,
      socket: lab.server.chain(),
      playing: false,
      started: false,
      turn: 0,
      judged: 0,
    });
    this.sample = null;
    this.start = STARTS.find(({ id }) => id === lab.state.get("from"))?.id ?? "noise";
    this.chains = COUNTS.find((n) => String(n) === lab.state.get("chains") && n <= lab.about.chain.most) ?? 8;
    this.states = lab.about.kind === "picture" ? new Pictures() : new Rows(lab.about);
    this.trace = new Trace(lab.about.chain.references);
    this.verdict = new VerdictCard();
    this.count = el("span", { class: "number muted", "aria-live": "off" }, "not started");
    this.problem = el("p", { class: "problem-note", role: "alert", hidden: true });
    this.node = el(
      "section",
      { class: "card lab-chain", "aria-labelledby": "lab-chain-title" },
      el("div", { class: "card-head" }, el("h2", { id: "lab-chain-title" }, "The chain"), this.count),
      el(
        "p",
        { class: "muted" },
        "Corrupting and denoising in turn makes new samples. Chains that started far apart and can no longer be told " +
          "from each other have forgotten their start.",
      ),
      this.#controls(),
      this.problem,
      el(
        "div",
        { class: "lab-walk" },
        this.states.node,
        el("div", { class: "lab-walk-side" }, this.verdict.node, this.trace.node),
      ),
    );
  }

  show({ arrays }) {
    this.sample = arrays.sample;
    if (!this.started || this.start === "sample") this.#restart();
  }

  stop() {
    this.playing = false;
    this.turn += 1;
    this.socket.close();
    this.trace.stop();
    this.states.stop?.();
  }

  #controls() {
    const counts = COUNTS.filter((n) => n <= this.lab.about.chain.most).map((n) => ({
      id: String(n),
      name: String(n),
    }));
    this.play = button("Play", {
      icon: "play",
      primary: true,
      onclick: () => (this.playing ? this.#pause() : this.#go()),
    });
    this.speed = new Slider({
      name: "speed",
      label: "Speed, in steps a second",
      low: 0,
      high: SPEEDS.length - 1,
      step: 1,
      value: 3,
      oninput: () => this.#drawSpeed(),
    });
    this.#drawSpeed();
    return el(
      "div",
      { class: "lab-controls" },
      choice("Start from", STARTS, this.start, (id) => this.#choose("start", "from", id)),
      choice("Chains", counts, String(this.chains), (n) => this.#choose("chains", "chains", Number(n))),
      el(
        "div",
        { class: "row" },
        this.play,
        button("Step", { icon: "next", onclick: () => this.#once() }),
        button("Restart", { icon: "reset", onclick: () => this.#restart() }),
      ),
      el("div", { class: "lab-strength" }, this.speed.node),
    );
  }

  #drawSpeed() {
    const said = `${SPEEDS[Math.round(this.speed.value)]} / s`;
    this.speed.output.textContent = said;
    this.speed.input.setAttribute("aria-valuetext", said);
  }

  #choose(field, key, value) {
    this[field] = value;
    this.lab.state.set(key, value);
    this.#restart();
  }

  async #restart() {
    if (!this.sample) return;
    this.#pause();
    const mine = ++this.turn;
    this.started = true;
    const choices = { from: this.start, chains: this.chains, seed: Math.floor(Math.random() * 2 ** 31) };
    try {
      const state = await this.socket.start(choices, this.start === "sample" ? this.sample : null);
      if (mine !== this.turn) return;
      this.problem.hidden = true;
      this.trace.reset(state.header.names);
      this.verdict.reset();
      this.#draw(state);
    } catch (error) {
      if (mine === this.turn) this.#failed(error);
    }
  }

  #pause() {
    this.playing = false;
    this.#drawPlay();
  }

  #drawPlay() {
    replace(
      this.play,
      icon(this.playing ? "pause" : "play"),
      el("span", {}, this.playing ? "Pause" : "Play"),
    );
  }

  #once() {
    this.#pause();
    this.#step(1, this.turn, true);
  }

  /** Step after step, as many at a time as the speed asks for, and never a second question before the answer. */
  async #go() {
    this.playing = true;
    this.#drawPlay();
    const mine = this.turn;
    let due = 1;
    let before = performance.now();
    while (this.playing && mine === this.turn) {
      const rate = SPEEDS[Math.round(this.speed.value)];
      const now = performance.now();
      // What a busy server or a hidden page has missed is not made up for.
      due = Math.min(due + ((now - before) / 1000) * rate, 50);
      before = now;
      const n = Math.floor(due);
      due -= n;
      if (n > 0) {
        const judge = now - this.judged > JUDGE_EVERY;
        if (judge) this.judged = now;
        if (!(await this.#step(n, mine, judge))) break;
      }
      await new Promise((resolve) => setTimeout(resolve, BEAT));
    }
    if (mine === this.turn) this.#pause();
  }

  async #step(n, mine, judge) {
    try {
      const state = await this.socket.step(n, { judge });
      if (mine !== this.turn) return false;
      this.problem.hidden = true;
      this.trace.add(state.arrays.trace);
      if (state.header.verdict) this.verdict.show(state.header.verdict);
      this.#draw(state);
      return true;
    } catch (error) {
      if (mine === this.turn) this.#failed(error);
      return false;
    }
  }

  #draw({ header, arrays }) {
    this.count.textContent = header.step
      ? `step ${short(header.step).replace(/\.\d+$/, "")}`
      : "at the start";
    this.states.show(arrays);
  }

  #failed(error) {
    this.#pause();
    this.problem.textContent = error.message;
    this.problem.hidden = false;
  }
}

class Pictures {
  constructor() {
    this.pictures = [];
    this.node = el("div", { class: "lab-chains" });
  }

  show({ shown }) {
    const states = shownFrom(shown);
    if (states.length !== this.pictures.length) {
      this.pictures = states.map((_, i) => new Picture({ label: `Chain ${i + 1}` }));
      replace(
        this.node,
        this.pictures.map((picture) => picture.node),
      );
      this.node.dataset.n = states.length;
    }
    states.forEach((state, i) => this.pictures[i].show(state));
  }
}

/** Rows as lines across their features, each in its own standard deviations. */
class Rows {
  constructor(about) {
    this.lines = new Parallel(about);
    this.node = this.lines.node;
  }

  show({ shown: { shape, values } }) {
    this.lines.show(
      Array.from({ length: shape[0] }, (_, i) => values.subarray(i * shape[1], (i + 1) * shape[1])),
    );
  }

  stop() {
    this.lines.stop();
  }
}
