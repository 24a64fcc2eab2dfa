// Work that is done again and again: often while somebody looks, seldom in a hidden tab.

const LOOKED_AT = 3000; // ms
const HIDDEN = 30000;

export class Poll {
  #work;
  #timer;
  #running = false;
  #again = false;

  /** `work` returns a promise and deals with its own failures. */
  constructor(work) {
    this.#work = work;
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
  }

  /** Do it now, or once more when what is under way has ended. */
  async now() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = true;
    do {
      this.#again = false;
      await this.#work();
    } while (this.#again);
    this.#running = false;
    this.#timer = setTimeout(() => this.now(), document.hidden ? HIDDEN : LOOKED_AT);
  }
}
