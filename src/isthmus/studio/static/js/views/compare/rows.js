/** The same samples through two runs: input, what each makes of it, and how far off that is. */

import { rowSummary } from "isthmus/parts/bars.js";
import { el, replace } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";
import { Picture } from "isthmus/parts/picture.js";
import { nameOf } from "isthmus/parts/samples.js";

/**
 * @typedef {{sample: Object, made: Object[], errors: number[]}} Row
 *
 * @param {HTMLElement} node is filled with a table
 * @param {Object[]} infos of both runs
 * @param {Row[]} rows
 * @param {(row: number) => void} onselect
 */
export function drawRows(node, infos, rows, onselect) {
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "Sample"),
    el("th", { scope: "col" }, "Input"),
    infos.map(({ name }) => [el("th", { scope: "col" }, name), el("th", { scope: "col" }, "error")]),
  );
  replace(
    node,
    el(
      "table",
      { class: "compare-table" },
      el("caption", { class: "sr-only" }, "The same samples through both runs"),
      el("thead", {}, head),
      el(
        "tbody",
        {},
        rows.map((row) => line(row, infos, onselect)),
      ),
    ),
  );
}

function line({ sample, made, errors }, infos, onselect) {
  const name = nameOf(sample);
  const best = Math.min(...errors.filter(Number.isFinite));
  const cells = infos.map((info, i) => [
    el("td", {}, show(made[i], info, `${info.name}: reconstruction of ${name}`)),
    el(
      "td",
      { class: `number${errors[i] === best && errors[0] !== errors[1] ? " better" : ""}` },
      short(errors[i]),
    ),
  ]);
  return el(
    "tr",
    { dataset: { row: sample.row }, "aria-selected": "false", onclick: () => onselect(sample.row) },
    el(
      "th",
      { scope: "row" },
      el("button", { type: "button", class: "button quiet", "aria-label": `Select ${name}` }, name),
    ),
    el("td", {}, show(sample.shown, infos[0], `Input, ${name}`)),
    cells,
  );
}

function show(shown, info, label) {
  if (shown.kind === "row") return rowSummary(info.features, shown.values, 4);
  const picture = new Picture({ label });
  picture.show(shown);
  return picture.node;
}

/** Mark the selected row. */
export function markRow(node, row) {
  for (const tr of node.querySelectorAll("tr[data-row]")) {
    tr.setAttribute("aria-selected", String(Number(tr.dataset.row) === row));
  }
}

/** Whether two lists of samples show the same values. */
export function sameSamples(some, others) {
  return some.every(({ shown: a }, i) => {
    const b = others[i].shown;
    if (a.kind !== b.kind) return false;
    const [left, right] = a.kind === "picture" ? [a.pixels, b.pixels] : [a.values, b.values];
    return left.length === right.length && left.every((value, k) => value === right[k]);
  });
}
