/** What the colours of the map mean: names of classes, which can be singled out, or a scale of numbers. */

import { classColours, N_CLASS_COLOURS, ramp } from "isthmus/parts/colours.js";
import { el, replace } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";

const MOST = 24;
const STEPS = 48;

/**
 * @param {HTMLElement} node is filled
 * @param {Object} colour of the map's header
 * @param {(only: number|null) => void} isolate called with the class that stays bright
 */
export function drawLegend(node, colour, isolate) {
  if (colour.kind === "class") classes(node, colour, isolate);
  else if (colour.kind === "number") numbers(node, colour);
  else replace(node);
}

function classes(node, { names }, isolate) {
  const colours = classColours();
  const buttons = names.slice(0, MOST).map((name, i) =>
    el(
      "button",
      {
        type: "button",
        class: "legend-class",
        "aria-pressed": "false",
        title: `Single out ${name}`,
        onclick: () => press(i),
      },
      el("span", {
        class: "legend-dot",
        style: { background: `rgb(${colours[i % N_CLASS_COLOURS].join(" ")})` },
      }),
      name,
    ),
  );
  function press(i) {
    const off = buttons[i].getAttribute("aria-pressed") === "true";
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === i && !off)));
    isolate(off ? null : i);
  }
  const more =
    names.length > MOST ? el("span", { class: "muted small" }, `and ${names.length - MOST} more`) : null;
  replace(
    node,
    el("div", { class: "legend-classes", role: "group", "aria-label": "Classes" }, buttons, more),
  );
}

function numbers(node, { name, low, high }) {
  // One pixel for each step, which the browser stretches smoothly.
  const scale = el("canvas", { class: "legend-ramp", width: STEPS, height: 1, "aria-hidden": "true" });
  const context = scale.getContext("2d");
  for (let i = 0; i < STEPS; i += 1) {
    context.fillStyle = `rgb(${ramp(i / (STEPS - 1)).join(" ")})`;
    context.fillRect(i, 0, 1, 1);
  }
  replace(
    node,
    el(
      "div",
      {
        class: "legend-scale",
        role: "img",
        "aria-label": `${name}, from ${short(low)} to ${short(high)}`,
      },
      el("span", { class: "number" }, short(low)),
      scale,
      el("span", { class: "number" }, short(high)),
    ),
  );
}
