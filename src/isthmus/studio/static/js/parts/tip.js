/** What the pointer is over on the map: the sample, or what the decoder makes of the empty place. */

import { rowSummary } from "isthmus/parts/bars.js";
import { el, replace } from "isthmus/parts/dom.js";
import { Latest } from "isthmus/latest.js";
import { Picture } from "isthmus/parts/picture.js";
import { nameOf } from "isthmus/parts/samples.js";

const GAP = 14;

export class Tip {
  /**
   * @param {HTMLElement} stage that the tip lies in
   * @param {(hit: Object) => Promise<{shown: Object, row?: number, label?: string}|null>} look finds what to
   *   show
   * @param {string[]|null} features names, for rows
   */
  constructor(stage, look, features) {
    Object.assign(this, { stage, features });
    this.picture = new Picture({ class: "tip-picture" });
    this.body = el("div", {});
    this.caption = el("p", { class: "tip-caption" });
    this.node = el("div", { class: "tip", hidden: true, "aria-hidden": "true" }, this.body, this.caption);
    stage.append(this.node);
    this.latest = new Latest(
      async (hit) => ({ hit, found: await look(hit) }),
      ({ hit, found }) => (this.wanted && found ? this.#show(found, hit) : this.hide()),
      () => this.hide(),
    );
  }

  /** @param {{index: number, at: number[], pixel: number[]}|null} hit */
  point(hit) {
    this.wanted = hit;
    if (!hit) return this.hide();
    if (!this.node.hidden) this.#place(hit.pixel);
    return this.latest.push(hit);
  }

  hide() {
    this.node.hidden = true;
  }

  #show({ shown, row, label }, hit) {
    if (shown.kind === "picture") {
      if (this.body.firstChild !== this.picture.node) replace(this.body, this.picture.node);
      this.picture.show(shown);
    } else replace(this.body, rowSummary(this.features, shown.values));
    this.caption.textContent = row === undefined ? "decoded here" : nameOf({ row, label });
    this.node.classList.toggle("tip-decoded", row === undefined);
    this.node.hidden = false;
    this.#place((this.wanted ?? hit).pixel);
  }

  /** Beside the pointer, on the side where there is room. */
  #place([px, py]) {
    const { clientWidth, clientHeight } = this.stage;
    const { offsetWidth, offsetHeight } = this.node;
    const left = px + GAP + offsetWidth > clientWidth ? px - GAP - offsetWidth : px + GAP;
    const top = Math.min(Math.max(4, py - offsetHeight / 2), clientHeight - offsetHeight - 4);
    this.node.style.transform = `translate(${Math.max(4, Math.round(left))}px, ${Math.round(top)}px)`;
  }

  stop() {
    this.latest.stop();
  }
}
