/**
 * A socket that sends numbered questions as text and gets frames back; it opens when first used, and again if
 * lost.
 */

import { unpack } from "isthmus/frame.js";

const LOST = "The connection to the studio's server is lost; is it still running?";

export class Live {
  /**
   * @param {string} path on this server
   * @param {string} [lost] what to say when the connection breaks
   */
  constructor(path, lost = LOST) {
    this.path = path;
    this.lost = lost;
    this.socket = null;
    this.opened = null;
    this.last = 0;
    this.asked = new Map();
  }

  /**
   * @param {string} op
   * @param {Object} fields
   * @returns {Promise<{header: Object, arrays: Object}>}
   */
  request(op, fields) {
    return this.ask((id) => JSON.stringify({ id, op, ...fields }));
  }

  /**
   * @param {(id: number) => string|ArrayBuffer} message what to send, with the question's number in it
   * @returns {Promise<{header: Object, arrays: Object}>}
   */
  async ask(message) {
    const socket = await this.#open();
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      socket.send(message(id));
    });
  }

  close() {
    this.socket?.close();
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
        const lost = new Error(this.lost);
        reject(lost);
        for (const { reject: fail } of this.asked.values()) fail(lost);
        this.asked.clear();
      };
    });
    socket.onmessage = ({ data }) => this.#answer(data);
    return this.opened;
  }

  #answer(data) {
    const frame = unpack(data);
    const question = this.asked.get(frame.header.id);
    if (!question) return;
    this.asked.delete(frame.header.id);
    if (frame.header.error) question.reject(new Error(frame.header.error));
    else question.resolve(frame);
  }
}
