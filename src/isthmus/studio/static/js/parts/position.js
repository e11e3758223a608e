/** Where the sliders are: a code, the sample it came from, and the way back. */

const MOST_STEPS = 200;

export class Position {
  /**
   * @param {number[]} z
   * @param {number|null} row the selected sample
   */
  constructor(z, row = null) {
    this.z = Float64Array.from(z);
    this.row = row;
    this.past = [];
    this.listeners = [];
  }

  /** @param {(position: Position) => void} listener called after every change */
  onchange(listener) {
    this.listeners.push(listener);
  }

  /** Remember this place: before the first of a row of changes that are undone together. */
  keep() {
    this.past.push({ z: this.z.slice(), row: this.row });
    if (this.past.length > MOST_STEPS) this.past.shift();
  }

  /** Go to a code at once, and remember the place before. */
  go(z, row = this.row) {
    this.keep();
    this.move(z, row);
  }

  /** Go to a code without remembering, as while a slider is dragged. */
  move(z, row = this.row) {
    this.z = Float64Array.from(z);
    this.row = row;
    this.#tell();
  }

  moveOne(index, value) {
    this.z[index] = value;
    this.#tell();
  }

  moveAlong(axis, distance) {
    for (let i = 0; i < this.z.length; i += 1) this.z[i] += distance * axis[i];
    this.#tell();
  }

  get canUndo() {
    return this.past.length > 0;
  }

  undo() {
    const before = this.past.pop();
    if (!before) return false;
    this.move(before.z, before.row);
    return true;
  }

  #tell() {
    for (const listener of this.listeners) listener(this);
  }
}

/** A code as text for the address, short enough to be read and exact enough to be the same picture. */
export function writeCode(z) {
  return Array.from(z, (value) => Number(value.toPrecision(5))).join(",");
}

/** @returns {number[]|null} null unless the text is a code of this width */
export function readCode(text, width) {
  const values = (text ?? "").split(",").map(Number);
  return text && values.length === width && values.every(Number.isFinite) ? values : null;
}

/**
 * The code in the middle of a run's codes; whole where they are. Sliders of some models are wider than their
 * codes.
 */
export function middleOf({ latents, width, latent_dim: d }) {
  const middle = new Float64Array(width ?? d);
  for (const { index, mean, step } of latents) middle[index] = step ? Math.round(mean / step) * step : mean;
  return middle;
}
