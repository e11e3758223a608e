/** A picture at its own pixels, enlarged by the browser without blurring. */

import { el } from "isthmus/parts/dom.js";

export class Picture {
  /**
   * @param {{label?: string, class?: string}} [options] `label` is what a screen reader says; without it the
   *   picture is decoration
   */
  constructor({ label, class: kind = "" } = {}) {
    this.node = el("canvas", { class: `picture ${kind}`.trim(), width: 1, height: 1 });
    this.context = this.node.getContext("2d", { desynchronized: false });
    this.data = null;
    this.label(label);
  }

  /** Say what the picture shows. */
  label(text) {
    if (text) {
      this.node.setAttribute("role", "img");
      this.node.setAttribute("aria-label", text);
    } else {
      this.node.setAttribute("aria-hidden", "true");
    }
  }

  /**
   * Draw, and tell so with the event `drawn`.
   * @param {import("isthmus/backend.js").ShownPicture} shown
   */
  show(shown) {
    const { width, height } = shown;
    if (!this.data || this.data.width !== width || this.data.height !== height) {
      this.node.width = width;
      this.node.height = height;
      this.node.style.aspectRatio = `${width} / ${height}`;
      this.data = this.context.createImageData(width, height);
    }
    fillRGBA(this.data.data, shown);
    this.context.putImageData(this.data, 0, 0);
    this.node.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  clear() {
    this.context.clearRect(0, 0, this.node.width, this.node.height);
  }
}

/** Grey or colour to red, green, blue, opaque. */
export function fillRGBA(target, { pixels, channels }) {
  const n = pixels.length / channels;
  for (let i = 0; i < n; i += 1) {
    const from = i * channels;
    target[4 * i] = pixels[from];
    target[4 * i + 1] = pixels[channels === 3 ? from + 1 : from];
    target[4 * i + 2] = pixels[channels === 3 ? from + 2 : from];
    target[4 * i + 3] = 255;
  }
}

/** A canvas that shows this picture, for lists of many. */
export function thumbnail(shown, label) {
  const picture = new Picture({ label, class: "thumbnail" });
  picture.show(shown);
  return picture.node;
}
