/** What "auto" will choose, and the command line that does the same. */

import { button, el, replace } from "isthmus/parts/dom.js";
import { count, short } from "isthmus/parts/numbers.js";
import { plainName, shortened } from "isthmus/views/train_fields.js";

/** The card beside the form. */
export class Outlook {
  constructor() {
    this.data = el("p", {}, "Name the data to see what will be chosen for them.");
    this.list = el("div", {});
    this.size = el("p", { class: "small muted number" });
    this.notes = el("div", { class: "fit-notes" });
    this.node = el(
      "section",
      { class: "card outlook", "aria-label": "What will be chosen" },
      el("div", { class: "card-head" }, el("h2", {}, "What will be chosen"), this.size),
      this.data,
      this.notes,
      this.list,
    );
  }

  /** @param {Object} found the server's answer */
  show({ data, outlook, problem }) {
    if (data) this.data.textContent = `${data}.`;
    replace(
      this.notes,
      problem ? el("p", { class: "fit-error" }, problem) : null,
      (outlook?.warnings ?? []).map((text) => el("p", { class: "fit-warning" }, text)),
    );
    this.node.classList.toggle("stale", !outlook);
    if (!outlook) return;
    this.size.textContent = count(outlook.n_parameters, "parameter");
    replace(this.list, choiceList(outlook.choices));
  }

  /** Other data, of which nothing is known yet. */
  forget(text) {
    this.data.textContent = text;
    this.size.textContent = "";
    replace(this.list);
    replace(this.notes);
  }
}

/** @param {{name: string, value: string, reason: string}[]} choices */
export function choiceList(choices) {
  const written = (value) => (/^\d{4,}$/.test(value) ? short(Number(value)) : shortened(value));
  return el(
    "dl",
    { class: "choices" },
    choices.map(({ name, value, reason }) =>
      el(
        "div",
        {},
        el("dt", {}, plainName(name)),
        el(
          "dd",
          {},
          el("span", { class: "choice-value" }, written(value)),
          " ",
          el("span", { class: "muted" }, reason),
        ),
      ),
    ),
  );
}

/** The command line, to be copied. */
export function commandCard() {
  const code = el("code", { class: "command" });
  const copy = button("Copy", {
    onclick: async () => {
      await copied(code);
      copy.querySelector("span").textContent = "Copied";
      setTimeout(() => (copy.querySelector("span").textContent = "Copy"), 1500);
    },
  });
  const node = el(
    "section",
    { class: "card", "aria-label": "Command line" },
    el("div", { class: "card-head" }, el("h2", {}, "The same in a terminal"), copy),
    el("pre", { class: "command-box", tabindex: "0" }, code),
  );
  return {
    node,
    show(text) {
      // Lines break between words only, and what is copied is the text as it is.
      const words = text.split(" ").flatMap((word) => [el("span", { class: "command-word" }, word), " "]);
      replace(code, words.slice(0, -1));
    },
  };
}

async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Without a clipboard (an address that is not secure) the text is selected, ready to be copied.
    getSelection().selectAllChildren(code);
  }
}
