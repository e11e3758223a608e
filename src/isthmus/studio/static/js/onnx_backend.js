/**
 * The backend of an exported page: everything comes from the page itself, and the networks run in it.
 *
 * What does not change, such as the map, was worked out when the page was written; see
 * `isthmus.export.content`.
 */

import { rowsFrom, shownFrom } from "isthmus/backend.js";
import { unpack } from "isthmus/frame.js";
import { asset } from "isthmus/web/assets.js";
import { attributesOf, way } from "isthmus/web/codes.js";
import { Network } from "isthmus/web/network.js";
import { Sheets } from "isthmus/web/sheets.js";

/** @returns {Promise<import("isthmus/backend.js").Backend>} */
export async function onnxBackend() {
  const { header, arrays } = unpack(await asset("content"));
  return new OnnxBackend(header, arrays);
}

class OnnxBackend {
  constructor(header, arrays) {
    Object.assign(this, { header, arrays });
    this.can = { runs: false, train: false, lab: false, files: false, own: true };
    this.decoding = new Network("decoder");
    this.encoder = new Network("encoder");
    // Sliders of some models count vectors of a codebook, say: then networks of their own lead to codes and
    // back.
    this.meaning = header.meaning ? new Network("codes") : null;
    this.finding = header.meaning ? new Network("positions") : null;
    this.sheets = header.sheets ? new Sheets(header.sheets, arrays) : null;
    this.planes = cutPlanes(header.planes, arrays.planes.values);
    this.decoding.warm().catch(() => {}); // whoever decodes is told
  }

  get info() {
    return this.header.info;
  }

  async runs() {
    return [];
  }

  async run(name) {
    if (name !== this.info.name) throw new Error(`This page holds the run ${this.info.name}, and no other.`);
    return this.info;
  }

  async map(name, { x, y, colour } = {}) {
    const { axes, colours, of, contours } = this.header;
    const ids = { x: x ?? this.header.x, y: y ?? this.header.y, colour: colour ?? this.header.colour };
    const [across, up] = [ids.x, ids.y].map((id) => axes.findIndex((axis) => axis.id === id));
    const paint = colours.findIndex(({ id }) => id === ids.colour);
    if (across < 0 || up < 0 || paint < 0) throw new Error("This page has no such axis or colour.");
    if (across === up) throw new Error("Both axes of the map are the same; choose two that differ.");
    const pair = pairNumber(across, up, axes.length);
    const turned = across > up;
    const n = this.arrays.places.shape[1];
    const places = (axis) => this.arrays.places.values.subarray(axis * n, (axis + 1) * n);
    return {
      x: places(across),
      y: places(up),
      colour: this.arrays[`colour${paint}`]?.values ?? null,
      rows: Uint32Array.from({ length: n }, (_, i) => i),
      header: {
        axes,
        x: ids.x,
        y: ids.y,
        plane: turned ? turnedPlane(this.planes[pair]) : this.planes[pair],
        colour: colours[paint],
        colours: colours.map(({ id, name: said }) => ({ id, name: said })),
        contours: turned ? contours[pair].map(turnedContour) : contours[pair],
        of,
      },
    };
  }

