// The archive from before the plugin: how much of it is cached, and whether that goes on.

import { announce } from "./confirmation.js";
import { byId, write } from "./element.js";
import { bytes, count, counted, day, duration } from "./format.js";
import { act } from "./server.js";

const STATES = {
  off: "Not started",
  running: "Running",
  waiting: "Waiting",
  paused: "Paused",
  full: "Full",
  done: "Done",
};
const GOES_ON = new Set(["running", "waiting"]);
const START = {
  question: "Start the backfill?",
  consequence: "It caches the archive, the newest studies first. Viewers and new arrivals have priority.",
  agree: "Start",
};
const PAUSE = { question: "Pause the backfill?", consequence: "It stays paused until you start it again, even after a restart of Orthanc.", agree: "Pause" };

export class Backfill {
  #confirmation;
  #changed;
  #goesOn = false;

  /** `changed` is called when the server should be asked anew. */
  constructor(confirmation, changed) {
    [this.#confirmation, this.#changed] = [confirmation, changed];
    byId("backfill-act").addEventListener("click", () => this.#act());
  }

  /** `backfill` as the plugin reports it; null where it knows no backfill. */
  show(backfill) {
    byId("backfill").hidden = !backfill;
    if (!backfill) return;
    const { State: state, Reason: why, Done: done, Total: total, CachedInstances: cached, Bytes: size, StudyDate: date, SecondsLeft: left } = backfill;
    this.#goesOn = GOES_ON.has(state);
    write(byId("backfill-state"), [STATES[state] ?? state, why].filter(Boolean).join(": "));
    const bar = byId("backfill-bar");
    bar.hidden = state === "off" || !total;
    if (total) [bar.max, bar.value] = [total, Math.min(done, total)];
    const parts = [
      total ? `${count(done)} of ${counted(total, "instance")} checked` : "",
      cached ? `${count(cached)} cached, ${bytes(size)}` : "",
      date ? `at studies of ${day(date)}` : "",
      left === null ? "" : `${duration(left)} left`,
    ];
    write(byId("backfill-progress"), state === "off" ? "" : parts.filter(Boolean).join(" · "));
    write(byId("backfill-act"), this.#goesOn ? "Pause" : "Start");
  }

  async #act() {
    const [path, question] = this.#goesOn ? ["backfill/pause", PAUSE] : ["backfill/start", START];
    if (!(await this.#confirmation.ask({ subject: "", ...question }))) return;
    try {
      await act(path);
      announce(path === "backfill/pause" ? "The backfill is paused." : "The backfill has started.");
    } catch (error) {
      announce(`The backfill is unchanged: ${error.message}`, "bad");
    }
    this.#changed();
  }
}
