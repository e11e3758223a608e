/** The backend of the studio: HTTP for what is asked once, a socket for what follows the hand. */

import { rowsFrom, shownFrom } from "isthmus/backend.js";
import { unpack } from "isthmus/frame.js";
import { Live } from "isthmus/live.js";

/** Path of a run: its name may hold slashes, which stay. */
function of(verb, name, query = {}) {
  const path = name.split("/").map(encodeURIComponent).join("/");
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const tail = new URLSearchParams(given).toString();
  return `/api/${verb}/${path}${tail ? `?${tail}` : ""}`;
}

/**
 * Ask the server, and turn its errors into sentences.
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio's server does not answer; is it still running?", { cause: error });
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(said.error ?? `The server answered with ${answer.status}.`), {
    status: answer.status,
  });
}

/** Ask with a JSON body. */
export function send(url, body) {
  return ask(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** Ask for a frame. */
export async function askFrame(url, options) {
  return unpack(await (await ask(url, options)).arrayBuffer());
}

/** @returns {import("isthmus/backend.js").Backend} */
export function serverBackend() {
  const live = new Live("/api/live");
  const json = async (url) => (await ask(url)).json();
  const one = async (op, name, fields) =>
    shownFrom((await live.request(op, { run: name, ...fields })).arrays.shown)[0];
  return {
    can: { runs: true, train: true, lab: true, files: true },
    live,
    runs: () => json("/api/runs"),
    run: (name) => json(of("run", name, { patience: 0.3 })),
    async map(name, choices = {}) {
      const { header, arrays } = await askFrame(of("map", name, choices));
      const values = (key) => arrays[key]?.values ?? null;
      return { header, x: values("x"), y: values("y"), colour: values("colour"), rows: values("rows") };
    },
    async samples(name, rows) {
      const { header, arrays } = await askFrame(of("samples", name, { rows: rows.join(",") }));
      return { shown: shownFrom(arrays.shown), header };
    },
    posterior: (name, row) => json(of("posterior", name, { row })),
    decode: (name, z, y) => one("decode", name, { z: Array.from(z), y }),
    reconstruct: (name, row) => one("reconstruct", name, { row }),
    draw: async (name, seed) => (await json(of("draw", name, { seed }))).z,
    async path(name, ends) {
      const answer = await send(of("path", name), ends);
      const { arrays } = unpack(await answer.arrayBuffer());
      return { shown: shownFrom(arrays.shown), z: rowsFrom(arrays.z) };
    },
    pathFile: async (name, ends, as) => (await send(of("path", name, { as }), ends)).blob(),
    selectionFile: async (name, rows, as) => (await send(of("selection", name), { rows, as })).blob(),
  };
}
