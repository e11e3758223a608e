/** Whether chains have converged: in a word, in a sentence, and in numbers for those who want them. */

import { el, replace } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";

const MOST_RHAT = 1.01;
const LEAST_ESS = 400;

export class VerdictCard {
  constructor() {
    this.pill = el("span", { class: "lab-pill" });
    this.words = el("p", {});
    this.reason = el("p", { class: "small muted" });
    this.table = el("tbody");
    this.details = el(
      "details",
      { class: "lab-details" },
      el("summary", {}, "R-hat and effective sample sizes"),
      this.reason,
      el(
        "div",
        { class: "lab-scroll" },
        el(
          "table",
          { class: "lab-numbers small number" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["Statistic", "R-hat", "ESS, bulk", "ESS, tail"].map((name) =>
                el("th", { scope: "col" }, name),
              ),
            ),
          ),
          this.table,
        ),
      ),
      el(
        "p",
        { class: "small muted" },
        "R-hat compares the chains with each other: below 1.01 they agree. The effective sample size says how many " +
          "independent samples the states are worth: 400 or more are wanted. The first half of the steps is left out.",
      ),
    );
    this.node = el(
      "div",
      { class: "lab-convergence" },
      el("div", {}, el("div", { role: "status" }, this.pill), this.words),
      this.details,
    );
    this.reset();
  }

  reset() {
    this.show({
      state: "early",
      headline: "Not started",
      words: "Press Play, and see whether the chains forget where they started.",
      reason: "",
      table: {},
    });
  }

  show({ state, headline, words, reason, table }) {
    this.pill.dataset.state = state;
    // It is read out when it changes, not with every step.
    if (this.pill.textContent !== headline) this.pill.textContent = headline;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.reason.textContent = reason;
    const rows = Object.entries(table);
    this.details.hidden = !rows.length;
    replace(
      this.table,
      rows.map(([name, row]) => this.#row(name, row)),
    );
  }

  #row(name, { rhat, ess_bulk: bulk, ess_tail: tail }) {
    const cell = (text, good) => el("td", { class: good ? "good" : "bad" }, text);
    const whole = (value) => (value === null ? "–" : short(Math.round(value)).replace(/\.\d+$/, ""));
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      cell(rhat === null ? "–" : rhat.toFixed(3), rhat !== null && rhat < MOST_RHAT),
      cell(whole(bulk), bulk >= LEAST_ESS),
      cell(whole(tail), tail >= LEAST_ESS),
    );
  }
}
