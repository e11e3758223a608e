/**
 * Newest wins: one request is in flight, and only the newest of those that came meanwhile is kept waiting.
 *
 * A slider that is dragged asks more often than any decoder answers. A queue would fall behind the hand; this
 * skips what is already stale, and always ends with the answer to the last position.
 */
export class Latest {
  /**
   * @param {(argument: any) => Promise<any>} work what to ask
   * @param {(result: any, argument: any) => void} deliver gets answers, in order
   * @param {(error: Error) => void} [failed] gets what went wrong
   */
  constructor(work, deliver, failed = () => {}) {
    this.work = work;
    this.deliver = deliver;
    this.failed = failed;
    this.busy = false;
    this.waiting = null;
    this.stopped = false;
  }

  /** Ask for this, now or as soon as the answer before it is there. */
  push(argument) {
    if (this.busy) this.waiting = { argument };
    else this.#run(argument);
  }

  /** Deliver nothing more: the view is gone. */
  stop() {
    this.stopped = true;
    this.waiting = null;
  }

  async #run(argument) {
    this.busy = true;
    try {
      const result = await this.work(argument);
      if (!this.stopped) this.deliver(result, argument);
    } catch (error) {
      if (!this.stopped) this.failed(error);
    } finally {
      this.busy = false;
      const next = this.waiting;
      this.waiting = null;
      if (next && !this.stopped) this.#run(next.argument);
    }
  }
}
