/** Encoder and decoder, run in the page by ONNX Runtime. */

import * as runtime from "onnxruntime-web";
import { asset } from "isthmus/web/assets.js";

let ready = null;

/** The runtime, started once: on one thread, as more would need headers of the file server. */
function started() {
  ready ??= asset("runtime").then((binary) => {
    runtime.env.wasm.wasmBinary = binary;
    runtime.env.wasm.numThreads = 1;
    runtime.env.logLevel = "error";
  });
  return ready;
}

/** Values of the type that a graph takes, as the runtime wants them. */
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
};

/** How a number becomes a value; whole numbers are rounded. */
const CONVERSIONS = {
  float32: (value) => value,
  float64: (value) => value,
  int64: (value) => BigInt(Math.round(value)),
  bool: (value) => (value >= 0.5 ? 1 : 0),
};

export class Network {
  /** @param {string} name of the asset that holds the graph */
  constructor(name) {
    this.name = name;
    this.session = null;
    // The runtime takes one call at a time.
    this.turn = Promise.resolve();
  }

  async #start() {
    const [graph] = await Promise.all([asset(this.name), started()]);
    const create = (level) =>
      runtime.InferenceSession.create(new Uint8Array(graph), {
        executionProviders: ["wasm"],
        graphOptimizationLevel: level,
      });
    // The runtime may melt layers into one that it then does not have for their type of number.
    return create("all").catch(() => create("basic"));
  }

  /** Start now what would else start with the first call. */
  warm() {
    this.session ??= this.#start();
    return this.session;
  }

  /**
   * @param {ArrayLike<number>} values of all rows, one after the other
   * @param {number[]} shape rows first
   * @param {string} [type] of the values
   * @returns {Promise<Object<string, {values: TypedArray, shape: number[]}>>} outputs by their names
   */
  run(values, shape, type = "float32") {
    const answer = this.turn.then(async () => {
      const session = await this.warm();
      const given = ARRAYS[type].from(values, CONVERSIONS[type] ?? ((value) => Math.round(value)));
      const outputs = await session.run({ [session.inputNames[0]]: new runtime.Tensor(type, given, shape) });
      const plain = Object.entries(outputs).map(([name, { data, dims }]) => [
        name,
        { values: data, shape: dims },
      ]);
      return Object.fromEntries(plain);
    });
    this.turn = answer.catch(() => {});
    return answer;
  }
}
