/**
 * What lies over the points: contours of the prior, the selection, the position of the sliders, the cursor,
 * the lasso.
 */

import { ink } from "isthmus/parts/colours.js";

const TICKS = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
];

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("isthmus/parts/camera.js").Camera} camera
 * @param {number} ratio of the screen
 * @param {{contours?: Object[], chosen?: [number, number][], selected?: [number, number]|null,
 *   here?: [number, number]|null, cursor?: [number, number]|null, lasso?: [number, number][]|null,
 *   way?: [number, number][]|null}} marks
 */
export function drawOverlay(context, camera, ratio, marks) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, camera.width, camera.height);
  drawContours(context, camera, marks.contours ?? []);
  drawChosen(context, camera, marks.chosen ?? []);
  if (marks.way?.length) drawLine(context, camera, marks.way, { colour: ink("--ink"), width: 2 });
  if (marks.selected) drawRing(context, camera.toPixels(...marks.selected), 7);
  if (marks.here) drawHere(context, camera.toPixels(...marks.here));
  if (marks.cursor) drawCursor(context, camera.toPixels(...marks.cursor));
  if (marks.lasso?.length) drawLasso(context, camera, marks.lasso);
}

function trace(context, camera, line) {
  context.beginPath();
  line.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](...camera.toPixels(x, y)));
}

function drawLine(context, camera, line, { colour, width, dash = [], halo = 0.8 }) {
  trace(context, camera, line);
  context.lineJoin = "round";
  context.lineWidth = width + 2;
  context.strokeStyle = ink("--surface", halo);
  context.stroke();
  context.setLineDash(dash);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
}

function drawContours(context, camera, contours) {
  context.fillStyle = ink("--ink", 0.85);
  context.font = "11px sans-serif";
  context.textAlign = "center";
  for (const { mass, lines } of contours) {
    for (const flat of lines) {
      const line = [];
      for (let i = 0; i + 1 < flat.length; i += 2) line.push([flat[i], flat[i + 1]]);
      drawLine(context, camera, line, { colour: ink("--ink", 0.75), width: 1.25, dash: [4, 4], halo: 0.55 });
      labelTop(context, camera, line, `${Math.round(mass * 100)} %`);
    }
  }
}

function labelTop(context, camera, line, text) {
  const places = line.map(([x, y]) => camera.toPixels(x, y));
  const top = places.reduce((best, place) => (place[1] < best[1] ? place : best), [0, Infinity]);
  if (top[1] < 14 || top[0] < 20 || top[0] > camera.width - 20) return;
  context.lineWidth = 4;
  context.strokeStyle = ink("--surface", 0.9);
  context.strokeText(text, top[0], top[1] - 5);
  context.fillText(text, top[0], top[1] - 5);
}

function drawChosen(context, camera, places) {
  context.strokeStyle = ink("--ink", 0.8);
  context.lineWidth = 1.25;
  context.beginPath();
  for (const place of places.slice(0, 5000)) {
    const [px, py] = camera.toPixels(...place);
    context.moveTo(px + 4, py);
    context.arc(px, py, 4, 0, 2 * Math.PI);
  }
  context.stroke();
}

function drawRing(context, [px, py], radius) {
  for (const [width, colour] of [
    [5, ink("--surface")],
    [2, ink("--ink")],
  ]) {
    context.beginPath();
    context.arc(px, py, radius, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }
}

/** Where the sliders are: a disc with four ticks. */
function drawHere(context, [px, py]) {
  for (const [halo, colour] of [
    [2.5, ink("--surface")],
    [0, ink("--accent")],
  ]) {
    context.lineWidth = 2.5 + 2 * halo;
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineCap = "round";
    context.beginPath();
    for (const [dx, dy] of TICKS) {
      context.moveTo(px + 9 * dx, py + 9 * dy);
      context.lineTo(px + 14 * dx, py + 14 * dy);
    }
    context.stroke();
    context.beginPath();
    context.arc(px, py, 5 + halo, 0, 2 * Math.PI);
    context.fill();
  }
  context.lineCap = "butt";
}

function drawCursor(context, [px, py]) {
  context.strokeStyle = ink("--ink", 0.55);
  context.lineWidth = 1;
  context.strokeRect(Math.round(px) - 8.5, Math.round(py) - 8.5, 17, 17);
}

function drawLasso(context, camera, line) {
  trace(context, camera, line);
  context.closePath();
  context.fillStyle = ink("--accent", 0.14);
  context.fill();
  context.strokeStyle = ink("--accent");
  context.lineWidth = 1.5;
  context.stroke();
}
