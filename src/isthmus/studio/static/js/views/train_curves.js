/** Losses by epoch: the whole, and every term of it, of training and of validation rows. */

import { el, replace } from "isthmus/parts/dom.js";
import { count } from "isthmus/parts/numbers.js";
import { Plot } from "isthmus/parts/plot.js";
import { isOver } from "isthmus/views/train_follow.js";

/** What terms are, where their names do not say it. */
const NAMES = {
  loss: "loss, by which epochs are compared",
  nll: "nll: −log p(x|z)",
  kl: "kl: KL(q(z|x) ‖ p(z))",
};

export class FitCurves {
  constructor() {
    this.plots = new Map();
    this.body = el(
      "div",
      { class: "fit-curves" },
      el("p", { class: "muted" }, "They come with the first epoch."),
    );
    this.rate = el("p", { class: "small muted number" });
    this.node = el(
      "section",
      { class: "card", "aria-label": "Losses" },
      el("div", { class: "card-head" }, el("h2", {}, "Losses, in nats per sample"), this.rate),
      this.body,
    );
    this.drawn = -1;
  }

  /** @param {Object} fit  @param {Object[]} epochs of all its stages */
  show(fit, epochs) {
    this.node.hidden = !epochs.length && isOver(fit);
    if (!epochs.length || this.drawn === epochs.length) return;
    this.drawn = epochs.length;
    const { stage } = epochs[epochs.length - 1];
    const mine = epochs.filter((epoch) => epoch.stage === stage);
    if (this.stage !== stage) {
      this.stage = stage;
      this.plots.clear();
      replace(this.body);
    }
    const last = mine[mine.length - 1];
    const rate = `learning rate ${Number(last.learning_rate.toPrecision(2))}`;
    this.rate.textContent = [stage, rate].filter(Boolean).join(" · ");
    for (const term of termsOf(last)) this.#draw(term, mine);
  }

  #draw(term, epochs) {
    const plot = this.#plot(term);
    const from = firstShown(epochs.map((epoch) => epoch[`train_${term}`]));
    plot.show(linesOf(term, epochs.slice(from)));
    plot.node.nextElementSibling.textContent = from
      ? `The first ${count(from, "epoch")} would hide the rest.`
      : "";
  }

  #plot(term) {
    if (!this.plots.has(term)) {
      const label = NAMES[term] ?? term.replaceAll("_", " ");
      const room = this.body.clientWidth || 640;
      const size =
        term === "loss" ? { width: room, height: 240 } : { width: Math.min(room, 300), height: 150 };
      const plot = new Plot({ label, ...size, xName: "epoch" });
      this.plots.set(term, plot);
      const wide = term === "loss" ? "fit-curve wide" : "fit-curve";
      this.body.append(
        el(
          "div",
          { class: wide, dataset: { term } },
          el("h3", {}, label),
          plot.node,
          el("p", { class: "small muted" }),
        ),
      );
    }
    return this.plots.get(term);
  }
}

/**
 * How many of the first epochs to leave out: at most a tenth, if with them the rest would be a flat line.
 * @param {number[]} values
 */
export function firstShown(values) {
  const most = Math.floor(values.length / 10);
  const span = (part) => Math.max(...part) - Math.min(...part);
  const rest = span(values.slice(most));
  let from = 0;
  while (from < most && span(values.slice(from)) > 4 * rest) from += 1;
  return from;
}

/** Names of the costs: the loss first, unless it is the only term. */
function termsOf(metrics) {
  const names = Object.keys(metrics)
    .filter((name) => name.startsWith("train_"))
    .map((name) => name.slice(6));
  const terms = names.filter((name) => name !== "loss");
  const alone =
    terms.length === 1 &&
    Math.abs(metrics[`train_${terms[0]}`] - metrics.train_loss) < 1e-9 * Math.abs(metrics.train_loss);
  return alone ? ["loss"] : ["loss", ...terms];
}

function linesOf(term, epochs) {
  const x = epochs.map((epoch) => epoch.epoch);
  const column = (name) => epochs.map((epoch) => epoch[name] ?? NaN);
  const held = epochs.some((epoch) => `val_${term}` in epoch);
  return [
    ...(held ? [{ name: "validation", x, y: column(`val_${term}`) }] : []),
    { name: "training", x, y: column(`train_${term}`), dashed: held },
  ];
}
