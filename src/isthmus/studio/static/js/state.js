/**
 * What a view remembers: in the address, so that a reload and a copied link show the same, and in the
 * browser's own store, so that coming back does.
 */

import { parse } from "isthmus/router.js";

const PREFIX = "isthmus:";
const DELAY = 150;

export class State {
  /**
   * @param {string} scope whose state this is, such as the name of a run
   * @param {{path: string, query: URLSearchParams}} address of the view, as `router.parse` takes it apart
   */
  constructor(scope, { path, query }) {
    Object.assign(this, { scope, path, query });
    this.pending = new Map();
    this.timer = 0;
  }

  /**
   * @param {string} key
   * @param {string|null} [otherwise]
   * @returns {string|null}
   */
  get(key, otherwise = null) {
    if (this.pending.has(key)) return this.pending.get(key) ?? otherwise;
    return this.query.get(key) ?? stored(this.#name(key)) ?? otherwise;
  }

  /** A value that was set with `setJSON`, or null if there is none that can be read. */
  getJSON(key) {
    try {
      return JSON.parse(this.get(key) ?? "null");
    } catch {
      return null;
    }
  }

  /**
   * Remember a value; null forgets it.
   * @param {string} key
   * @param {string|number|null} value
   * @param {{address?: boolean}} [options] whether the address shows it; long ones should not
   */
  set(key, value, { address = true } = {}) {
    const text = value === null || value === undefined ? null : String(value);
    if (text === null || !address) this.query.delete(key);
    else this.query.set(key, text);
    this.pending.set(key, text);
    // A hand that moves sets values faster than stores and addresses should be written.
    this.timer ||= setTimeout(() => this.flush(), DELAY);
  }

  setJSON(key, value, options) {
    this.set(key, value === null ? null : JSON.stringify(value), options);
  }

  /** Write what is pending: soon after it was set, and before the view goes. */
  flush() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = 0;
    for (const [key, text] of this.pending) store(this.#name(key), text);
    this.pending.clear();
    // Once another view has the address, what this one shows belongs into the store only.
    const { path } = parse(location.hash);
    if (path !== this.path) return;
    const query = this.query.toString();
    history.replaceState(history.state, "", `#${path}${query ? `?${query}` : ""}`);
  }

  #name(key) {
    return `${PREFIX}${this.scope}:${key}`;
  }
}

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // A full or forbidden store costs the memory between visits, and nothing else.
  }
}
