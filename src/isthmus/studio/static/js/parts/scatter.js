/**
 * The points of a map: by WebGL 2 on a graphics card, or else pixel by pixel.
 *
 * Browsers without a card offer WebGL in software, which draws 100,000 points some six times a second; the
 * loop below needs a tenth of that time. So it is asked for WebGL only where that is fast.
 */

import { el } from "isthmus/parts/dom.js";
import { token } from "isthmus/parts/colours.js";
import { webglPoints } from "isthmus/parts/scatter_gl.js";

/** The faster way that this browser has, with a canvas of its own. */
export function makePoints() {
  // A canvas that has once been asked for WebGL gives no plain context any more, so each gets a new one.
  const canvas = () => el("canvas", { class: "map-points", "aria-hidden": "true" });
  return webglPoints(canvas()) ?? new PixelPoints(canvas());
}

/** Steps within a pixel that a point's place is rounded to, on each axis. */
const PHASES = 4;

class PixelPoints {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.kind = "pixels";
  }

  load(map, colours) {
    this.map = map;
    this.paint(colours);
  }

  paint(colours) {
    this.colours = colours;
  }

  /**
   * @param {import("isthmus/parts/camera.js").Camera} camera
   * @param {{radius: number, opacity: number, ratio: number}} look in CSS pixels; `ratio` is that of the
   *   screen
   */
  draw(camera, { radius, opacity, ratio }) {
    // With a margin on all sides, so that no disc has to be cut.
    const margin = Math.ceil(radius * ratio + 1);
    const [width, height] = [this.canvas.width + 2 * margin, this.canvas.height + 2 * margin];
    if (this.image?.width !== width || this.image?.height !== height) {
      this.image = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.pixels.fill(packed(...token("--sunken")));
    this.#splat(camera, ratio, margin, stamps(radius * ratio, opacity, margin, width));
    this.context.putImageData(this.image, -margin, -margin);
  }

  #splat(camera, ratio, margin, { offsets, covers }) {
    const { pixels, colours } = this;
    const { x, y } = this.map;
    const { width, height } = this.image;
    const [sx, sy] = camera.scale.map((scale) => scale * ratio);
    const left = margin + (camera.width / 2) * ratio - camera.centre[0] * sx;
    const top = margin + (camera.height / 2) * ratio + camera.centre[1] * sy;
    for (let i = 0; i < x.length; i += 1) {
      const px = left + x[i] * sx;
      const py = top - y[i] * sy;
      if (!(px >= margin && py >= margin && px < width - margin && py < height - margin)) continue;
      const column = px | 0;
      const row = py | 0;
      const phase = (((py - row) * PHASES) | 0) * PHASES + (((px - column) * PHASES) | 0);
      const k = 4 * i;
      const redBlue = colours[k] | (colours[k + 2] << 16);
      blend(
        pixels,
        row * width + column,
        offsets[phase],
        covers[phase],
        redBlue,
        colours[k + 1] << 8,
        colours[k + 3],
      );
    }
  }

  finish() {}

  destroy() {}
}

/** Lay a disc over the pixels; red and blue, which are 16 bits apart, are mixed by one multiplication. */
function blend(pixels, start, offsets, covers, redBlue, green, alpha) {
  for (let j = 0; j < offsets.length; j += 1) {
    const at = start + offsets[j];
    const share = alpha === 255 ? covers[j] : (covers[j] * alpha) >> 8;
    const rest = 256 - share;
    const under = pixels[at];
    const mixed = ((Math.imul(redBlue, share) + Math.imul(under & 0xff00ff, rest)) >>> 8) & 0xff00ff;
    pixels[at] = mixed | (((green * share + (under & 0xff00) * rest) >>> 8) & 0xff00) | 0xff000000;
  }
}

/**
 * Discs for every place within a pixel: which pixels they touch, and how much of each they cover, in 256ths.
 * @returns {{offsets: Int32Array[], covers: Uint16Array[]}}
 */
function stamps(radius, opacity, reach, width) {
  const [offsets, covers] = [[], []];
  for (let phase = 0; phase < PHASES * PHASES; phase += 1) {
    const [cx, cy] = [((phase % PHASES) + 0.5) / PHASES, (Math.floor(phase / PHASES) + 0.5) / PHASES];
    const [places, shares] = [[], []];
    for (let dy = -reach; dy <= reach; dy += 1) {
      for (let dx = -reach; dx <= reach; dx += 1) {
        const distance = Math.hypot(dx + 0.5 - cx, dy + 0.5 - cy);
        const share = Math.round(256 * opacity * Math.min(1, Math.max(0, radius + 0.5 - distance)));
        if (share) {
          places.push(dy * width + dx);
          shares.push(share);
        }
      }
    }
    offsets.push(Int32Array.from(places));
    covers.push(Uint16Array.from(shares));
  }
  return { offsets, covers };
}

/** Red, green and blue as one number, in the order of memory. */
function packed(red, green, blue) {
  return (red | (green << 8) | (blue << 16) | 0xff000000) >>> 0;
}
