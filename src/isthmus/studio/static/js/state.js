/**
 * What a view remembers: in the address, so that a reload and a copied link show the same, and in the browser's own
 * store, so that coming back does.
 */

const PREFIX = "isthmus:";

export class State {
  /**
   * @param {string} scope whose state this is, such as the name of a run
   * @param {URLSearchParams} query of the address
   */
  constructor(scope, query) {
    this.scope = scope;
    this.query = query;
    this.frame = 0;
  }

  /**
   * @param {string} key
   * @param {string|null} [otherwise]
   * @returns {string|null}
   */
  get(key, otherwise = null) {
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
    if (value === null || value === undefined) this.query.delete(key);
    else if (address) this.query.set(key, String(value));
    store(this.#name(key), value === null || value === undefined ? null : String(value));
    // Browsers refuse an address that changes with every move of a hand, so once a frame must do.
    if (address && !this.frame) this.frame = setTimeout(() => this.#write(), 150);
  }

  setJSON(key, value, options) {
    this.set(key, value === null ? null : JSON.stringify(value), options);
  }

  /** Write what is pending, before the view goes. */
  flush() {
    if (this.frame) this.#write();
  }

  #name(key) {
    return `${PREFIX}${this.scope}:${key}`;
  }

  #write() {
    clearTimeout(this.frame);
    this.frame = 0;
    const path = location.hash.split("?", 1)[0];
    const query = this.query.toString();
    history.replaceState(history.state, "", query ? `${path}?${query}` : path);
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
