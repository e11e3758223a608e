/** Finding points: the nearest to a place, and those inside a line drawn around them. */

const PER_CELL = 4;

export class Finder {
  /** A grid of cells, each with the numbers of its points, kept as one array and its starts. */
  constructor({ x, y }) {
    Object.assign(this, { x, y });
    const n = x.length;
    this.side = Math.max(1, Math.floor(Math.sqrt(n / PER_CELL)));
    [this.left, this.right] = extent(x);
    [this.low, this.high] = extent(y);
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < n; i += 1) this.starts[this.#cell(x[i], y[i]) + 1] += 1;
    for (let c = 0; c < this.side * this.side; c += 1) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    this.points = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) this.points[next[this.#cell(x[i], y[i])]++] = i;
  }

  #column(x) {
    return Math.min(
      this.side - 1,
      Math.max(0, Math.floor(((x - this.left) / (this.right - this.left || 1)) * this.side)),
    );
  }

  #row(y) {
    return Math.min(
      this.side - 1,
      Math.max(0, Math.floor(((y - this.low) / (this.high - this.low || 1)) * this.side)),
    );
  }

  #cell(x, y) {
    return this.#row(y) * this.side + this.#column(x);
  }

  /**
   * Number of the point nearest to a place, or -1 if none is within reach.
   * @param {number} x
   * @param {number} y
   * @param {[number, number]} reach in units of the data, on each axis
   */
  nearest(x, y, [rx, ry]) {
    let best = -1;
    let least = 1;
    this.#inBox(x - rx, x + rx, y - ry, y + ry, (i) => {
      const distance = ((this.x[i] - x) / rx) ** 2 + ((this.y[i] - y) / ry) ** 2;
      if (distance <= least) {
        least = distance;
        best = i;
      }
    });
    return best;
  }

  /**
   * Numbers of the points inside a closed line, by the even-odd rule.
   * @param {[number, number][]} line
   * @returns {number[]}
   */
  inside(line) {
    const xs = line.map(([x]) => x);
    const ys = line.map(([, y]) => y);
    const found = [];
    this.#inBox(Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys), (i) => {
      if (within(line, this.x[i], this.y[i])) found.push(i);
    });
    return found.sort((a, b) => a - b);
  }

  #inBox(left, right, low, high, visit) {
    for (let row = this.#row(low); row <= this.#row(high); row += 1) {
      for (let column = this.#column(left); column <= this.#column(right); column += 1) {
        const cell = row * this.side + column;
        for (let k = this.starts[cell]; k < this.starts[cell + 1]; k += 1) visit(this.points[k]);
      }
    }
  }
}

function within(line, x, y) {
  let inside = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i, i += 1) {
    const [ax, ay] = line[i];
    const [bx, by] = line[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return values.length ? [low, high] : [0, 1];
}
