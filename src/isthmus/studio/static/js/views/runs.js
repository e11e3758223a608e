/** All runs: what each is, of what, how good; two of them can be compared. */

import { button, el, replace } from "isthmus/parts/dom.js";
import { figureList } from "isthmus/parts/figure_list.js";
import { count } from "isthmus/parts/numbers.js";
import { href } from "isthmus/router.js";

export const title = "Runs";

export async function mount(root, { backend, views }) {
  const runs = await backend.runs();
  if (!runs.length) {
    root.append(nothing(views));
    return;
  }
  const chosen = new Set();
  const go = button("Compare", {
    primary: true,
    disabled: true,
    onclick: () => {
      location.hash = href("compare", ...chosen);
    },
  });
  const hint = el("span", { class: "muted", role: "status" });
  const choose = (name, on) => {
    if (on) chosen.add(name);
    else chosen.delete(name);
    go.disabled = chosen.size !== 2;
    hint.textContent = said(chosen.size);
  };
  hint.textContent = said(0);
  const n = runs.filter(({ problem }) => !problem).length;
  root.append(
    el(
      "div",
      { class: "runs-head" },
      el("h1", {}, count(runs.length, "run")),
      n > 1 ? el("div", { class: "row" }, hint, go) : null,
    ),
    el(
      "ul",
      { class: "runs-list" },
      runs.map((run) => card(run, n > 1 ? choose : null)),
    ),
  );
}

function said(n) {
  return (
    ["Tick two runs to compare them", "Tick one more", ""][n] ??
    "Two runs can be compared, and more are ticked"
  );
}

function card(run, choose) {
  const { name, model, title: what, data, created, problem } = run;
  if (problem) {
    return el(
      "li",
      { class: "card run-card broken" },
      el("h2", {}, name),
      el("p", { class: "problem-note" }, problem),
    );
  }
  return el(
    "li",
    { class: "card run-card" },
    choose
      ? el(
          "label",
          { class: "run-compare" },
          el("input", {
            type: "checkbox",
            "aria-label": `Compare ${name}`,
            onchange: (event) => choose(name, event.target.checked),
          }),
          "compare",
        )
      : null,
    el("h2", {}, el("a", { href: href("run", name, "explore") }, name)),
    el(
      "div",
      {},
      el(
        "p",
        {},
        [what || model, shapeText(run.shape), count(run.latent_dim, "latent")].filter(Boolean).join(" · "),
      ),
      el("p", { class: "muted one-line", title: data }, data ?? "data unknown"),
      el("p", { class: "muted" }, when(created)),
    ),
    figureList(run.figures, ["val_loss", "active_units", "epochs"]),
  );
}

function shapeText(shape) {
  return shape?.length ? shape.join(" × ") : null;
}

/** Day and time, in the reader's own way of writing them. */
export function when(created) {
  const date = new Date(created);
  if (!created || Number.isNaN(date.getTime())) return null;
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function nothing(views) {
  const train = views.find(({ name }) => name === "train");
  return replace(
    el("div", { class: "empty" }),
    el("h1", {}, "No runs yet"),
    el("p", {}, "A run is a folder with a trained model. This makes one:"),
    el("p", {}, el("code", {}, "isthmus fit vae digits --latent_dim 8 --out runs/digits")),
    train ? el("p", {}, "Or ", el("a", { href: href(train.pattern) }, "train one here"), ".") : null,
  );
}
