/** What the lab asks of the server: own samples, noise, features and chains. Samples travel with every question. */

import { ask, askFrame } from "isthmus/server.js";
import { unpack } from "isthmus/frame.js";

const FRAME = "application/x-isthmus-frame";

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
    chain: () => new ChainSocket(url("chain")),
  };
}

/** Chains on the server, walked as often as they are asked to. */
class ChainSocket {
  constructor(path) {
    this.path = path;
    this.socket = null;
    this.last = 0;
    this.asked = new Map();
  }

  /** @param {{from: string, chains: number, seed: number}} choices */
  start(choices, sample) {
    const header = { op: "start", ...choices };
    return this.#request((id) =>
      sample ? frameOf({ id, ...header }, sample) : JSON.stringify({ id, ...header }),
    );
  }

  step(n, { judge = false, draws = false } = {}) {
    return this.#request((id) => JSON.stringify({ id, op: "step", n, judge, draws }));
  }

  close() {
    this.socket?.close();
  }

  async #request(message) {
    const socket = await this.#open();
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      socket.send(message(id));
    });
  }

  #open() {
    if (this.opened) return this.opened;
    const url = new URL(this.path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.opened = new Promise((resolve, reject) => {
      socket.onopen = () => resolve(socket);
      socket.onclose = () => {
        this.opened = null;
        const lost = new Error(
          "The connection to the studio's server is lost, and the chains with it; start them anew.",
        );
        reject(lost);
        for (const { reject: fail } of this.asked.values()) fail(lost);
        this.asked.clear();
      };
    });
    socket.onmessage = ({ data }) => {
      const frame = unpack(data);
      const question = this.asked.get(frame.header.id);
      this.asked.delete(frame.header.id);
      if (frame.header.error) question?.reject(new Error(frame.header.error));
      else question?.resolve(frame);
    };
    return this.opened;
  }
}
