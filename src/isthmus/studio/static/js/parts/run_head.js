/** Name and nature of a run, above its views. */

import { el } from "isthmus/parts/dom.js";
import { count } from "isthmus/parts/numbers.js";

/** @param {Object} info RunInfo */
export function runHead(info) {
  return el(
    "header",
    { class: "run-head" },
    el("h1", {}, info.name),
    el(
      "p",
      { class: "muted" },
      [info.title, shapeOf(info), count(info.latent_dim, "latent")].filter(Boolean).join(" · "),
    ),
    (info.notes ?? []).map((note) => el("p", { class: "run-note muted" }, note)),
  );
}

/** "4 000 pictures, 48 × 48, colour". */
export function shapeOf({ kind, shape, n_rows: n }) {
  if (kind === "row")
    return `${n ? count(n, "row") : "rows"} of ${count(
      shape.reduce((a, b) => a * b, 1),
      "value",
    )}`;
  const [height, width, channels = 1] = shape;
  const pictures = n ? count(n, "picture") : "pictures";
  return `${pictures} of ${height} × ${width}${channels === 3 ? " in colour" : ""}`;
}
