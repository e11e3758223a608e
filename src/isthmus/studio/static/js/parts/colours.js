/**
 * Colours of points and legends; both themes have their own, taken from the tokens where the tokens name
 * them.
 */

const RAMPS = {
  light: ["#bfdccb", "#74b9a8", "#33908f", "#1f6480", "#28386a", "#2a174d"],
  dark: ["#3b4a7d", "#2f7290", "#36998f", "#6fc08d", "#b9de8d", "#fbf6b4"],
};

export const N_CLASS_COLOURS = 10;

function theme() {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

const known = new Map();
window.addEventListener("themechange", () => known.clear());

/** Value of a token such as "--accent", as red, green and blue. */
export function token(name) {
  // Asking for a style is slow where it happens many times in a frame.
  if (!known.has(name))
    known.set(name, rgb(getComputedStyle(document.documentElement).getPropertyValue(name).trim()));
  return known.get(name);
}

/** "#rrggbb" as three numbers. */
export function rgb(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

/** Colour of a share from 0 to 1 on the scale of numbers. */
export function ramp(share) {
  const stops = RAMPS[theme()];
  const at = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  const [a, b] = [rgb(stops[low]), rgb(stops[low + 1])];
  return a.map((value, i) => Math.round(value + (at - low) * (b[i] - value)));
}

/** The ten colours of classes; more classes than that share them in turn. */
export function classColours() {
  return Array.from({ length: N_CLASS_COLOURS }, (_, i) => token(`--class-${i}`));
}

/**
 * Colour of every point.
 * @param {import("isthmus/backend.js").MapData} map
 * @param {number|null} only the one class that is not dimmed
 * @returns {Uint8Array} (n, 4); the last of each is the opacity's share of 255
 */
export function pointColours(map, only = null) {
  const n = map.x.length;
  const colours = new Uint8Array(4 * n);
  const { kind, low, high } = map.header.colour;
  const table = kind === "class" ? classColours() : Array.from({ length: 256 }, (_, i) => ramp(i / 255));
  const plain = token("--accent");
  for (let i = 0; i < n; i += 1) {
    let colour = plain;
    if (kind === "class") colour = table[map.colour[i] % N_CLASS_COLOURS];
    else if (kind === "number") colour = table[index(map.colour[i], low, high)];
    colours[4 * i] = colour[0];
    colours[4 * i + 1] = colour[1];
    colours[4 * i + 2] = colour[2];
    colours[4 * i + 3] = only !== null && map.colour[i] !== only ? 22 : 255;
  }
  return colours;
}

function index(value, low, high) {
  const share = (value - low) / (high - low || 1);
  return Math.min(255, Math.max(0, Math.round(255 * (Number.isFinite(share) ? share : 0))));
}

/** A token as a colour of CSS, so opaque. */
export function ink(name, opacity = 1) {
  return `rgb(${token(name).join(" ")} / ${opacity})`;
}
