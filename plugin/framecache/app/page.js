// The page: asks the server again and again, and hands each part what it shows.

import { Archive } from "./archive.js";
import { byId, write } from "./element.js";
import { Events } from "./events.js";
import { Health } from "./health.js";
import { Overview } from "./overview.js";
import { Poll } from "./poll.js";
import { Preview } from "./preview.js";
import { json, ORTHANC, tell, tellIfAny } from "./server.js";
import { Studies } from "./studies.js";
import { Traffic } from "./traffic.js";
import { ended, Work } from "./work.js";

const SELDOM = 20; // polls between two looks at a table of which nothing was heard

class Page {
  #archive = new Archive();
  #health = new Health();
  #overview = new Overview();
  #traffic = new Traffic();
  #events = new Events();
  #preview = new Preview();
  #work = new Work(this.#archive, () => this.#look());
  #studies = new Studies(this.#archive, this.#preview, () => this.#look());
  #poll = new Poll(() => this.#ask());
  #since = Infinity;
  #busy = false;

  start() {
    const study = new URLSearchParams(location.search).get("study");
    if (study) this.#studies.search(study);
    this.#poll.now();
    json(new URL("system", ORTHANC)).then(({ Name: name }) => write(byId("server"), name ?? ""), () => {});
  }

  /** Ask now, for the table too. */
  #look() {
    this.#since = Infinity;
    this.#poll.now();
  }

  async #ask() {
    try {
      const [status, statistics, jobs] = await Promise.all([tell("status"), tellIfAny("statistics"), tellIfAny("jobs")]);
      if (status.DicomWeb) this.#preview.useRoots(status.DicomWeb);
      this.#overview.show(status, statistics);
      this.#traffic.show(statistics);
      this.#work.show(statistics, jobs);
      await this.#table(status, statistics, jobs);
      this.#health.show(status);
    } catch (error) {
      this.#health.silent(error.name === "TypeError" || error.name === "TimeoutError" ? "Orthanc cannot be reached" : error.message);
    }
  }

  /** The table costs the server more than all else: it is asked for when something was heard of it, or seldom. */
  async #table(status, statistics, jobs) {
    if (!("Entries" in status)) return;
    const heard = await this.#events.refresh();
    const busy = (jobs?.Jobs ?? []).some((job) => !ended(job));
    if (heard || busy !== this.#busy || ++this.#since >= SELDOM) {
      this.#since = 0;
      await this.#studies.refresh(statistics?.Now ?? new Date().toISOString());
    }
    this.#busy = busy;
  }
}

new Page().start();
