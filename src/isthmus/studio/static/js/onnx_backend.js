/**
 * The backend of an exported page: everything comes from the page itself, and the networks run in it.
 *
 * What does not change, such as the map, was worked out when the page was written; see `isthmus.export.content`.
 */

import { shownFrom } from "isthmus/backend.js";
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
    this.decoder = new Network("decoder");
    this.encoder = new Network("encoder");
    this.sheets = arrays.rows ? null : new Sheets(header.sheets, arrays);
    this.decoder.warm().catch(() => {}); // said where it is needed
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
    const { axes, colours, planes, of, contours } = this.header;
    const chosen = { x: x ?? this.header.x, y: y ?? this.header.y, colour: colour ?? this.header.colour };
    const [across, up] = [chosen.x, chosen.y].map((id) => axes.findIndex((axis) => axis.id === id));
    const paint = colours.findIndex(({ id }) => id === chosen.colour);
    if (across < 0 || up < 0 || paint < 0) throw new Error("This page has no such axis or colour.");
    const n = this.arrays.places.shape[1];
    const places = (axis) => this.arrays.places.values.subarray(axis * n, (axis + 1) * n);
    const swapped = across > up;
    const plane = planes[swapped ? `${up},${across}` : `${across},${up}`];
    return {
      x: places(across),
      y: places(up),
      colour: this.arrays[`colour${paint}`]?.values ?? null,
      rows: Uint32Array.from({ length: n }, (_, i) => i),
      header: {
        axes,
        x: chosen.x,
        y: chosen.y,
        plane: swapped ? { origin: plane.origin, across: plane.up, up: plane.across } : plane,
        colour: colours[paint],
        colours: colours.map(({ id, name: said }) => ({ id, name: said })),
        contours: swapped ? plane.contours.map(turned) : plane.contours,
        of,
      },
    };
  }

  async samples(name, rows) {
    const labels = rows.map((row) => this.header.labels?.[row] ?? null);
    const scores = rows.map((row) => this.header.scores?.[row] ?? null);
    const shown = this.sheets ? await this.sheets.get(rows) : rows.map((row) => this.#row("rows", row));
    return { shown: this.sheets ? shown : shown.map((values) => ({ kind: "row", values })), header: { labels, scores } };
  }

  async posterior(name, row) {
    const mean = this.#row("codes", row);
    const std = this.arrays.stds ? this.#row("stds", row) : null;
    const { labels, errors, scores } = this.header;
    return {
      ...this.#known(mean, std),
      label: labels?.[row] ?? null,
      error: errors?.[row] ?? null,
      score: scores?.[row] ?? null,
    };
  }

  async decode(name, z) {
    return (await this.#decoded([z]))[0];
  }

  reconstruct(name, row) {
    return this.decode(name, this.#row("codes", row));
  }

  async draw(name, seed) {
    const n = this.arrays.draws.shape[0];
    return Array.from(this.#row("draws", Math.abs(Math.trunc(seed)) % n));
  }

  async path(name, { from, to, kind = "linear", steps = 9 }) {
    const [start, end] = [from, to].map((place) => Array.from(place.z ?? this.#row("codes", place.row)));
    const codes = way(start, end, { kind, steps, middle: this.header.middle });
    return { shown: await this.#decoded(codes), z: codes.map((code) => Float32Array.from(code)) };
  }

  /**
   * Encode a sample that is not of the page's own, and decode it again.
   * @param {ArrayLike<number>} values in the units of the data
   */
  async encode(values) {
    const { type, shape } = this.header.input;
    const { code, std } = await this.encoder.run(values, [1, ...shape], type);
    return this.#known(code.values, std?.values ?? null);
  }

  #known(mean, std) {
    const plain = (values) => (values ? Array.from(values) : null);
    return { mean: plain(mean), std: plain(std), attributes: attributesOf(this.info.attributes ?? [], mean, std) };
  }

  #row(name, row) {
    const { shape, values } = this.arrays[name];
    if (!(row >= 0 && row < shape[0])) throw new Error(`This page has no row ${row}.`);
    return values.subarray(row * shape[1], (row + 1) * shape[1]);
  }

  async #decoded(codes) {
    const d = this.info.latent_dim;
    const all = new Float32Array(codes.length * d);
    codes.forEach((code, i) => all.set(code, i * d));
    const { x } = await this.decoder.run(all, [codes.length, d]);
    const shape = [codes.length, ...this.info.shape];
    if (this.info.kind === "row") return shownFrom({ shape: [codes.length, x.values.length / codes.length], values: Float32Array.from(x.values) });
    return shownFrom(bytesOf(x.values, shape, this.header.black_white));
  }
}

/** Pictures in the data's own units as bytes, as `isthmus.explore.sheets.to_bytes` makes them. */
export function bytesOf(values, [n, height, width, channels = 1], [low, high]) {
  const kept = channels === 3 || channels === 4 ? 3 : 1;
  // Clamped arrays round to the nearest, halves to even, as NumPy does.
  const pixels = new Uint8ClampedArray(n * height * width * kept);
  const scale = 255 / Math.max(high - low, 1e-12);
  for (let i = 0; i < n * height * width; i += 1) {
    if (kept === 3 || channels === 1) {
      for (let c = 0; c < kept; c += 1) pixels[i * kept + c] = (values[i * channels + c] - low) * scale;
    } else {
      let sum = 0;
      for (let c = 0; c < channels; c += 1) sum += Math.min(Math.max(values[i * channels + c], low), high) - low;
      pixels[i] = (sum / channels) * scale;
    }
  }
  return { shape: [n, height, width, kept], values: new Uint8Array(pixels.buffer) };
}

function turned({ mass, lines }) {
  return { mass, lines: lines.map((line) => line.map((_, i) => line[i % 2 ? i - 1 : i + 1])) };
}
