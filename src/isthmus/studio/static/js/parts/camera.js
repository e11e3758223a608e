/** Which part of the plane is seen: data to pixels and back, moved and enlarged. */

const MOST = 400;

export class Camera {
  constructor() {
    this.width = 1;
    this.height = 1;
    this.bounds = { left: -1, right: 1, low: -1, high: 1 };
    this.scale = [1, 1];
    this.centre = [0, 0];
    this.zoom = 1;
  }

  /**
   * The data that a view of everything shows.
   * @param {{x: ArrayLike<number>, y: ArrayLike<number>}} data
   * @param {{keep?: boolean}} [options] whether a part that somebody has chosen to see stays in view
   */
  fit({ x, y }, { keep = false } = {}) {
    const [left, right] = range(x);
    const [low, high] = range(y);
    const moved = this.zoom !== 1 || this.centre.some((value, k) => value !== this.#middle[k]);
    this.bounds = { left, right, low, high };
    if (keep && moved) this.#rescale();
    else this.reset();
  }

  get #middle() {
    const { left, right, low, high } = this.bounds;
    return [(left + right) / 2, (low + high) / 2];
  }

  reset() {
    this.centre = this.#middle;
    this.zoom = 1;
    this.#rescale();
  }

  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.#rescale();
  }

  /** One unit is as long on both axes, unless one of them would then be hard to read. */
  #rescale() {
    const { left, right, low, high } = this.bounds;
    const room = 0.92;
    const x = (this.width * room) / (right - left || 1);
    const y = (this.height * room) / (high - low || 1);
    const equal = Math.max(x, y) / Math.min(x, y) < 2.5;
    const least = Math.min(x, y);
    this.scale = (equal ? [least, least] : [x, y]).map((value) => value * this.zoom);
  }

  toPixels(x, y) {
    return [
      this.width / 2 + (x - this.centre[0]) * this.scale[0],
      this.height / 2 - (y - this.centre[1]) * this.scale[1],
    ];
  }

  toData(px, py) {
    return [
      this.centre[0] + (px - this.width / 2) / this.scale[0],
      this.centre[1] - (py - this.height / 2) / this.scale[1],
    ];
  }

  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale[0], this.centre[1] + dy / this.scale[1]];
    this.#keepNear();
  }

  /** Enlarge by a factor; the place under the pixel stays where it is. */
  zoomAt(factor, px, py) {
    const [x, y] = this.toData(px, py);
    this.zoom = Math.min(MOST, Math.max(0.25, this.zoom * factor));
    this.#rescale();
    this.centre = [x - (px - this.width / 2) / this.scale[0], y + (py - this.height / 2) / this.scale[1]];
    this.#keepNear();
  }

  /** Nobody gets lost: the middle stays within twice the data. */
  #keepNear() {
    const { left, right, low, high } = this.bounds;
    const within = (value, a, b) => Math.min(b + (b - a) / 2, Math.max(a - (b - a) / 2, value));
    this.centre = [within(this.centre[0], left, right), within(this.centre[1], low, high)];
  }

  get state() {
    return [...this.centre, this.zoom];
  }

  set state([x, y, zoom]) {
    if (![x, y, zoom].every(Number.isFinite)) return;
    this.centre = [x, y];
    this.zoom = zoom;
    this.#rescale();
    this.#keepNear();
  }
}

function range(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [-1, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}
