/**
 * What views ask for, whoever answers: the server (`server.js`), or the model itself in the page
 * (`onnx_backend.js`).
 *
 * @typedef {{kind: "picture", width: number, height: number, channels: 1|3, pixels: Uint8Array}} ShownPicture
 * @typedef {{kind: "row", values: Float32Array}} ShownRow
 * @typedef {ShownPicture|ShownRow} Shown
 *
 * @typedef {Object} Backend
 * @property {{runs: boolean, train: boolean, lab: boolean, files: boolean, own?: boolean}} can what there is
 *   besides a run to explore: a list of runs, training, own data, files made by the backend, own data in a
 *   page without a server
 * @property {() => Promise<Object[]>} runs summaries of all runs
 * @property {(name: string) => Promise<Object>} run RunInfo
 * @property {(name: string, choices: {x?: string, y?: string, colour?: string}) => Promise<MapData>} map
 * @property {(name: string, rows: number[]) => Promise<{shown: Shown[], header: Object}>} samples
 * @property {(name: string, row: number) => Promise<Object>} posterior
 * @property {(name: string, z: ArrayLike<number>, y?: string) => Promise<Shown>} decode of a code, and of a
 *   class if the model knows some
 * @property {(name: string, row: number) => Promise<Shown>} reconstruct
 * @property {(name: string, seed: number) => Promise<number[]>} draw a code from the prior
 * @property {(name: string, ends: PathEnds) => Promise<{shown: Shown[], z: Float32Array[]}>} path
 * @property {(name: string, ends: PathEnds, as: "gif"|"png") => Promise<Blob>} pathFile
 * @property {(name: string, rows: number[], as: "png"|"npz"|"csv") => Promise<Blob>} selectionFile
 *
 * @typedef {{from: Object, to: Object, kind: "linear"|"spherical", steps: number}} PathEnds
 *
 * @typedef {Object} MapData
 * @property {Float32Array} x
 * @property {Float32Array} y
 * @property {Float32Array|Uint16Array|null} colour
 * @property {Uint32Array} rows number of the sample behind each point
 * @property {Object} header axes, x, y, plane, colour, colours, contours, of
 */

/**
 * Cut an array of samples into one `Shown` each.
 * @param {{shape: number[], values: TypedArray, dtype: string}} array uint8 (k, H, W, C) or float32 (k, d)
 * @returns {Shown[]}
 */
export function shownFrom({ shape, values }) {
  const [n, ...event] = shape;
  const size = event.reduce((product, length) => product * length, 1);
  const one = (i) => values.subarray(i * size, (i + 1) * size);
  if (event.length < 2) return Array.from({ length: n }, (_, i) => ({ kind: "row", values: one(i) }));
  const [height, width, channels = 1] = event;
  return Array.from({ length: n }, (_, i) => ({ kind: "picture", width, height, channels, pixels: one(i) }));
}

/** Cut an array (k, d) into rows. */
export function rowsFrom({ shape: [n, d], values }) {
  return Array.from({ length: n }, (_, i) => values.subarray(i * d, (i + 1) * d));
}
