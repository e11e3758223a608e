/** Follows a fit over a socket; a connection that is lost is opened again, and all is told anew. */

import { unpack } from "isthmus/frame.js";

const LONGEST_WAIT = 8000;

export class Follower {
  /**
   * @param {string} id of the fit
   * @param {{onprogress: (fit: Object, epochs: Object[]) => void, onframe: (frame: Object) => void,
   *   onerror: (sentence: string, final: boolean) => void}} listeners `epochs` are all of them
   */
  constructor(id, listeners) {
    Object.assign(this, { id, ...listeners });
    this.wait = 500;
    this.closed = false;
    this.#open();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }

  /** Follow again, after the end. */
  again() {
    this.close();
    this.closed = false;
    this.#open();
  }

  #open() {
    const url = new URL(`/api/fits/${encodeURIComponent(this.id)}/live`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const epochs = [];
    let over = false;
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      this.wait = 500;
      if (typeof data !== "string") {
        this.onframe(unpack(data));
        return;
      }
      const message = JSON.parse(data);
      if (message.event === "error") {
        over = true;
        this.onerror(message.error, true);
        return;
      }
      epochs.push(...message.epochs);
      over = isOver(message.fit);
      this.onprogress(message.fit, epochs);
    };
    socket.onclose = () => {
      if (this.closed || over || this.socket !== socket) return;
      this.onerror("The connection to the studio's server is lost; trying again.", false);
      this.timer = setTimeout(() => this.#open(), this.wait);
      this.wait = Math.min(LONGEST_WAIT, 2 * this.wait);
    };
  }
}

/** Whether a fit has come to its end. */
export function isOver({ state }) {
  return ["done", "stopped", "failed"].includes(state);
}
