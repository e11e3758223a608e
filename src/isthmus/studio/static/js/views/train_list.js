/** The fits since the server was started: how each goes, with a way to it. */

import { el, replace } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";
import { href } from "isthmus/router.js";
import { ask } from "isthmus/server.js";
import { isOver } from "isthmus/views/train_follow.js";

const EVERY = 2000;
const STATES = {
  waiting: "waiting",
  starting: "starting",
  running: "running",
  saving: "saving",
  stopping: "stopping",
  done: "finished",
  stopped: "stopped",
  failed: "failed",
};

export class FitList {
  constructor() {
    this.list = el("ul", { class: "fit-list" });
    this.node = el(
      "section",
      { class: "card", hidden: true, "aria-label": "Fits" },
      el("h2", {}, "Fits"),
      this.list,
    );
    this.closed = false;
  }

  async start() {
    await this.#draw();
    return this;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  async #draw() {
    try {
      const fits = await (await ask("/api/fits")).json();
      if (this.closed) return;
      this.node.hidden = !fits.length;
      replace(this.list, fits.map(item));
      if (fits.every(isOver)) return;
    } catch {
      // The form itself says it if the server is gone.
    }
    if (!this.closed) this.timer = setTimeout(() => this.#draw(), EVERY);
  }
}

function item(fit) {
  const { epoch, n_epochs: most, best } = fit;
  const loss = best?.val_loss ?? best?.train_loss;
  const facts = [
    fit.title,
    fit.data,
    epoch ? `epoch ${epoch} of ${most}` : null,
    loss === undefined ? null : `${short(loss)} nats`,
  ];
  return el(
    "li",
    {},
    el("a", { href: href("train", fit.id), class: "fit-link" }, fit.run),
    badge(fit),
    el("p", { class: "small muted number" }, facts.filter(Boolean).join(" · ")),
  );
}

/** The state of a fit in a word. */
export function badge({ state, place }) {
  const text = state === "waiting" && place ? `waiting, place ${place}` : STATES[state];
  return el("span", { class: `badge badge-${state}` }, text);
}
