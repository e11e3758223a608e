/** A picture that is dropped, pasted or chosen, brought to the size, channels and units of the data. */

import { choice, el } from "isthmus/parts/dom.js";

const FITS = [
  { id: "crop", name: "cut the middle out" },
  { id: "stretch", name: "stretch" },
];

export class PictureInput {
  /**
   * @param {{info: Object, ontake: (values: Float64Array) => void, onproblem: (text: string) => void}}
   *   options
   */
  constructor(options) {
    Object.assign(this, options);
    this.fit = "crop";
    this.invert = false;
    this.file = null;
    this.node = el(
      "section",
      { class: "card own-input", "aria-label": "Your picture" },
      el("div", { class: "card-head" }, el("h2", {}, "Your picture")),
      this.#field(),
      el("div", { class: "row own-options" }, this.#options()),
    );
    this.paste = (event) => this.take([...event.clipboardData.files][0]);
    this.miss = (event) => event.preventDefault();
    document.addEventListener("paste", this.paste);
    // A file that misses the field would replace the page.
    for (const kind of ["dragover", "drop"]) document.addEventListener(kind, this.miss);
  }

  async start() {}

  stop() {
    document.removeEventListener("paste", this.paste);
    for (const kind of ["dragover", "drop"]) document.removeEventListener(kind, this.miss);
  }

  #field() {
    const [height, width] = this.info.shape;
    const input = el("input", { type: "file", accept: "image/*", class: "sr-only" });
    input.addEventListener("change", () => {
      this.take(input.files[0]);
      input.value = "";
    });
    this.name = el("span", { class: "own-name" });
    const field = el(
      "label",
      { class: "own-drop" },
      input,
      el("span", { class: "own-drop-title" }, "Drop, paste or choose a picture"),
      el(
        "span",
        { class: "small muted" },
        `It is brought to ${height} × ${width} pixels, and never leaves this page.`,
      ),
      this.name,
    );
    field.addEventListener("dragover", () => field.classList.add("over"));
    field.addEventListener("dragleave", () => field.classList.remove("over"));
    field.addEventListener("drop", (event) => {
      event.preventDefault();
      field.classList.remove("over");
      this.take(event.dataTransfer.files[0]);
    });
    return field;
  }

  #options() {
    const box = el("input", { type: "checkbox" });
    box.addEventListener("change", () => this.#change({ invert: box.checked }));
    return [
      choice("Other proportions", FITS, this.fit, (fit) => this.#change({ fit })),
      el("label", { class: "own-check" }, box, "Invert"),
    ];
  }

  #change(options) {
    Object.assign(this, options);
    this.take(this.file);
  }

  /** @param {File|null|undefined} file */
  async take(file) {
    if (!file) return;
    try {
      const pixels = await read(file, this.info.shape, this.fit);
      this.file = file;
      this.name.textContent = file.name;
      this.ontake(toValues(pixels, this.info, this.invert));
    } catch {
      this.onproblem(`${file.name} is not a picture that this browser can read.`);
    }
  }
}

/** Red, green, blue and opacity of a picture file at another size. */
async function read(file, [height, width], fit) {
  const whole = await createImageBitmap(file);
  const part = fit === "crop" ? middle(whole, width / height) : [0, 0, whole.width, whole.height];
  const small = await createImageBitmap(whole, ...part, {
    resizeWidth: width,
    resizeHeight: height,
    resizeQuality: "high",
  });
  whole.close();
  const canvas = el("canvas", { width, height });
  const context = canvas.getContext("2d");
  // Transparent parts become white, as where a folder of pictures is read.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(small, 0, 0, width, height);
  small.close();
  return context.getImageData(0, 0, width, height).data;
}

/** The largest middle part of these proportions. */
function middle({ width, height }, proportions) {
  const w = Math.max(1, Math.round(Math.min(width, height * proportions)));
  const h = Math.max(1, Math.round(Math.min(height, width / proportions)));
  return [Math.floor((width - w) / 2), Math.floor((height - h) / 2), w, h];
}

/** Pixels as values in the units of the data. */
function toValues(pixels, { shape, low, high }, invert) {
  const [height, width, channels = 1] = shape;
  const values = new Float64Array(height * width * channels);
  for (let i = 0; i < height * width; i += 1) {
    const colour = pixels.subarray(4 * i, 4 * i + 3);
    for (let c = 0; c < channels; c += 1) {
      const byte = channels === 3 || channels === 4 ? (colour[c] ?? 255) : grey(colour);
      values[i * channels + c] = low + ((invert ? 255 - byte : byte) / 255) * (high - low);
    }
  }
  return values;
}

/** Brightness, as Pillow computes it (ITU-R 601). */
function grey([red, green, blue]) {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}
