/** Key figures of a run. */

import { el } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";

const NAMES = {
  val_loss: "validation loss",
  best_epoch: "best epoch",
  epochs: "epochs",
  active_units: "active latents",
};

/**
 * @param {Object<string, number|null>|null} figures
 * @param {string[]} [keys] which of them, if not all
 * @returns {HTMLElement|null} null if none is known
 */
export function figureList(figures, keys = Object.keys(NAMES)) {
  const known = keys.filter((key) => Number.isFinite(figures?.[key]));
  if (!known.length) return null;
  const written = (value) => (Number.isInteger(value) ? String(value) : short(value));
  return el(
    "dl",
    { class: "figures" },
    known.map((key) =>
      el("div", {}, el("dt", {}, NAMES[key]), el("dd", { class: "number" }, written(figures[key]))),
    ),
  );
}
