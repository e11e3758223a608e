/** Pictures of samples, many on one sheet, which are taken apart when one of them is asked for. */

export class Sheets {
  /**
   * @param {{width: number, height: number, channels: 1|3, columns: number, each: number}} layout
   *   pictures per row of a sheet, and per sheet
   * @param {Object} arrays `sheet0`, `sheet1` ...: picture files
   */
  constructor(layout, arrays) {
    Object.assign(this, { layout, arrays });
    this.opened = new Map();
  }

  /** @returns {Promise<import("isthmus/backend.js").ShownPicture[]>} */
  get(rows) {
    return Promise.all(rows.map((row) => this.#one(row)));
  }

  async #one(row) {
    const { width, height, channels, columns, each } = this.layout;
    const sheet = await this.#sheet(Math.floor(row / each));
    const place = row % each;
    const [left, top] = [(place % columns) * width, Math.floor(place / columns) * height];
    const { data } = sheet.getImageData(left, top, width, height);
    const pixels = new Uint8Array(width * height * channels);
    for (let i = 0; i < width * height; i += 1) {
      for (let c = 0; c < channels; c += 1) pixels[i * channels + c] = data[4 * i + c];
    }
    return { kind: "picture", width, height, channels, pixels };
  }

  #sheet(number) {
    if (!this.opened.has(number)) this.opened.set(number, this.#open(number));
    return this.opened.get(number);
  }

  async #open(number) {
    const file = this.arrays[`sheet${number}`];
    if (!file) throw new Error("This page has no such sample.");
    // As the bytes are, not as a screen's profile would have them.
    const image = await createImageBitmap(new Blob([file.values]), { colorSpaceConversion: "none" });
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    image.close();
    return context;
  }
}