  async samples(name, rows) {
    const labels = rows.map((row) => this.header.labels?.[row] ?? null);
    const scores = rows.map((row) => this.#value("score", row));
    const shown = this.sheets
      ? await this.sheets.get(rows)
      : rows.map((row) => ({ kind: "row", values: this.#row("rows", row) }));
    return { shown, header: { labels, scores } };
  }

  async posterior(name, row) {
    const known = this.#known(this.#row("positions", row), this.arrays.stds ? this.#row("stds", row) : null);
    const label = this.header.labels?.[row] ?? null;
    return { ...known, label, error: this.#value("error", row), score: this.#value("score", row) };
  }

  async decode(name, z) {
    return (await this.#decoded([z]))[0];
  }

  reconstruct(name, row) {
    return this.decode(name, this.#row("positions", row));
  }

  async draw(name, seed) {
    const n = this.arrays.draws.shape[0];
    return Array.from(this.#row("draws", Math.abs(Math.trunc(seed)) % n));
  }

  async path(name, { from, to, kind = "linear", steps = 9 }) {
    const ends = [from, to].map((place) => place.z ?? this.#row("positions", place.row));
    const [first, last] = await Promise.all(ends.map(async (end) => (await this.#codes([end]))[0]));
    const codes = way(first, last, { kind, steps, middle: this.header.middle });
    const z = this.finding
      ? rowsFrom((await run(this.finding, codes)).position)
      : codes.map((code) => Float32Array.from(code));
    return { shown: await this.#decoded(z), z };
  }

  /**
   * Encode a sample that the page did not come with, and decode it again.
   * @param {Float64Array} values in the units of the data
   * @returns {Promise<{known: Object, given: Shown, shown: Shown, error: number}>} `known` of its code, the
   *   sample and its reconstruction as they are shown, and the root mean square of their difference
   */
  async own(values) {
    const { type, shape } = this.header.input;
    const { code, std } = await this.encoder.run(values, [1, ...shape], type);
    const { x } = await this.#decoder([code.values]);
    const error = Math.sqrt(
      values.reduce((sum, value, i) => sum + (Number(x.values[i]) - value) ** 2, 0) / values.length,
    );
    const known = this.#known(code.values, std?.values ?? null);
    return { known, given: this.#shown(values, 1)[0], shown: this.#shown(x.values, 1)[0], error };
  }

  /** Reconstruction errors of the samples of the page, if it has any. */
  errors() {
    return this.#colour("error");
  }

  #known(mean, std) {
    const plain = (values) => (values ? Array.from(values) : null);
    return {
      mean: plain(mean),
      std: plain(std),
      attributes: attributesOf(this.info.attributes ?? [], mean, std),
    };
  }

  #row(name, row) {
    const { shape, values } = this.arrays[name];
    if (!(row >= 0 && row < shape[0])) throw new Error(`This page has no row ${row}.`);
    return values.subarray(row * shape[1], (row + 1) * shape[1]);
  }

  /** The values of a colour of the map. */
  #colour(id) {
    return (
      this.arrays[`colour${this.header.colours.findIndex((colour) => colour.id === id)}`]?.values ?? null
    );
  }

  #value(id, row) {
    return this.#colour(id)?.[row] ?? null;
  }

  /** Codes of positions; where these are two things, a code is taken for the nearest position. */
  async #codes(positions) {
    if (!this.meaning) return positions.map((z) => Array.from(z));
    const isCode = positions[0].length !== this.info.width;
    const places = isCode ? rowsFrom((await run(this.finding, positions)).position) : positions;
    return rowsFrom((await run(this.meaning, places)).code).map((row) => Array.from(row));
  }

  async #decoder(positions) {
    return run(this.decoding, await this.#codes(positions));
  }

  async #decoded(positions) {
    return this.#shown((await this.#decoder(positions)).x.values, positions.length);
  }

  /** Samples in the data's own units as they are shown. */
  #shown(values, n) {
    if (this.info.kind === "picture")
      return shownFrom(bytesOf(values, [n, ...this.info.shape], this.header.black_white));
    return shownFrom({ shape: [n, values.length / n], values: Float32Array.from(values, Number) });
  }
}

/** Run a network on rows of one width. */
function run(network, rows) {
  return network.run(
    rows.flatMap((row) => Array.from(row)),
    [rows.length, rows[0].length],
  );
}

/** Planes of all pairs of axes: five vectors and two offsets of each in one array, where there is a plane. */
function cutPlanes(widths, values) {
  let start = 0;
  return widths.map((width) => {
    if (width === null) return null;
    const part = (i) => Array.from(values.subarray(start + i * width, start + (i + 1) * width));
    const plane = { origin: part(0), across: part(1), up: part(2), weights: [part(3), part(4)] };
    start += 5 * width + 2;
    return { ...plane, offsets: Array.from(values.subarray(start - 2, start)) };
  });
}

/** Number of the pair (i, j) among (0, 1), (0, 2) ... (1, 2) ... of so many axes. */
function pairNumber(i, j, n) {
  const [first, second] = i < j ? [i, j] : [j, i];
  return first * n - (first * (first + 1)) / 2 + second - first - 1;
}

function turnedPlane(plane) {
  if (!plane) return null;
  const { origin, across, up, weights, offsets } = plane;
  return { origin, across: up, up: across, weights: weights.toReversed(), offsets: offsets.toReversed() };
}

function turnedContour({ mass, lines }) {
  return { mass, lines: lines.map((line) => line.map((_, i) => line[i % 2 ? i - 1 : i + 1])) };
}

/** Pictures in the data's own units as bytes, as `isthmus.explore.sheets.to_bytes` makes them. */
export function bytesOf(values, [n, height, width, channels = 1], [low, high]) {
  const kept = channels === 3 || channels === 4 ? 3 : 1;
  // Clamped arrays round to the nearest, halves to even, as NumPy does.
  const pixels = new Uint8ClampedArray(n * height * width * kept);
  const scale = 255 / Math.max(high - low, 1e-12);
  for (let i = 0; i < n * height * width; i += 1) {
    if (kept === 3 || channels === 1) {
      for (let c = 0; c < kept; c += 1)
        pixels[i * kept + c] = (Number(values[i * channels + c]) - low) * scale;
    } else {
      let sum = 0;
      for (let c = 0; c < channels; c += 1)
        sum += Math.min(Math.max(Number(values[i * channels + c]), low), high) - low;
      pixels[i] = (sum / channels) * scale;
    }
  }
  return { shape: [n, height, width, kept], values: new Uint8Array(pixels.buffer) };
}
