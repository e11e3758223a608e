/** Samples of a run by their number, kept once fetched. */

const MOST = 600;

export class Samples {
  constructor(backend, run) {
    Object.assign(this, { backend, run });
    this.kept = new Map();
  }

  /**
   * @param {number[]} rows
   * @returns {Promise<{row: number, shown: import("isthmus/backend.js").Shown, label: string|null}[]>}
   */
  async get(rows) {
    const missing = rows.filter((row) => !this.kept.has(row));
    if (missing.length) {
      const { shown, header } = await this.backend.samples(this.run, missing);
      missing.forEach((row, i) => {
        this.kept.set(row, { row, shown: shown[i], label: header.labels?.[i] ?? null });
      });
    }
    const found = rows.map((row) => this.kept.get(row));
    for (const row of [...this.kept.keys()].slice(0, Math.max(0, this.kept.size - MOST)))
      this.kept.delete(row);
    return found;
  }

  async one(row) {
    return (await this.get([row]))[0];
  }
}

/** "row 5 (barolo)". */
export function nameOf({ row, label }) {
  return label === null || label === undefined ? `row ${row}` : `row ${row} (${label})`;
}
