/** What the lab asks of the server: own samples, noise, features and chains. Samples travel with every question. */

import { ask, askFrame } from "isthmus/server.js";
import { Live } from "isthmus/live.js";

const FRAME = "application/x-isthmus-frame";
const LOST = "The connection to the studio's server is lost, and the chains with it; start them anew.";

/**
 * A frame to send: header and one array.
 * @param {Object} header
 * @param {{shape: number[], dtype: string, values: TypedArray}} sample
 * @returns {ArrayBuffer}
 */
export function frameOf(header, { shape, dtype, values }) {
  const listed = { name: "sample", dtype, shape, offset: 0, bytes: values.byteLength };
  const text = new TextEncoder().encode(JSON.stringify({ ...header, arrays: [listed] }));
  const start = Math.ceil((4 + text.length) / 8) * 8;
  const frame = new Uint8Array(start + Math.ceil(values.byteLength / 8) * 8);
  frame.fill(32, 0, start);
  new DataView(frame.buffer).setUint32(0, start - 4, true);
  frame.set(text, 4);
  frame.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
  return frame.buffer;
}

/** @param {string} run */
export function labServer(run) {
  const path = run.split("/").map(encodeURIComponent).join("/");
  const url = (verb, query = {}) => `/api/lab/${verb}/${path}?${new URLSearchParams(query)}`;
  const post = (verb, query, body, type) =>
    askFrame(url(verb, query), { method: "POST", headers: { "Content-Type": type }, body });
  return {
    about: async () => (await ask(url("about"))).json(),
    /** @param {File} file */
    tryFile: (file, options) =>
      post("try", { name: file.name, ...options }, file, "application/octet-stream"),
    tryRow: (row) => post("try", {}, JSON.stringify({ row }), "application/json"),
    tryValues: (values) =>
      post("try", {}, JSON.stringify({ values: Array.from(values) }), "application/json"),
    /** Where an error and a score lie among those of the data. */
    place: async ({ mse, score }) =>
      (await ask(url("place", score === null ? { mse } : { mse, score }))).json(),
    noise: (sample, choices) => post("noise", choices, frameOf({}, sample), FRAME),
    features: (sample) => post("features", {}, frameOf({}, sample), FRAME),
    chain: () => new Chains(url("chain")),
  };
}

/** Chains on the server, walked as often as they are asked to. */
class Chains {
  constructor(path) {
    this.live = new Live(path, LOST);
  }

  /** @param {{from: string, chains: number, seed: number}} choices */
  start(choices, sample) {
    if (!sample) return this.live.request("start", choices);
    return this.live.ask((id) => frameOf({ id, op: "start", ...choices }, sample));
  }

  step(n, { judge = false, draws = false } = {}) {
    return this.live.request("step", { n, judge, draws });
  }

  close() {
    this.live.close();
  }
}
